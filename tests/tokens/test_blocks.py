from pathlib import Path

import numpy as np
import pytest

from recipe.config import TokenizerConfig
from recipe.corpus import Document
from recipe.tokenizer.wordpiece import train_wordpiece
from recipe.tokens import blocks as token_blocks
from recipe.tokens.blocks import BlockWriters, TextBlock, encode_block, encoding_version, read_block, write_block
from recipe.tokens.encoding import SentenceEncoder

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
    monkeypatch.setattr(token_blocks, "code_hash", lambda module: "other code")
    versions = {version, encoding_version(TOKENIZER), encoding_version(TOKENIZER.replace("alpha", "alphb"))}
    assert len({BLOCK.key(version) for version in versions}) == 3


def write_all(writers: BlockWriters, block: TextBlock, *paths: Path) -> None:
    with writers:
        for path in paths:
            writers.write(block, path)
        writers.finish()


@pytest.mark.parametrize("num_proc", [1, 2])
def test_what_fails_in_a_process_is_raised_here(tmp_path, num_proc):
    with pytest.raises(FileNotFoundError, match="absent"):
        write_all(BlockWriters(TOKENIZER, num_proc), BLOCK, tmp_path / "absent" / "block")


def test_the_failure_of_a_process_shows_where(tmp_path):
    process = token_blocks._EncodingProcess(TOKENIZER)
    with pytest.raises(RuntimeError, match=r"(?s)a process that tokenises failed:.*in encode_block"):
        process.write(TextBlock(b"\xff", np.array([1]), continues=False), tmp_path / "block")
    process.write(BLOCK, tmp_path / "block")
    process.stop(at_once=False)
    assert read_block(tmp_path / "block") is not None


def test_a_killed_process_is_named(tmp_path, monkeypatch):
    writers = BlockWriters(TOKENIZER, 2)
    start = token_blocks._EncodingProcess.__init__
    monkeypatch.setattr(
        token_blocks._EncodingProcess, "__init__", lambda self, json: (start(self, json), self._process.kill())[0]
    )
    with pytest.raises(RuntimeError, match=r"ended with status -9; .* lower pairs.num_proc"):
        write_all(writers, BLOCK, *(tmp_path / str(number) for number in range(6)))
    assert len(writers._processes) == 1
    assert all(process._process.poll() is not None for process in writers._processes)
