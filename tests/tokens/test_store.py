import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, small_disk, write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from recipe.config import CorpusConfig, TokenizerConfig
from recipe.corpus import Document, read_documents
from recipe.errors import InputError
from recipe.tokenizer.wordpiece import train_wordpiece
from recipe.tokens import blocks as token_blocks
from recipe.tokens import store as token_store
from recipe.tokens.encoding import encode_sentences
from recipe.tokens.store import open_token_store, store_hash, token_counts, write_token_store, write_token_stores

DOCUMENTS = [Document([f"word{number} alpha beta", "\u200b", "gamma"], "a") for number in range(40)] + [
    Document(["\u200b"], "b"),
    Document(["delta"], "c"),
]
# Builds a store again and again smaller than it is, so that a kill finds it at work.
BUILD = """
import sys
import tempfile
from pathlib import Path
from tokenizers import Tokenizer
from recipe.tokens import store as token_store
from recipe.config import CorpusConfig
from recipe.corpus import read_documents
folder, corpus, tokenizer, num_proc = sys.argv[1:]
token_store.CHARACTERS_PER_BLOCK = 4_000
print("ready", flush=True)
documents = read_documents(CorpusConfig(path=[corpus]))
token_store.write_token_store(Path(folder), documents, Tokenizer.from_file(tokenizer), int(num_proc))
"""


@pytest.fixture(scope="module")
def tokenizer():
    return train_wordpiece(DOCUMENTS, TokenizerConfig(vocab_size=100))


def content_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def left_beside(folder: Path) -> set[str]:
    return {path.name for path in folder.parent.iterdir()} - {folder.name, folder.name + ".lock"}


@pytest.mark.parametrize("block", [1, 7, 300, 1 << 20])
@pytest.mark.parametrize("num_proc", [1, 2])
def test_store_contains_every_token_in_order_whatever_the_block_and_processes(
    tmp_path, tokenizer, monkeypatch, block, num_proc
):
    monkeypatch.setattr(token_store, "CHARACTERS_PER_BLOCK", block)
    store = write_token_store(tmp_path / "store", DOCUMENTS, tokenizer, num_proc)
    assert store.tokens.dtype == np.uint16
    ids, lengths = encode_sentences(tokenizer, [sentence for document in DOCUMENTS for sentence in document.sentences])
    assert (store.tokens == ids).all()
    assert (np.diff(store.sentence_offsets) == lengths[lengths > 0]).all()
    assert np.diff(store.document_offsets).tolist() == [2] * 40 + [1]
    assert store.counts == {
        "documents": 41,
        "sentences": 81,
        "tokens": len(ids),
        "empty_sentences": 41,
        "unknown_tokens": 0,
        "special_tokens": 0,
        "empty_documents": 1,
    }
    assert token_counts(store, 100).sum() == len(ids)
    assert left_beside(tmp_path / "store") == set()


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["alpha", "\u200b", "beta gamma", "a\nb", "word1 " * 9]), max_size=6), max_size=8
    ),
    st.integers(1, 60),
)
def test_any_block_size_gives_the_same_bytes(tmp_path_factory, tokenizer, texts, block):
    folder = tmp_path_factory.mktemp("stores")
    documents = [Document(sentences, "a") for sentences in texts]
    whole = write_token_store(folder / "whole", documents, tokenizer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_store, "CHARACTERS_PER_BLOCK", block)
        write_token_store(folder / "blocks", documents, tokenizer)
    assert content_of(folder / "whole") == content_of(folder / "blocks")
    kept = [[sentence for sentence in sentences if sentence != "\u200b"] for sentences in texts]
    assert np.diff(whole.document_offsets).tolist() == [len(sentences) for sentences in kept if sentences]
    assert whole.counts["empty_documents"] == sum(not sentences for sentences in kept)
    shutil.rmtree(folder)


