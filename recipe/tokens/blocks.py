"""Blocks: some megabytes of text as one file of token ids each, and the processes that encode them."""

import hashlib
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from types import ModuleType

import numpy as np

from recipe.errors import InputError
from recipe.processes import this_process
from recipe.tokens.encoding import SentenceEncoder

WAITING_PER_PROCESS = 2


@dataclass(frozen=True)
class TextBlock:
    """Sentences of some documents in a row; a document longer than a block goes into several.

    text: the sentences as UTF-8, one per line. document_lengths: sentences of each document, int64.
    continues: whether the first document began in the block before.
    """

    text: bytes
    document_lengths: np.ndarray
    continues: bool

    # The name of the block's file: a killed build goes on after its last block, and one of another text or tokenizer
    # finds none that is not its own.
    def key(self, version: str) -> str:
        """sha256 of the text, its documents and what encodes it."""
        digest = hashlib.sha256(f"{version} {self.continues} {len(self.document_lengths)} ".encode())
        digest.update(self.document_lengths.tobytes())
        digest.update(self.text)
        return digest.hexdigest()


@dataclass(frozen=True)
class TokenBlock:
    """A block as token ids, without the sentences that have none.

    sentence_lengths: tokens of each sentence, at least one. document_lengths: sentences of each document, also zero.
    """

    tokens: np.ndarray
    sentence_lengths: np.ndarray
    document_lengths: np.ndarray
    continues: bool
    empty_sentences: int


def encode_block(block: TextBlock, encoder: SentenceEncoder) -> TokenBlock:
    """The ids of a block; sentences without any are left out and counted."""
    sentences = int(block.document_lengths.sum())
    ids, lengths = encoder.encode(block.text) if sentences else (np.zeros(0, encoder.dtype), np.zeros(0, np.int64))
    owner = np.repeat(np.arange(len(block.document_lengths)), block.document_lengths)
    kept = np.bincount(owner[lengths > 0], minlength=len(block.document_lengths))
    return TokenBlock(ids, lengths[lengths > 0], kept.astype(np.int64), block.continues, int((lengths == 0).sum()))


def write_block(block: TokenBlock, path: Path) -> None:
    """Write a block atomically; its first line contains its lengths and the sha256 of the rest."""
    arrays = [block.tokens, block.sentence_lengths, block.document_lengths]
    body = b"".join(array.tobytes() for array in arrays)
    header = {
        "dtype": block.tokens.dtype.name,
        "lengths": [len(array) for array in arrays],
        "continues": block.continues,
        "empty_sentences": block.empty_sentences,
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    # A name of its own: a process that outlives its killed parent for a moment may be writing the same block.
    partial = path.with_name(f"{path.name}.{this_process()}.partial")
    try:
        partial.write_bytes(b"".join([json.dumps(header).encode(), b"\n", body]))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_block(path: Path) -> TokenBlock | None:
    """The block of a file, None if there is none or it is not complete."""
    try:
        first, _, body = path.read_bytes().partition(b"\n")
        header = json.loads(first)
        dtypes = [np.dtype(name) for name in (header["dtype"], "int64", "int64")]
        sizes = [length * dtype.itemsize for length, dtype in zip(header["lengths"], dtypes, strict=True)]
        # A disk that lost its power may have the length but not the content, so the hash is compared too.
        if sum(sizes) != len(body) or hashlib.sha256(body).hexdigest() != header["sha256"]:
            return None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    starts = np.cumsum([0, *sizes]).tolist()
    arrays = [
        np.frombuffer(body[start : start + size], dtype)
        for start, size, dtype in zip(starts, sizes, dtypes, strict=False)
    ]
    return TokenBlock(arrays[0], arrays[1], arrays[2], header["continues"], header["empty_sentences"])


class BlockWriters:
    """Encodes text blocks into files, in num_proc - 1 processes and here while they have enough to do; a context."""

    def __init__(self, tokenizer_json: str, num_proc: int) -> None:
        self._others = num_proc - 1
        self._encoder = SentenceEncoder(tokenizer_json)
        self._pool = (
            ProcessPoolExecutor(self._others, _FreshInterpreters(), _start_worker, (tokenizer_json,))
            if self._others
            else None
        )
        self._pending: deque[Future] = deque()
        self._is_first = True

    def __enter__(self) -> "BlockWriters":
        return self

    def __exit__(self, *failure: object) -> None:
        # Blocks that a worker has begun are finished also after a failure: the next attempt takes them up.
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def write(self, block: TextBlock, path: Path) -> None:
        """Write the block's ids to `path`, now or soon; raises what went wrong with earlier ones."""
        while self._pending and self._pending[0].done():
            self._finish_first()
        # The first block is encoded here, so that a corpus of one block starts no process. Later ones are when enough
        # wait for the workers, which bounds the memory that waiting text takes.
        if self._pool is None or self._is_first or len(self._pending) >= WAITING_PER_PROCESS * self._others:
            self._is_first = False
            write_block(encode_block(block, self._encoder), path)
            return
        with _explain_ended():
            self._pending.append(self._pool.submit(_write_in_worker, block, path))

    def finish(self) -> None:
        """Wait until all blocks are written; raises what went wrong."""
        while self._pending:
            self._finish_first()

    def _finish_first(self) -> None:
        with _explain_ended():
            self._pending.popleft().result()


@contextmanager
def _explain_ended() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        raise InputError(
            "a process that tokenises ended before its work; if memory ran out, lower pairs.num_proc"
        ) from None


class _FreshProcess(SpawnProcess):
    def start(self) -> None:
        # A spawned process runs the caller's script again. One without an `if __name__ == "__main__"` would start its
        # build anew there and wait for our lock for ever. Workers need nothing of it, so it is out of sight here.
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main


class _FreshInterpreters(SpawnContext):
    # Not forks: the caller may have threads, of torch or the tokenizer, whose locks a fork would copy as they are.
    Process = _FreshProcess


_encoder: SentenceEncoder


def _start_worker(tokenizer_json: str) -> None:
    global _encoder
    # Ctrl-C goes to every process of a terminal; the parent alone decides when the workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _encoder = SentenceEncoder(tokenizer_json)


def _end_with_parent() -> None:
    # A worker waits for a pipe that it keeps open itself, so it would never notice that its parent was killed.
    multiprocessing.parent_process().join()  # type: ignore[union-attr]
    os._exit(1)


def _write_in_worker(block: TextBlock, path: Path) -> None:
    write_block(encode_block(block, _encoder), path)
