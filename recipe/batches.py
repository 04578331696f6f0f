"""Which pairs make the batch of a step: a pure function of (seed, step), so that a run goes on at any step without replaying the ones before."""

from collections.abc import Iterator
from itertools import pairwise

import datasets
import numpy as np
import pyarrow.compute as pc
from torch.utils.data import Dataset, Sampler

from recipe.errors import InputError
from recipe.randomness import derive_key, random_bits

POOL_OF_BATCHES = 50


class PairRows(Dataset):
    """Rows of a `datasets.Dataset` of pairs by (epoch, index); each row carries its epoch to the collator, whichever process reads it."""

    def __init__(self, rows: datasets.Dataset) -> None:
        self._rows = rows.with_format("arrow")

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: tuple[int, int]) -> dict:
        return self.__getitems__([place])[0]

    def __getitems__(self, places: list[tuple[int, int]]) -> list[dict]:
        table = self._rows[[index for _, index in places]].combine_chunks()
        columns = {}
        for name in ("input_ids", "token_type_ids"):
            chunk = table.column(name).chunk(0)
            values, offsets = chunk.values.to_numpy(), chunk.offsets.to_numpy()
            columns[name] = [values[start:end] for start, end in pairwise(offsets)]
        for name in ("next_sentence_label", "row_id"):
            columns[name] = table.column(name).to_pylist()
        columns["epoch"] = [epoch for epoch, _ in places]
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def lengths(self) -> np.ndarray:
        """Tokens of each row, int32."""
        column = self._rows.data.column("input_ids")
        if self._rows._indices is not None:
            column = self._rows[:].column("input_ids")
        return np.concatenate([pc.list_value_length(chunk).to_numpy() for chunk in column.chunks]).astype(np.int32)


class StepSampler(Sampler):
    """The micro-batches of one rank for the whole run, as lists of (epoch, row index).

    An epoch is a new random order of the rows, cut into batches of `global_batch_size`; what is left over at its end (other rows each time) is
    skipped, so that every step has a full batch. A batch's rows are dealt to the ranks in micro-batches; which rows it holds does not depend on how many
    ranks there are. With `group_by_length`, pools of 50 batches are sorted by length before they are cut, and the batches are shuffled.
    """

    def __init__(
        self, lengths: np.ndarray, global_batch_size: int, micro_batch_size: int, max_steps: int, seed: int, group_by_length: bool, rank: int, ranks: int
    ) -> None:
        if len(lengths) < global_batch_size:
            raise InputError(f"training.global_batch_size is {global_batch_size}, but there are {len(lengths)} training pairs; lower it or add text")
        self.first_step = 0
        self.steps_per_epoch = len(lengths) // global_batch_size
        self._lengths, self._seed, self._group_by_length = lengths, seed, group_by_length
        self._batch_size, self._micro, self._max_steps, self._rank, self._ranks = global_batch_size, micro_batch_size, max_steps, rank, ranks

    def __len__(self) -> int:
        return self._max_steps * (self._batch_size // (self._micro * self._ranks))

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, batches = -1, np.zeros((0, 0), np.int64)
        for step in range(self.first_step, self._max_steps):
            if step // self.steps_per_epoch != epoch:
                epoch = step // self.steps_per_epoch
                batches = self.batches_of_epoch(epoch)
            rows = batches[step % self.steps_per_epoch]
            for start in range(self._rank * self._micro, self._batch_size, self._ranks * self._micro):
                yield [(epoch, int(index)) for index in rows[start : start + self._micro]]

    def batches_of_epoch(self, epoch: int) -> np.ndarray:
        """Row indexes of shape (steps_per_epoch, global_batch_size)."""
        order = _shuffled(len(self._lengths), derive_key(self._seed, "row order", epoch))
        order = order[: self.steps_per_epoch * self._batch_size]
        if not self._group_by_length:
            return order.reshape(-1, self._batch_size)
        pool = POOL_OF_BATCHES * self._batch_size
        for start in range(0, len(order), pool):
            rows = order[start : start + pool]
            order[start : start + pool] = rows[np.argsort(-self._lengths[rows], kind="stable")]
        return order.reshape(-1, self._batch_size)[_shuffled(self.steps_per_epoch, derive_key(self._seed, "batch order", epoch))]


def split_of_batch(global_batch_size: int, per_device_batch_size: int, ranks: int) -> tuple[int, int]:
    """(rows of a micro-batch, accumulation steps) so that micro-batch x steps x ranks = global_batch_size, with the largest micro-batch allowed.

    Raises:
        InputError: if the batch cannot be dealt evenly.
    """
    if global_batch_size % ranks:
        raise InputError(f"training.global_batch_size {global_batch_size} cannot be dealt to {ranks} processes evenly; choose a multiple of {ranks}")
    rows = global_batch_size // ranks
    micro = next(size for size in range(min(rows, per_device_batch_size), 0, -1) if rows % size == 0)
    return micro, rows // micro


def _shuffled(number: int, key: int) -> np.ndarray:
    return np.argsort(random_bits(key, np.arange(number)), kind="stable")