def test_several_stores_in_one_pass(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(token_store, "CHARACTERS_PER_BLOCK", 100)
    names = ["odd" if number % 2 else "even" for number in range(len(DOCUMENTS))]
    folders = {name: tmp_path / "both" / name for name in ("even", "odd", "none")}
    stores = write_token_stores(folders, zip(names, DOCUMENTS, strict=True), tokenizer, num_proc=2)
    for name in folders:
        own = [document for document, other in zip(DOCUMENTS, names, strict=True) if other == name]
        alone = write_token_store(tmp_path / "alone" / name, own, tokenizer)
        assert store_hash(alone.folder) == store_hash(stores[name].folder)
    assert stores["none"].documents == 0


def test_special_tokens_in_the_text_are_text(tmp_path, tokenizer):
    store = write_token_store(
        tmp_path / "store", [Document(["[MASK] alpha [SEP]", *["alpha beta"] * 9], "a")], tokenizer
    )
    assert not set(store.tokens.tolist()) & {
        tokenizer.token_to_id(token) for token in ("[MASK]", "[SEP]", "[CLS]", "[PAD]")
    }


def interrupted(documents: list[Document]):
    yield from documents
    raise RuntimeError("the disk went away")


@pytest.mark.parametrize("num_proc", [1, 2])
def test_an_interrupted_build_goes_on_behind_its_last_block(tmp_path, tokenizer, monkeypatch, num_proc):
    monkeypatch.setattr(token_store, "CHARACTERS_PER_BLOCK", 100)
    expected = content_of(write_token_store(tmp_path / "expected", DOCUMENTS, tokenizer).folder)
    folder = tmp_path / "run" / "store"
    with pytest.raises(RuntimeError, match="went away"):
        write_token_store(folder, interrupted(DOCUMENTS[:-20]), tokenizer)
    assert left_beside(folder) == {"store.blocks"}
    assert not folder.exists()
    done = {path.name for path in (tmp_path / "run" / "store.blocks").iterdir()}
    written = []
    write = token_blocks.BlockWriters.write
    monkeypatch.setattr(
        token_blocks.BlockWriters,
        "write",
        lambda self, block, path: (written.append(path.name), write(self, block, path)),
    )
    assert content_of(write_token_store(folder, DOCUMENTS, tokenizer, num_proc).folder) == expected
    assert written
    assert not done & set(written)
    assert len(done) > len(written) / 2
    assert left_beside(folder) == set()


def test_half_written_and_foreign_blocks_are_not_taken_up(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(token_store, "CHARACTERS_PER_BLOCK", 100)
    expected = content_of(write_token_store(tmp_path / "expected", DOCUMENTS, tokenizer).folder)
    other = train_wordpiece(DOCUMENTS, TokenizerConfig(vocab_size=80, lowercase=False))
    with pytest.raises(RuntimeError):
        write_token_store(tmp_path / "store", interrupted(DOCUMENTS), other)
    with pytest.raises(RuntimeError):
        write_token_store(tmp_path / "store", interrupted(DOCUMENTS), tokenizer)
    for number, path in enumerate(sorted((tmp_path / "store.blocks").iterdir())):
        content = path.read_bytes()
        path.write_bytes([content[:-2], b"", content[:-1] + b"\xff", content][number % 4])
    assert content_of(write_token_store(tmp_path / "store", DOCUMENTS, tokenizer).folder) == expected


def test_a_failed_build_leaves_the_store_before_it(tmp_path, tokenizer):
    before = content_of(write_token_store(tmp_path / "store", DOCUMENTS, tokenizer).folder)
    with pytest.raises(RuntimeError):
        write_token_store(tmp_path / "store", interrupted(DOCUMENTS[:2]), tokenizer)
    assert content_of(tmp_path / "store") == before


def test_a_cut_store_is_refused(tmp_path, tokenizer):
    write_token_store(tmp_path / "store", DOCUMENTS, tokenizer)
    path = tmp_path / "store" / "tokens.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(InputError, match=r"tokens.bin: \d+ bytes instead of"):
        open_token_store(tmp_path / "store")
    with pytest.raises(InputError, match="domain-bert pairs"):
        open_token_store(tmp_path / "absent")


def test_a_sentence_without_end_is_refused(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(token_store, "MAX_SENTENCE_CHARACTERS", 20)
    with pytest.raises(InputError, match=r"book\.txt:7: a sentence of this document has more than 20 characters"):
        write_token_store(tmp_path / "store", [Document(["short", "x" * 21], "book.txt:7")], tokenizer)


@pytest.mark.parametrize("num_proc", [1, 2])
@pytest.mark.parametrize("size", ["64k", "320k"])
def test_a_full_disk_is_named_and_nothing_is_half_written(tmp_path, tokenizer, monkeypatch, num_proc, size):
    """64 kB end while the blocks are written, 320 kB while they are joined."""
    monkeypatch.setattr(token_store, "CHARACTERS_PER_BLOCK", 20_000)
    documents = [Document([f"word{number} alpha beta gamma {number}"] * 10, "a") for number in range(1000)]
    with small_disk(tmp_path / "disk", size):
        folder = tmp_path / "disk" / "store"
        with pytest.raises(InputError, match="disk: no space is left on this disk; free some"):
            write_token_store(folder, documents, tokenizer, num_proc)
        assert left_beside(folder) <= {"store.blocks"}
        assert not folder.exists()
        for path in (tmp_path / "disk" / "store.blocks").iterdir():
            assert token_blocks.read_block(path) is not None


@pytest.fixture(scope="module")
def build_inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    write_corpus(folder / "corpus.txt", documents=3000)
    documents = list(read_documents(CorpusConfig(path=[str(folder / "corpus.txt")])))
    train_wordpiece(documents, TokenizerConfig(vocab_size=200)).save(str(folder / "tokenizer.json"))
    expected = write_token_store(folder / "expected", documents, Tokenizer.from_file(str(folder / "tokenizer.json")))
    return folder / "corpus.txt", folder / "tokenizer.json", content_of(expected.folder)


def start_build(folder: Path, corpus: Path, tokenizer_path: Path, num_proc: int) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "STORE_TEST": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", BUILD, str(folder), str(corpus), str(tokenizer_path), str(num_proc)],
        env=environment,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"ready\n"
    return process


def alive(folder: Path) -> list[int]:
    """Processes that a build into `folder` started, by their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"STORE_TEST={folder}\0".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def wait_until_gone(folder: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while alive(folder) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(folder)


def kill_and_build_again(folder: Path, build_inputs, kills: int, seconds: float, draw: random.Random) -> int:
    """Kill builds at random moments and let the last one end; gives how many were really cut off."""
    corpus, tokenizer_path, expected = build_inputs
    cut_off = 0
    for number in range(kills):
        process = start_build(folder, corpus, tokenizer_path, num_proc=2 - number % 2)
        time.sleep(draw.uniform(0, seconds))
        process.kill()
        cut_off += process.wait() == -9
        process.stdout.close()
        assert wait_until_gone(folder, 10), "a process outlives its killed parent"
        assert not folder.exists() or content_of(folder) == expected
    final = start_build(folder, corpus, tokenizer_path, num_proc=2)
    assert final.wait() == 0
    final.stdout.close()
    assert content_of(folder) == expected
    assert left_beside(folder) == set()
    assert wait_until_gone(folder, 10)
    return cut_off


def seconds_of_a_build(folder: Path, build_inputs) -> float:
    """Time of an undisturbed build: within it a kill cuts off a build on any machine."""
    corpus, tokenizer_path, _ = build_inputs
    started = time.monotonic()
    process = start_build(folder, corpus, tokenizer_path, num_proc=2)
    assert process.wait() == 0
    process.stdout.close()
    return time.monotonic() - started


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found by /proc")
def test_killed_builds_leave_no_process_and_the_same_store(tmp_path, build_inputs):
    seconds = seconds_of_a_build(tmp_path / "undisturbed" / "store", build_inputs)
    assert kill_and_build_again(tmp_path / "killed" / "store", build_inputs, 3, seconds, random.Random(1)) >= 1


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found by /proc")
def test_fifty_killed_builds(tmp_path, build_inputs, capfd):
    seconds = seconds_of_a_build(tmp_path / "undisturbed" / "store", build_inputs)
    cut_off = sum(
        kill_and_build_again(tmp_path / str(number) / "store", build_inputs, 5, seconds, random.Random(number))
        for number in range(10)
    )
    assert cut_off >= 20
    assert "Traceback" not in capfd.readouterr().err


def test_the_store_counts_what_can_not_be_masked(tmp_path):
    tokenizer = train_wordpiece([Document(["alpha beta gamma"] * 9, "a")], TokenizerConfig(vocab_size=64))
    tokenizer.add_special_tokens(["[ANON]"])
    documents = [Document(["alpha 中 [ANON] beta", "gamma [MASK]"], "a")] * 3
    store = write_token_store(tmp_path / "store", documents, tokenizer)
    # [, mask and ] are words of the text; only "mask" has all its letters in the vocabulary.
    unknown = int((store.tokens == tokenizer.token_to_id("[UNK]")).sum())
    assert store.counts["unknown_tokens"] == unknown > 0
    assert store.counts["special_tokens"] == unknown + 3
    assert int((store.tokens == tokenizer.token_to_id("[ANON]")).sum()) == 3


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["alpha", "中", "x" * 101, "[ANON]", "beta"]), min_size=1, max_size=12))
def test_a_store_is_refused_when_it_is_mostly_unknown_or_nothing_can_be_masked(words):
    tokenizer = train_wordpiece([Document(["alpha beta gamma"] * 9, "a")], TokenizerConfig(vocab_size=64))
    tokenizer.add_special_tokens(["[ANON]"])
    ids = [tokenizer.encode(word, add_special_tokens=False).ids for word in words]
    tokens = sum(map(len, ids))
    unknown = sum(each == [tokenizer.token_to_id("[UNK]")] for each in ids)
    is_bad = unknown > tokens / 2 or unknown + words.count("[ANON]") == tokens
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        if not is_bad:
            assert write_token_store(store, [Document([" ".join(words)], "a")], tokenizer).counts["tokens"] == tokens
            return
        with pytest.raises(InputError, match=r"of the [\d,]+ tokens are \[UNK\], so there is nothing to learn"):
            write_token_store(store, [Document([" ".join(words)], "a")], tokenizer)
        assert not store.exists()
