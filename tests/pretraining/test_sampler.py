import time
import tracemalloc
from itertools import chain, islice, pairwise

import datasets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import assert_share

from recipe.errors import InputError
from recipe.pairs.dataset import load_pairs
from recipe.pretraining.rows import PairRows
from recipe.pretraining.sampler import StepSampler, split_of_batch

LENGTHS = np.random.default_rng(0).integers(5, 128, 1000).astype(np.int32)


class RowsOfLengths:
    """Rows of which only the lengths are known; `more` of them are added every epoch."""

    def __init__(self, more: int = 0) -> None:
        self._more, self.begun = more, []

    def number(self, epoch):
        return len(self.lengths(epoch))

    def begin(self, epoch, oldest, has_next):
        self.begun.append((epoch, oldest, has_next))

    def lengths(self, epoch, indexes=slice(None)):
        return np.concatenate([LENGTHS, LENGTHS[: epoch * self._more]])[indexes]


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


def batches_of_epoch(one: StepSampler, epoch: int, steps: int = 62) -> np.ndarray:
    return np.stack([one.rows_of_step(epoch, step) for step in range(steps)])


@pytest.mark.parametrize("group", [True, False])
def test_an_epoch_shows_each_row_at_most_once_and_a_step_is_always_full(group):
    batches = batches_of_epoch(sampler(group=group), 0)
    assert batches.shape == (62, 16)
    assert len(np.unique(batches)) == 62 * 16
    left_out = [
        set(range(1000)) - set(batches_of_epoch(sampler(group=group), epoch).ravel().tolist()) for epoch in range(2)
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
        rows = LENGTHS[batches_of_epoch(sampler(group=group), 0)]
        return rows.sum() / (rows.max(1) * 16).sum()

    assert filled(True) > 0.95 > 0.65 > filled(False)


def test_an_epoch_is_begun_once_with_the_next_one_on_its_way_and_old_ones_kept_for_slow_ranks(monkeypatch):
    """62, 65 and 67 steps of 16 rows; a rank that is 70 steps behind in step 127 is in step 57, of epoch 0."""
    monkeypatch.setattr("recipe.pretraining.sampler.MOST_STEPS_APART", 70)
    one = sampler(more=40, steps=194)
    list(one)
    assert one._rows.begun == [(0, 0, True), (1, 0, True), (2, 0, False)]
    later = sampler(more=40, steps=300)
    later.first_step = 140
    next(iter(later))
    assert later._rows.begun == [(2, 1, True)]


@given(step=st.integers(0, 600), seed=st.integers(0, 2**32), group=st.booleans(), ranks=st.sampled_from([1, 2, 4]))
def test_any_step_is_found_without_those_before_it(step, seed, group, ranks):
    def micro_batches(first_step, rank):
        one = sampler(micro=4, steps=601, group=group, seed=seed, rank=rank, ranks=ranks, more=7)
        one.first_step = first_step
        return list(islice(one, 4 // ranks))

    found = [place for rank in range(ranks) for batch in micro_batches(step, rank) for place in batch]
    alone = sampler(micro=4, steps=601, group=group, seed=seed, more=7)
    epoch, before = alone._epoch_of(step)
    assert sorted(found) == sorted((epoch, int(row)) for row in alone.rows_of_step(epoch, step - before))


@pytest.mark.parametrize("group", [True, False])
def test_positions_of_an_epoch_are_uniform(group):
    """Whether a row is in the first batch, over 1,000 epochs: 16 in 1,000; with groups long and short rows alike."""
    one, epochs = sampler(group=group), 1000
    longest, firsts = set(np.argsort(LENGTHS)[-200:].tolist()), [one.rows_of_step(epoch, 0) for epoch in range(epochs)]
    assert_share(sum(500 in rows.tolist() for rows in firsts), epochs, 0.016)
    if not group:
        assert_share(sum(row in longest for rows in firsts for row in rows.tolist()), 16 * epochs, 0.2)
    # Each batch of the pool comes first as often as any other.
    means = np.array([LENGTHS[rows].mean() for rows in firsts])
    assert abs(means.mean() - LENGTHS.mean()) < 6 * means.std() / epochs**0.5


def test_consecutive_epochs_have_unlike_orders():
    one = sampler(group=False)
    orders = [batches_of_epoch(one, epoch).ravel() for epoch in range(4)]
    for first, second in pairwise(orders):
        # A row keeps its place once in 1,000: more than 12 of 992 have a chance below 1e-9.
        assert (first == second).sum() < 12


class ABillionRows:
    """Rows whose lengths are computed when they are asked for."""

    def number(self, epoch):
        return 10**9

    def lengths(self, epoch, indexes):
        return (indexes % 97).astype(np.int32)


@pytest.mark.parametrize("group", [True, False])
def test_a_step_of_an_epoch_of_a_billion_rows_takes_little_memory_and_time(group):
    one = StepSampler(ABillionRows(), 256, 32, 10**7, 1, group, 3, 8)
    tracemalloc.start()
    started = time.monotonic()
    steps = [one.rows_of_step(0, step) for step in (0, 2_000_000, 3_906_249)]
    seconds, (_, peak) = time.monotonic() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(np.unique(steps)) == 3 * 256
    assert 0 <= np.min(steps) <= np.max(steps) < 10**9
    assert peak < 4e6, f"{peak} bytes; all rows as int64 would be 8e9"
    assert seconds < 1


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
    drawn = np.random.default_rng(1).integers(0, len(stored), 500)
    assert (rows.lengths(0, drawn) == rows.lengths()[drawn]).all()
    assert rows.lengths(0, drawn[:0]).shape == (0,)
    cut = datasets.concatenate_datasets([stored.select(range(*span)) for span in ((3, 40), (90, 91), (0, 70))])
    assert len(cut.data.column("input_ids").chunks) == 3, "several files, each of which begins in its middle"
    assert PairRows(cut).lengths().tolist() == [len(row["input_ids"]) for row in cut]
    backwards = np.arange(len(cut))[::-1]
    assert (PairRows(cut).lengths(0, backwards) == PairRows(cut).lengths()[backwards]).all()
    chosen = PairRows(stored.select([7, 3]))
    assert chosen.lengths().tolist() == [len(stored[7]["input_ids"]), len(stored[3]["input_ids"])]
    assert chosen[(0, 1)]["input_ids"].tolist() == stored[3]["input_ids"]
