"""A block: some megabytes of text as one file of token ids, named by the hash of all that shapes it, so that a killed
build goes on behind the last one.

Also the processes that encode blocks. Each is a fresh interpreter at the end of a pipe; it ends when the pipe closes
or its parent is gone.
"""

import hashlib
import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recipe.files import sha256_of_json
from recipe.processes import this_process
from recipe.provenance import code_hash, package_versions
from recipe.tokens.encoding import SentenceEncoder

WAITING_PER_PROCESS = 2
SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class TextBlock:
    """Sentences of some documents in a row, a document longer than a block in several.

    text: the sentences as UTF-8, one per line. document_lengths: sentences of each document, int64.
    continues: whether the first document began in the block before.
    """

    text: bytes
    document_lengths: np.ndarray
    continues: bool

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


def encoding_version(tokenizer_json: str) -> str:
    """Hash of all that shapes a block's ids besides its text: tokenizer, code, and the library that tokenises."""
    return sha256_of_json([tokenizer_json, code_hash("recipe.tokens.blocks"), package_versions().get("tokenizers")])


def encode_block(block: TextBlock, encoder: SentenceEncoder) -> TokenBlock:
    """The ids of a block; sentences without any are left out and counted."""
    sentences = int(block.document_lengths.sum())
    ids, lengths = encoder.encode(block.text) if sentences else (np.zeros(0, encoder.dtype), np.zeros(0, np.int64))
    owner = np.repeat(np.arange(len(block.document_lengths)), block.document_lengths)
    kept = np.bincount(owner[lengths > 0], minlength=len(block.document_lengths))
    return TokenBlock(ids, lengths[lengths > 0], kept.astype(np.int64), block.continues, int((lengths == 0).sum()))


def write_block(block: TokenBlock, path: Path) -> None:
    """Write a block that is whole or absent; its first line tells how long it is and the sha256 of the rest."""
    parts = [block.tokens.tobytes(), block.sentence_lengths.tobytes(), block.document_lengths.tobytes()]
    header = {
        "dtype": block.tokens.dtype.name,
        "lengths": [len(block.tokens), len(block.sentence_lengths), len(block.document_lengths)],
        "continues": block.continues,
        "empty_sentences": block.empty_sentences,
        "sha256": _sha256(parts),
    }
    # A name of its own: a process that outlives its killed parent for a moment may be writing the same block.
    partial = path.with_name(f"{path.name}.{this_process()}.partial")
    try:
        partial.write_bytes(b"".join([json.dumps(header).encode(), b"\n", *parts]))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_block(path: Path) -> TokenBlock | None:
    """The block of a file, None if there is none or it isn't whole."""
    try:
        first, _, body = path.read_bytes().partition(b"\n")
        header = json.loads(first)
        dtypes = (header["dtype"], "int64", "int64")
        ends = np.cumsum(
            [length * np.dtype(dtype).itemsize for length, dtype in zip(header["lengths"], dtypes, strict=True)]
        ).tolist()
        if ends[-1] != len(body) or _sha256([body]) != header["sha256"]:
            return None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    arrays = [
        np.frombuffer(body[start:end], dtype) for start, end, dtype in zip([0, *ends], ends, dtypes, strict=False)
    ]
    return TokenBlock(arrays[0], arrays[1], arrays[2], header["continues"], header["empty_sentences"])


class BlockWriters:
    """Encodes text blocks into files: in num_proc - 1 processes, and here while they have enough to do; a context, at
    whose end they are gone.
    """

    def __init__(self, tokenizer_json: str, num_proc: int) -> None:
        self._tokenizer_json = tokenizer_json
        self._others = num_proc - 1
        self._encoder = SentenceEncoder(tokenizer_json)
        self._processes: list[_EncodingProcess] = []
        self._idle: queue.SimpleQueue[_EncodingProcess] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(max(self._others, 1))
        self._pending: deque[tuple[Future, TextBlock, Path]] = deque()

    def __enter__(self) -> "BlockWriters":
        return self

    def __exit__(self, *failure: object) -> None:
        for process in self._processes:
            process.stop(at_once=failure[0] is not None)
        self._threads.shutdown(cancel_futures=True)

    def write(self, block: TextBlock, path: Path) -> None:
        """Write the block's ids to `path`, now or soon; raises what went wrong with earlier ones."""
        while self._pending and self._pending[0][0].done():
            self._pending.popleft()[0].result()
        if len(self._pending) >= WAITING_PER_PROCESS * self._others:
            write_block(encode_block(block, self._encoder), path)
            return
        if len(self._processes) < self._others:
            self._processes.append(_EncodingProcess(self._tokenizer_json))
            self._idle.put(self._processes[-1])
        self._pending.append((self._threads.submit(self._write_elsewhere, block, path), block, path))

    def finish(self) -> None:
        """Wait until all blocks are written, and write here what no process has begun; raises what went wrong."""
        while self._pending:
            future, block, path = self._pending.pop()
            if future.cancel():
                write_block(encode_block(block, self._encoder), path)
            else:
                future.result()

    def _write_elsewhere(self, block: TextBlock, path: Path) -> None:
        process = self._idle.get()
        try:
            process.write(block, path)
        finally:
            self._idle.put(process)


class _EncodingProcess:
    """The parent's end of a process that encodes one block at a time."""

    def __init__(self, tokenizer_json: str) -> None:
        root = str(Path(__file__).parents[2])
        code = f"import sys; sys.path.insert(0, {root!r}); from {__name__} import serve; serve()"
        self._process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._send((os.getpid(), tokenizer_json))

    def write(self, block: TextBlock, path: Path) -> None:
        """Have the block encoded and written; raises what the process raised."""
        try:
            self._send((block, path))
            failure = pickle.load(self._process.stdout)  # type: ignore[arg-type]
        except (EOFError, BrokenPipeError):
            raise RuntimeError(
                f"a process that tokenises ended with status {self._process.wait()}; if memory ran out, lower"
                " pairs.num_proc"
            ) from None
        if failure is not None:
            raise failure

    def stop(self, at_once: bool) -> None:
        """End the process: after its block, or at once."""
        if at_once:
            self._process.kill()
        with suppress(BrokenPipeError):
            self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]

    def _send(self, message: object) -> None:
        pickle.dump(message, self._process.stdin, protocol=5)  # type: ignore[arg-type]
        self._process.stdin.flush()  # type: ignore[union-attr]


def serve() -> None:
    """The life of an encoding process: blocks come by stdin, for each an exception or None goes out by stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    parent, tokenizer_json = pickle.load(requests)
    threading.Thread(target=_end_without, args=(parent,), daemon=True).start()
    encoder = SentenceEncoder(tokenizer_json)
    try:
        for block, path in _messages(requests):
            pickle.dump(_failure_of(block, path, encoder), replies)
            replies.flush()
    except BrokenPipeError:
        # The parent was killed: nobody reads a traceback, and Python would try to flush again at its end.
        os._exit(1)


def _failure_of(block: TextBlock, path: Path, encoder: SentenceEncoder) -> Exception | None:
    try:
        write_block(encode_block(block, encoder), path)
    except OSError as error:
        return error
    except Exception:
        return RuntimeError(f"a process that tokenises failed:\n{traceback.format_exc()}")
    return None


def _messages(file) -> Iterator:
    while True:
        try:
            yield pickle.load(file)
        except EOFError:
            return


def _end_without(parent: int) -> None:
    """A killed parent closes the pipe too, but the pipe is read only when the block at hand is done."""
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)


def _sha256(parts: list[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
