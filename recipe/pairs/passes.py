"""Token store -> the pairs of any pass as a memory-mapped file, so that every epoch can have pairs of its own."""

from pathlib import Path

import numpy as np

from recipe.files import atomic_write, file_lock, sha256_of_json, sha256_once
from recipe.pairs.sampling import PairRules, make_pairs
from recipe.tokens.store import TokenStore

# 33 bytes a pair: all that a row needs besides the token store.
PAIR = np.dtype(
    {
        "names": ["row_id", "a_start", "b_start", "a_length", "b_length", "next_sentence_label"],
        "formats": ["i8", "i8", "i8", "i4", "i4", "i1"],
    }
)
KEPT_PASSES = 2


class PairPasses:
    """The passes over a store, each made by the process that asks first and kept while it or the next one is in use.

    Args:
        folder: where the files are kept; its name must stand for the store's content, the rules and the seed.
    """

    def __init__(self, folder: Path, store: TokenStore, rules: PairRules, seed: int) -> None:
        self.store = store
        self.folder, self._rules, self._seed = folder, rules, seed
        self._open: dict[int, np.ndarray] = {}

    def pairs(self, pass_index: int) -> np.ndarray:
        """All pairs of a pass, in the order of documents: structured `PAIR`, shape (pairs,), memory-mapped."""
        if pass_index not in self._open:
            path = self._path(pass_index)
            # All ranks and workers of a machine ask at once; the first one makes the pass, the others wait.
            with file_lock(path):
                if not self._is_intact(path):
                    self._make(path, pass_index)
            self._open = {index: made for index, made in self._open.items() if index >= pass_index - 1}
            self._open[pass_index] = np.memmap(path, PAIR, "r")
        return self._open[pass_index]

    def number(self, pass_index: int) -> int:
        """Pairs of a pass; known after its file is gone."""
        # In a file of its own: a resumed run counts the epochs whose passes are gone.
        note = _note_of(self._path(pass_index))
        return note[0] if note else len(self.pairs(pass_index))

    def _is_intact(self, path: Path) -> bool:
        """Whether a pass is there with the bytes that were written; those of older versions have no sha256."""
        note = _note_of(path)
        return path.is_file() and note is not None and (not note[1] or note[1] == sha256_once(path))

    def _make(self, path: Path, pass_index: int) -> None:
        number = 0
        with atomic_write(path) as partial, open(partial, "wb") as file:
            offsets = self.store.sentence_offsets, self.store.document_offsets
            for pairs in make_pairs(*offsets, self._rules, self._seed, pass_index, 0, self.store.documents):
                block = np.empty(len(pairs), PAIR)
                for name in PAIR.names or ():
                    block[name] = getattr(pairs, name)
                file.write(block.tobytes())
                number += len(pairs)
        with atomic_write(path.with_suffix(".number")) as partial:
            sha256 = sha256_once(path)
            # The number outlives its pass, so it has a checksum of its own.
            partial.write_text(f"{number} {sha256} {sha256_of_json([number, sha256])}\n")
        # Workers may still read the pass before this one; a file that is open outlives its name.
        self._path(pass_index - KEPT_PASSES).unlink(missing_ok=True)

    def _path(self, pass_index: int) -> Path:
        return self.folder / f"{pass_index:05d}.pairs"


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
