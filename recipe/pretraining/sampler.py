"""Which pairs make the batch of a step: a pure function of (seed, step), so that a run resumes without a replay."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import Sampler

from recipe.errors import InputError
from recipe.rng import derive_key, permuted

POOL_OF_BATCHES = 50
# The loaders of two ranks are fewer steps apart, since the ranks wait for each other at every step.
MOST_STEPS_APART = 1000


class StepSampler(Sampler):
    """The micro-batches of one rank for the whole run, as lists of (epoch, row index).

    Args:
        rows: `PairRows` or `FreshRows`; asked for lengths pool by pool.
        global_batch_size: rows of an optimizer step over all ranks; micro_batch_size: rows that a rank takes at once.
        group_by_length: put rows of like length into one batch.
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
        self._batch_size, self._micro, self._max_steps = global_batch_size, micro_batch_size, max_steps
        self._rank, self._ranks = rank, ranks
        # Which pool was sorted last, and its batches in the order of the steps.
        self._pool: tuple[tuple[int, int], np.ndarray] = (-1, -1), np.empty(0)

    def __len__(self) -> int:
        return self._max_steps * (self._batch_size // (self._micro * self._ranks))

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        step, end, epoch, before = self.first_step, self.first_step, 0, 0
        while step < self._max_steps:
            if step == end:
                epoch, before = self._epoch_of(step)
                end = before + self._steps_of(epoch)
                oldest, _ = self._epoch_of(max(0, step - MOST_STEPS_APART))
                self._rows.begin(epoch, oldest, end < self._max_steps)
            # The rows of a batch are chosen before they are sharded, so they do not depend on the number of ranks.
            yield from self._micro_batches(epoch, self.rows_of_step(epoch, step - before), self._rank)
            step += 1

    def row_ids(self, step: int, rank: int) -> list[int]:
        """The row_id of the rows that a rank sees in a step."""
        epoch, before = self._epoch_of(step)
        batches = self._micro_batches(epoch, self.rows_of_step(epoch, step - before), rank)
        return [int(row["row_id"]) for batch in batches for row in self._rows.__getitems__(batch)]

    def epochs_at(self, step: int) -> float:
        """Epochs that are done at a step, such as 1.5."""
        # By the step before: at the end of an epoch the pairs of the next one may not be made, or never be needed.
        epoch, before = self._epoch_of(max(0, step - 1))
        return epoch + (step - before) / self._steps_of(epoch)

    def rows_of_step(self, epoch: int, step: int) -> np.ndarray:
        """Row indexes of the batch of a step, counted from the begin of its epoch: int64, shape (global_batch_size,).

        Only the pool of the step is looked at, so time and memory do not depend on the number of rows.
        """
        # What is left over at the end, other rows in each epoch, is skipped: every step has a full batch.
        size, number, key = self._batch_size, self._rows.number(epoch), derive_key(self._seed, "row order", epoch)
        if not self._group_by_length:
            return permuted(np.arange(step * size, (step + 1) * size), number, key)
        # Sorted within pools of 50 batches: like lengths share a batch, but the batches stay random samples. The
        # batches of a pool come in an order of their own, else each pool would begin with its longest rows.
        pool, place = divmod(step, POOL_OF_BATCHES)
        which, batches = self._pool
        if which != (epoch, pool):
            first, last = pool * POOL_OF_BATCHES, min((pool + 1) * POOL_OF_BATCHES, self._steps_of(epoch))
            rows = permuted(np.arange(first * size, last * size), number, key)
            rows = rows[np.argsort(-self._rows.lengths(epoch, rows), kind="stable")].reshape(-1, size)
            batches = rows[permuted(np.arange(len(rows)), len(rows), derive_key(key, "batch order", pool))]
            self._pool = (epoch, pool), batches
        return batches[place]

    def _micro_batches(self, epoch: int, rows: np.ndarray, rank: int) -> Iterator[list[tuple[int, int]]]:
        for start in range(rank * self._micro, self._batch_size, self._ranks * self._micro):
            yield [(epoch, int(index)) for index in rows[start : start + self._micro]]

    def _steps_of(self, epoch: int) -> int:
        return self._rows.number(epoch) // self._batch_size

    def _epoch_of(self, step: int) -> tuple[int, int]:
        """The epoch that a step belongs to, and the steps of the epochs before it."""
        epoch = before = 0
        while step >= before + (steps := self._steps_of(epoch)):
            epoch, before = epoch + 1, before + steps
        return epoch, before


def split_of_batch(global_batch_size: int, per_device_batch_size: int, ranks: int) -> tuple[int, int]:
    """Rows of a micro-batch and accumulation steps, whose product with the ranks is the global batch.

    Raises:
        InputError: if the batch cannot be split evenly among the ranks.
    """
    if global_batch_size % ranks:
        raise InputError(
            f"training.global_batch_size {global_batch_size} cannot be split among {ranks} processes evenly; choose a"
            f" multiple of {ranks}"
        )
    rows = global_batch_size // ranks
    micro = next(size for size in range(min(rows, per_device_batch_size), 0, -1) if rows % size == 0)
    return micro, rows // micro
