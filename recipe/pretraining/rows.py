"""Training rows by (epoch, index): stored ones, or those of a new pass for every epoch."""

from itertools import pairwise
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from torch.utils.data import Dataset

from recipe.pairs.builder import rows_of
from recipe.pairs.passes import PAIR, PairPasses
from recipe.pairs.statistics import SPECIALS_PER_PAIR


class PairRows(Dataset):
    """Rows of a `datasets.Dataset` of pairs. Each row carries its epoch to the collator, so masks change with it."""

    def __init__(self, rows: datasets.Dataset) -> None:
        # Arrow: a row takes 2 microseconds; as Python objects 11, as numpy arrays 30, as tensors 37.
        self._rows = rows.with_format("arrow")
        self._chunks = rows.data.column("input_ids").chunks
        self._starts = np.cumsum([0, *map(len, self._chunks)])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: tuple[int, int]) -> dict:
        return self.__getitems__([place])[0]

    def __getitems__(self, places: list[tuple[int, int]]) -> list[dict]:
        # Not self._rows.__getitems__, which DataLoader would call: it fails for Arrow in datasets 5.2.
        table = self._rows[[index for _, index in places]].combine_chunks()
        return _rows_of_table(table, [epoch for epoch, _ in places])

    def begin(self, epoch: int, oldest: int, has_next: bool) -> None:
        """Nothing is to be prepared; see `FreshRows`."""

    def lengths(self, epoch: int = 0, indexes: np.ndarray | None = None) -> np.ndarray:
        """Tokens of the rows of these indexes, or of all, int32; the same in every epoch."""
        indexes = np.arange(len(self)) if indexes is None else indexes
        if self._rows._indices is not None:
            indexes = self._rows._indices.column(0).take(pa.array(indexes)).to_numpy().astype(np.int64)
        # Differences of the memory-mapped offsets, chunk by chunk: an array of all lengths would take 4 bytes a row.
        chunk_of = np.searchsorted(self._starts, indexes, "right") - 1
        order = np.argsort(chunk_of, kind="stable")
        found = np.empty(len(indexes), np.int32)
        first_of_chunk = np.flatnonzero(np.diff(chunk_of[order], prepend=-1))
        for places in np.split(order, first_of_chunk[1:]) if len(order) else ():
            number = chunk_of[places[0]]
            offsets, inside = self._chunks[number].offsets.to_numpy(), indexes[places] - self._starts[number]
            found[places] = offsets[inside + 1] - offsets[inside]
        return found

    def number(self, epoch: int) -> int:
        """Rows of an epoch."""
        return len(self)


class FreshRows(Dataset):
    """Rows where every epoch has pairs of its own, taken from the token store; otherwise as `PairRows`."""

    def __init__(self, passes: PairPasses, cls_token_id: int, sep_token_id: int) -> None:
        self._passes, self._ids = passes, (cls_token_id, sep_token_id)

    def __len__(self) -> int:
        return self.number(0)

    def __getitem__(self, place: tuple[int, int]) -> dict:
        return self.__getitems__([place])[0]

    def __getitems__(self, places: list[tuple[int, int]]) -> list[dict]:
        pairs = np.array([self._passes.pairs(epoch)[index] for epoch, index in places], PAIR)
        table = rows_of(pairs.view(np.recarray), self._passes.store.tokens, *self._ids)
        return _rows_of_table(table, [epoch for epoch, _ in places])

    def begin(self, epoch: int, oldest: int, has_next: bool) -> None:
        """Wait for the pairs of an epoch, and let those of the next one be made while it is trained on.

        Args:
            oldest: the first epoch whose rows a rank may still read.
            has_next: whether the run goes beyond this epoch.
        """
        self._passes.pairs(epoch)
        self._passes.remove_before(oldest)
        if has_next:
            self._passes.make_in_background(epoch + 1)

    def lengths(self, epoch: int = 0, indexes: np.ndarray | None = None) -> np.ndarray:
        """Tokens of the rows of an epoch that have these indexes, or of all, int32."""
        pairs, chosen = self._passes.pairs(epoch), slice(None) if indexes is None else indexes
        return pairs["a_length"][chosen] + pairs["b_length"][chosen] + np.int32(SPECIALS_PER_PAIR)

    def number(self, epoch: int) -> int:
        """Rows of an epoch."""
        return self._passes.number(epoch)


def rows_by_epoch(rows: Any) -> Any:
    """`PairRows` of a `datasets.Dataset`; rows that are read by (epoch, index) already stay as they are."""
    return PairRows(rows) if isinstance(rows, datasets.Dataset) else rows


def _rows_of_table(table: pa.Table, epochs: list[int]) -> list[dict]:
    columns: dict[str, list] = {"epoch": epochs}
    for name in ("input_ids", "token_type_ids"):
        chunk = table.column(name).chunk(0)
        values, offsets = chunk.values.to_numpy(), chunk.offsets.to_numpy()
        columns[name] = [values[start:end] for start, end in pairwise(offsets)]
    for name in ("next_sentence_label", "row_id"):
        columns[name] = table.column(name).to_pylist()
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
