from itertools import chain

import numpy as np
import pytest

from recipe.errors import InputError
from recipe.pairs.dataset import load_pairs
from recipe.pretraining.rows import PairRows
from recipe.pretraining.sampler import StepSampler, split_of_batch

LENGTHS = np.random.default_rng(0).integers(5, 128, 1000).astype(np.int32)


class RowsOfLengths:
    """Rows of which only the lengths are known; `more` of them are added every epoch."""

    def __init__(self, more: int = 0) -> None:
        self._more = more

    def number(self, epoch):
        return len(self.lengths(epoch))

    def lengths(self, epoch):
        return np.concatenate([LENGTHS, LENGTHS[: epoch * self._more]])


def sampler(micro=16, steps=130, group=True, rank=0, ranks=1, seed=1, batch=16, more=0):
    return StepSampler(RowsOfLengths(more), batch, micro, steps, seed, group, rank, ranks)


def steps_of(samplers: list[StepSampler], batch: int = 16) -> list[list[tuple[int, int]]]:
    """The rows of each step over all ranks, sorted."""
    streams = [list(chain.from_iterable(one)) for one in samplers]
    share = batch // len(samplers)
    return [
        sorted(chain.from_iterable(stream[start : start + share] for stream in streams))
        for start in range(0, len(streams[0]), share)
    ]


@pytest.mark.parametrize("group", [True, False])
def test_an_epoch_shows_each_row_at_most_once_and_a_step_is_always_full(group):
    batches = sampler(group=group).batches_of_epoch(0)
    assert batches.shape == (62, 16)
    assert len(np.unique(batches)) == 62 * 16
    left_out = [
        set(range(1000)) - set(sampler(group=group).batches_of_epoch(epoch).ravel().tolist()) for epoch in range(2)
    ]
    assert len(left_out[0]) == 8
    assert left_out[0] != left_out[1]


def test_a_step_has_the_same_rows_whatever_the_ranks_and_the_accumulation():
    whole = steps_of([sampler()])
    assert whole == steps_of([sampler(micro=4)])
    assert whole == steps_of([sampler(micro=4, rank=rank, ranks=2) for rank in range(2)])
    assert whole == steps_of([sampler(micro=2, rank=rank, ranks=4) for rank in range(4)])
    assert {epoch for step in whole for epoch, _ in step} == {0, 1, 2}


@pytest.mark.parametrize("more", [0, 40])
def test_a_run_goes_on_at_any_step(more):
    whole = list(sampler(micro=8, more=more))
    for step in (1, 61, 62, 63, 100, 129):
        later = sampler(micro=8, more=more)
        later.first_step = step
        assert list(later) == whole[2 * step :]
    assert len(sampler(micro=8, more=more)) == len(whole) == 260


def test_epochs_of_unlike_length():
    """62, 65 and 67 steps of 16 rows: the epochs begin at the steps 0, 62 and 127."""
    assert [sampler(more=40).epochs_at(step) for step in (0, 31, 62, 127)] == [0, 0.5, 1, 2]
    assert [batch[0][0] for batch in sampler(more=40)] == [0] * 62 + [1] * 65 + [2] * 3


def test_grouping_saves_padding_and_keeps_rows_of_all_lengths_in_each_epoch():
    def filled(group):
        rows = LENGTHS[sampler(group=group).batches_of_epoch(0)]
        return rows.sum() / (rows.max(1) * 16).sum()

    assert filled(True) > 0.95 > 0.65 > filled(False)


def test_order_follows_the_seed():
    assert list(sampler(seed=1)) == list(sampler(seed=1))
    assert list(sampler(seed=1)) != list(sampler(seed=2))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((8192, 64, 8), (64, 16)), ((16, 16, 2), (8, 1)), ((48, 32, 1), (24, 2)), ((7, 4, 1), (1, 7))],
)
def test_a_global_batch_is_split_evenly(arguments, expected):
    assert split_of_batch(*arguments) == expected


def test_what_cannot_be_split_is_refused():
    with pytest.raises(InputError, match="multiple of 3"):
        split_of_batch(16, 16, 3)
    with pytest.raises(InputError, match="lower it or add text"):
        sampler(batch=2000, micro=2000)


def test_rows_are_read_as_they_were_written(prepared):
    stored = load_pairs(prepared)["train"]
    rows = PairRows(stored)
    assert rows.lengths().tolist() == [len(row["input_ids"]) for row in stored]
    picked = rows.__getitems__([(2, 5), (0, 0), (2, 5)])
    assert [row["epoch"] for row in picked] == [2, 0, 2]
    for row, index in zip(picked, (5, 0, 5), strict=True):
        assert row["input_ids"].tolist() == stored[index]["input_ids"]
        assert row["token_type_ids"].tolist() == stored[index]["token_type_ids"]
        assert (row["row_id"], row["next_sentence_label"]) == (
            stored[index]["row_id"],
            stored[index]["next_sentence_label"],
        )
    chosen = PairRows(stored.select([7, 3]))
    assert chosen.lengths().tolist() == [len(stored[7]["input_ids"]), len(stored[3]["input_ids"])]
    assert chosen[(0, 1)]["input_ids"].tolist() == stored[3]["input_ids"]
