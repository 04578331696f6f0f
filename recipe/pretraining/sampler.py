"""Which pairs make the batch of a step: a pure function of (seed, step), so that a run goes on at any step without
replaying the ones before.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from torch.utils.data import Dataset, Sampler

from recipe.errors import InputError
from recipe.pairs.dataset import rows_of
from recipe.pairs.passes import PAIR, PairPasses
from recipe.pairs.statistics import SPECIALS_PER_PAIR
from recipe.rng import derive_key, random_bits

POOL_OF_BATCHES = 50


class PairRows(Dataset):
    """Rows of a `datasets.Dataset` of pairs by (epoch, index); each row carries its epoch to the collator, whichever
    process reads it.
    """

    def __init__(self, rows: datasets.Dataset) -> None:
        self._rows = rows.with_format("arrow")

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: tuple[int, int]) -> dict:
        return self.__getitems__([place])[0]

    def __getitems__(self, places: list[tuple[int, int]]) -> list[dict]:
        table = self._rows[[index for _, index in places]].combine_chunks()
        return _rows_of_table(table, [epoch for epoch, _ in places])

    def lengths(self, epoch: int = 0) -> np.ndarray:
        """Tokens of each row, int32; the same in every epoch."""
        column = self._rows.data.column("input_ids")
        if self._rows._indices is not None:
            column = self._rows[:].column("input_ids")
        return np.concatenate([pc.list_value_length(chunk).to_numpy() for chunk in column.chunks]).astype(np.int32)

    def number(self, epoch: int) -> int:
        """Rows of an epoch."""
        return len(self)


class FreshRows(Dataset):
    """Rows by (epoch, index) where every epoch has pairs of its own, taken from the token store; as `PairRows` in all
    else.
    """

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

    def lengths(self, epoch: int = 0) -> np.ndarray:
        """Tokens of each row of an epoch, int32."""
        pairs = self._passes.pairs(epoch)
        return pairs["a_length"] + pairs["b_length"] + np.int32(SPECIALS_PER_PAIR)

    def number(self, epoch: int) -> int:
        """Rows of an epoch."""
        return self._passes.number(epoch)


def rows_by_epoch(rows: Any) -> Any:
    """`PairRows` of a `datasets.Dataset`; what is read by (epoch, index) already stays as it is."""
    return PairRows(rows) if isinstance(rows, datasets.Dataset) else rows


class StepSampler(Sampler):
    """The micro-batches of one rank for the whole run, as lists of (epoch, row index).

    An epoch is a new random order of its rows, cut into batches of `global_batch_size`; what is left over at its end
    (other rows each time) is skipped, so that every step has a full batch. A batch's rows are dealt to the ranks in
    micro-batches; which rows it holds does not depend on how many ranks there are. With `group_by_length`, pools of 50
    batches are sorted by length before they are cut, and the batches are shuffled.

    Args:
        rows: `PairRows` or `FreshRows`; asked for its lengths epoch by epoch.
    """

    def __init__(
        self,
        rows: Any,
        global_batch_size: int,
        micro_batch_size: int,
        max_steps: int,
        seed: int,
        group_by_length: bool,
        rank: int,
        ranks: int,
    ) -> None:
        if rows.number(0) < global_batch_size:
            raise InputError(
                f"training.global_batch_size is {global_batch_size}, but there are {rows.number(0)} training pairs;"
                " lower it or add text"
            )
        self.first_step = 0
        self._rows, self._seed, self._group_by_length = rows, seed, group_by_length
        self._batch_size, self._micro, self._max_steps, self._rank, self._ranks = (
            global_batch_size,
            micro_batch_size,
            max_steps,
            rank,
            ranks,
        )

    def __len__(self) -> int:
        return self._max_steps * (self._batch_size // (self._micro * self._ranks))

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        step = self.first_step
        epoch, before = self._epoch_of(step)
        while step < self._max_steps:
            for rows in self.batches_of_epoch(epoch)[step - before : self._max_steps - before]:
                for start in range(self._rank * self._micro, self._batch_size, self._ranks * self._micro):
                    yield [(epoch, int(index)) for index in rows[start : start + self._micro]]
                step += 1
            epoch, before = epoch + 1, step

    def epochs_at(self, step: int) -> float:
        """Epochs that a run has behind it at a step, such as 1.5."""
        epoch, before = self._epoch_of(step)
        return epoch + (step - before) / self._steps_of(epoch)

    def batches_of_epoch(self, epoch: int) -> np.ndarray:
        """Row indexes of shape (steps of the epoch, global_batch_size)."""
        lengths = self._rows.lengths(epoch)
        steps = len(lengths) // self._batch_size
        order = _shuffled(len(lengths), derive_key(self._seed, "row order", epoch))[: steps * self._batch_size]
        if not self._group_by_length:
            return order.reshape(-1, self._batch_size)
        pool = POOL_OF_BATCHES * self._batch_size
        for start in range(0, len(order), pool):
            rows = order[start : start + pool]
            order[start : start + pool] = rows[np.argsort(-lengths[rows], kind="stable")]
        return order.reshape(-1, self._batch_size)[_shuffled(steps, derive_key(self._seed, "batch order", epoch))]

    def _steps_of(self, epoch: int) -> int:
        return self._rows.number(epoch) // self._batch_size

    def _epoch_of(self, step: int) -> tuple[int, int]:
        """The epoch that a step belongs to, and the steps of the epochs before it."""
        epoch = before = 0
        while step >= before + (steps := self._steps_of(epoch)):
            epoch, before = epoch + 1, before + steps
        return epoch, before


def split_of_batch(global_batch_size: int, per_device_batch_size: int, ranks: int) -> tuple[int, int]:
    """(rows of a micro-batch, accumulation steps) so that micro-batch x steps x ranks = global_batch_size, with the
    largest micro-batch allowed.

    Raises:
        InputError: if the batch cannot be dealt evenly.
    """
    if global_batch_size % ranks:
        raise InputError(
            f"training.global_batch_size {global_batch_size} cannot be dealt to {ranks} processes evenly; choose a"
            f" multiple of {ranks}"
        )
    rows = global_batch_size // ranks
    micro = next(size for size in range(min(rows, per_device_batch_size), 0, -1) if rows % size == 0)
    return micro, rows // micro


def _rows_of_table(table: pa.Table, epochs: list[int]) -> list[dict]:
    columns: dict[str, list] = {"epoch": epochs}
    for name in ("input_ids", "token_type_ids"):
        chunk = table.column(name).chunk(0)
        values, offsets = chunk.values.to_numpy(), chunk.offsets.to_numpy()
        columns[name] = [values[start:end] for start, end in pairwise(offsets)]
    for name in ("next_sentence_label", "row_id"):
        columns[name] = table.column(name).to_pylist()
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _shuffled(number: int, key: int) -> np.ndarray:
    return np.argsort(random_bits(key, np.arange(number)), kind="stable")
