"""Token store -> the pairs of any pass as a memory-mapped file, so that every epoch can have pairs of its own."""

import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np

from recipe.files import atomic_write, sha256_of_json, sha256_once
from recipe.pairs.sampling import PairRules, make_pairs
from recipe.processes import is_first_process, this_process
from recipe.tokens.store import TokenStore, open_token_store

# 33 bytes a pair: all that a row needs besides the token store.
PAIR = np.dtype(
    {
        "names": ["row_id", "a_start", "b_start", "a_length", "b_length", "next_sentence_label"],
        "formats": ["i8", "i8", "i8", "i4", "i4", "i1"],
    }
)
# Seconds between two looks for a pass that another process makes, or for the parent.
_INTERVAL = 0.2
# Seconds after which a partial file that nobody wrote to was left by a process that was killed.
_ABANDONED = 600.0


class PairPasses:
    """The passes over a store. The first rank makes them, all others wait until a pass is there.

    Args:
        folder: where the files are kept; its name must stand for the store's content, the rules and the seed.
    """

    def __init__(self, folder: Path, store: TokenStore, rules: PairRules, seed: int) -> None:
        self.store = store
        self.folder, self._rules, self._seed = folder, rules, seed
        # A lock would not do: on several file systems those of other machines are not seen. Workers of the first rank,
        # which get a copy of this object, are other processes and make nothing.
        self._maker = os.getpid() if is_first_process() else 0
        self._open: dict[int, np.ndarray] = {}
        self._numbers: dict[int, int] = {}
        self._in_background: tuple[int, subprocess.Popen] | None = None

    def __getstate__(self) -> dict:
        # What a worker of the loader gets: it opens the files itself.
        return {**self.__dict__, "_open": {}, "_in_background": None}

    def pairs(self, pass_index: int) -> np.ndarray:
        """All pairs of a pass, in the order of documents: structured `PAIR`, shape (pairs,), memory-mapped."""
        if pass_index not in self._open:
            path = self._path(pass_index)
            if os.getpid() == self._maker:
                self._end_of_background(pass_index)
                if not _is_intact(path):
                    make_pass(path, self.store, self._rules, self._seed, pass_index)
            else:
                _wait_until(lambda: _is_intact(path))
            self._open = {index: made for index, made in self._open.items() if index >= pass_index - 1}
            self._open[pass_index] = np.memmap(path, PAIR, "r")
        return self._open[pass_index]

    def number(self, pass_index: int) -> int:
        """Pairs of a pass; known after its file is gone."""
        if pass_index not in self._numbers:
            path = self._path(pass_index)
            if _note_of(path) is None and os.getpid() == self._maker:
                self.pairs(pass_index)
            # The note and not the pass, which may be removed before another rank looks.
            _wait_until(lambda: _note_of(path) is not None)
            self._numbers[pass_index] = (_note_of(path) or (0, ""))[0]
        return self._numbers[pass_index]

    def make_in_background(self, pass_index: int) -> None:
        """Let a process of low priority make a pass while the one before it is trained on; the first rank does."""
        path = self._path(pass_index)
        if os.getpid() != self._maker or self._is_at_work() or (path.is_file() and _note_of(path)):
            return
        places = [os.path.abspath(path), os.path.abspath(self.store.folder)]
        given = json.dumps([*places, asdict(self._rules), self._seed, pass_index, os.getpid()])
        # What goes wrong there goes wrong again in this process, which makes what it does not find and says why.
        with suppress(OSError):
            started = subprocess.Popen(
                # Not multiprocessing: it copies a process with threads and a GPU, or imports the program once more.
                [sys.executable, "-m", "recipe.pairs.passes", given],
                cwd=Path(__file__).parents[2],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self._in_background = pass_index, started

    def remove_before(self, pass_index: int) -> None:
        """Remove the passes before this one; the first rank does."""
        if os.getpid() == self._maker:
            for path in self.folder.glob("*.pairs"):
                if int(path.stem) < pass_index:
                    path.unlink(missing_ok=True)

    def _is_at_work(self) -> bool:
        return self._in_background is not None and self._in_background[1].poll() is None

    def _end_of_background(self, pass_index: int) -> None:
        if self._in_background is not None and self._in_background[0] == pass_index:
            self._in_background[1].wait()
            self._in_background = None

    def _path(self, pass_index: int) -> Path:
        return self.folder / f"{pass_index:05d}.pairs"


def make_pass(path: Path, store: TokenStore, rules: PairRules, seed: int, pass_index: int) -> None:
    """Write the pairs of a pass, and the note of their number and sha256 next to it, each complete or not at all."""
    for partial in path.parent.glob("*.partial"):
        if time.time() - partial.stat().st_mtime > _ABANDONED:
            partial.unlink(missing_ok=True)
    number = 0
    with atomic_write(path, this_process()) as partial, open(partial, "wb") as file:
        offsets = store.sentence_offsets, store.document_offsets
        for pairs in make_pairs(*offsets, rules, seed, pass_index, 0, store.documents):
            block = np.empty(len(pairs), PAIR)
            for name in PAIR.names or ():
                block[name] = getattr(pairs, name)
            file.write(block.tobytes())
            number += len(pairs)
    with atomic_write(path.with_suffix(".number"), this_process()) as partial:
        sha256 = sha256_once(path)
        # In a file of its own: a resumed run counts the epochs whose passes are gone. It has a checksum of its own.
        partial.write_text(f"{number} {sha256} {sha256_of_json([number, sha256])}\n")


def _is_intact(path: Path) -> bool:
    """Whether a pass is there with the bytes that were written; those of older versions have no sha256."""
    note = _note_of(path)
    try:
        return path.is_file() and note is not None and (not note[1] or note[1] == sha256_once(path))
    except FileNotFoundError:
        # Replaced or removed by another machine at this moment.
        return False


def _wait_until(is_there: Callable[[], bool]) -> None:
    """Wait for the first rank. If it ends, whatever watches the ranks ends this one; a worker looks itself."""
    parent = multiprocessing.parent_process()
    while not is_there():
        if parent is not None and not parent.is_alive():
            os._exit(1)
        time.sleep(_INTERVAL)


def _note_of(path: Path) -> tuple[int, str] | None:
    """The number of pairs of a pass and the sha256 of its file, if it was made and the note is not damaged."""
    try:
        first, *sums = path.with_suffix(".number").read_text().split() or [""]
        number = int(first)
    except (OSError, ValueError):
        return None
    if not sums:
        return number, ""
    return (number, sums[0]) if sums[1:] == [sha256_of_json([number, sums[0]])] else None


def _make_for(given: str) -> None:
    """Make a pass for the process that started this one, which may end before."""
    path, store, rules, seed, pass_index, parent = json.loads(given)
    os.nice(19)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_INTERVAL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    make_pass(Path(path), open_token_store(Path(store)), PairRules(**rules), seed, pass_index)


if __name__ == "__main__":
    _make_for(sys.argv[1])
