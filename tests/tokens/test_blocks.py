import errno
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from recipe.config import TokenizerConfig
from recipe.corpus import Document
from recipe.errors import InputError
from recipe.tokenizer.wordpiece import train_wordpiece
from recipe.tokens import store as token_store
from recipe.tokens.blocks import BlockWriters, TextBlock, encode_block, read_block, write_block
from recipe.tokens.encoding import SentenceEncoder
from recipe.tokens.store import encoding_version

TOKENIZER = train_wordpiece([Document(["alpha beta gamma"] * 9, "test")], TokenizerConfig(vocab_size=64)).to_str()
BLOCK = TextBlock("alpha beta\n\u200b\ngamma\n\u200b".encode(), np.array([2, 0, 1, 1]), continues=False)


@pytest.fixture
def path(tmp_path):
    write_block(encode_block(BLOCK, SentenceEncoder(TOKENIZER)), tmp_path / "block")
    return tmp_path / "block"


def test_a_block_comes_back_as_it_was_written(path):
    block = read_block(path)
    expected = encode_block(BLOCK, SentenceEncoder(TOKENIZER))
    for name in ("tokens", "sentence_lengths", "document_lengths"):
        assert np.array_equal(getattr(block, name), getattr(expected, name))
    assert block.document_lengths.tolist() == [1, 0, 1, 0]
    assert (block.empty_sentences, block.continues) == (2, False)
    assert [file.name for file in path.parent.iterdir()] == ["block"]


def test_a_damaged_block_is_no_block(path):
    content = path.read_bytes()
    assert read_block(path.parent / "absent") is None
    for length in (0, 1, content.index(b"\n"), content.index(b"\n") + 1, len(content) - 1):
        path.write_bytes(content[:length])
        assert read_block(path) is None, length
    for place in range(content.index(b"\n") + 1, len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert read_block(path) is None, place
    path.write_bytes(content + b"\0")
    assert read_block(path) is None


def test_the_key_follows_all_that_shapes_the_ids(monkeypatch):
    others = [
        TextBlock(BLOCK.text + b".", BLOCK.document_lengths, continues=False),
        TextBlock(BLOCK.text, np.array([1, 1, 1, 1]), continues=False),
        TextBlock(BLOCK.text, BLOCK.document_lengths, continues=True),
    ]
    version = encoding_version(TOKENIZER)
    assert len({block.key(version) for block in [BLOCK, *others]}) == 4
    monkeypatch.setattr(token_store, "VERSION", token_store.VERSION + 1)
    versions = {version, encoding_version(TOKENIZER), encoding_version(TOKENIZER.replace("alpha", "alphb"))}
    assert len({BLOCK.key(version) for version in versions}) == 3


def write_all(writers: BlockWriters, *paths: Path) -> None:
    for path in paths:
        writers.write(BLOCK, path)
    writers.finish()


@pytest.mark.parametrize("num_proc", [1, 2])
def test_what_fails_in_a_process_is_raised_here(tmp_path, num_proc):
    with BlockWriters(TOKENIZER, num_proc) as writers:
        writers.write(BLOCK, tmp_path / "first")
        with pytest.raises(FileNotFoundError, match="absent") as failure:
            write_all(writers, tmp_path / "absent" / "block")
    assert failure.value.errno == errno.ENOENT


def test_the_failure_of_a_process_shows_where(tmp_path):
    bad = TextBlock(b"\xff", np.array([1]), continues=False)
    with BlockWriters(TOKENIZER, 2) as writers:
        writers.write(BLOCK, tmp_path / "first")
        writers.write(bad, tmp_path / "bad")
        with pytest.raises(UnicodeDecodeError) as failure:
            writers.finish()
        assert "in encode_block" in str(failure.value.__cause__)
        writers.write(BLOCK, tmp_path / "block")
        writers.finish()
    assert read_block(tmp_path / "block") is not None


def test_a_killed_process_is_named(tmp_path):
    with BlockWriters(TOKENIZER, 2) as writers:
        writers.write(BLOCK, tmp_path / "first")
        assert not multiprocessing.active_children()
        writers.write(BLOCK, tmp_path / "second")
        writers.finish()
        (process,) = multiprocessing.active_children()
        process.kill()
        process.join()
        with pytest.raises(InputError, match=r"ended before its work; .* lower pairs.num_proc"):
            write_all(writers, *(tmp_path / str(number) for number in range(6)))
    assert not multiprocessing.active_children()


# Run by `python -c`, as a script without a guard, and from standard input as a notebook does it.
UNGUARDED = """
import sys
from pathlib import Path
from recipe.corpus import Document
from recipe.errors import InputError
from recipe.tokens import store
from tokenizers import Tokenizer
print("run")
store.CHARACTERS_PER_BLOCK = 20
documents = [Document([f"alpha beta {number}"], "a") for number in range(20)]
made = store.write_token_store(Path(FOLDER), documents, Tokenizer.from_str(JSON), num_proc=3)
print(made.documents)
"""


@pytest.mark.parametrize("way", ["-c", "script", "-"])
def test_processes_start_from_any_program_and_do_not_run_it_again(tmp_path, way):
    code = UNGUARDED.replace("FOLDER", repr(str(tmp_path / "store"))).replace("JSON", repr(TOKENIZER))
    (tmp_path / "script.py").write_text(code)
    arguments = {"-c": ["-c", code], "script": [str(tmp_path / "script.py")], "-": ["-"]}[way]
    done = subprocess.run(
        [sys.executable, *arguments],
        input=code,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "run\n20\n", "")
