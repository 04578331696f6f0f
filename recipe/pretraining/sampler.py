"""Which pairs make the batch of a step: a pure function of (seed, step), so that a run resumes without a replay."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import Sampler

from recipe.errors import InputError
from recipe.rng import derive_key, random_bits

POOL_OF_BATCHES = 50


class StepSampler(Sampler):
    """The micro-batches of one rank for the whole run, as lists of (epoch, row index).

    Args:
        rows: `PairRows` or `FreshRows`; asked for its lengths epoch by epoch.
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

    def __len__(self) -> int:
        return self._max_steps * (self._batch_size // (self._micro * self._ranks))

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        step = self.first_step
        epoch, before = self._epoch_of(step)
        while step < self._max_steps:
            for rows in self.batches_of_epoch(epoch)[step - before : self._max_steps - before]:
                # The rows of a batch are chosen before they are sharded, so they do not depend on the number of ranks.
                for start in range(self._rank * self._micro, self._batch_size, self._ranks * self._micro):
                    yield [(epoch, int(index)) for index in rows[start : start + self._micro]]
                step += 1
            epoch, before = epoch + 1, step

    def row_ids(self, step: int, rank: int) -> list[int]:
        """The row_id of the rows that a rank sees in a step."""
        epoch, before = self._epoch_of(step)
        rows = self.batches_of_epoch(epoch)[step - before]
        starts = range(rank * self._micro, self._batch_size, self._ranks * self._micro)
        places = [(epoch, int(index)) for start in starts for index in rows[start : start + self._micro]]
        return [int(row["row_id"]) for row in self._rows.__getitems__(places)]

    def epochs_at(self, step: int) -> float:
        """Epochs that are done at a step, such as 1.5."""
        epoch, before = self._epoch_of(step)
        return epoch + (step - before) / self._steps_of(epoch)

    def batches_of_epoch(self, epoch: int) -> np.ndarray:
        """Row indexes of shape (steps of the epoch, global_batch_size)."""
        lengths = self._rows.lengths(epoch)
        steps = len(lengths) // self._batch_size
        # What is left over at the end, other rows in each epoch, is skipped: every step has a full batch.
        order = _shuffled(len(lengths), derive_key(self._seed, "row order", epoch))[: steps * self._batch_size]
        if not self._group_by_length:
            return order.reshape(-1, self._batch_size)
        # Sorted within pools of 50 batches: like lengths share a batch, but the batches stay random samples.
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


def _shuffled(number: int, key: int) -> np.ndarray:
    return np.argsort(random_bits(key, np.arange(number)), kind="stable")
