import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import FALSE_ALARM, assert_share, trials_to_detect
from scipy.stats import chi2

from recipe.rng import derive_key, permuted, random_below, random_bits, random_uniform, torch_seed


def test_draws_are_the_same_on_every_machine():
    # Golden values: a change of them would change every pair and every mask that was ever made from a seed.
    assert derive_key(1, "pairs", 0) == 17214031185066154351
    assert random_bits(7, np.arange(3), 5).tolist() == [3362569151192863174, 9151324248482319486, 855719631545641372]


def test_purposes_seeds_and_counters_give_other_keys():
    keys = {
        derive_key(seed, purpose, counter) for seed in range(10) for purpose in ("a", "b") for counter in range(10)
    }
    assert len(keys) == 200
    assert 0 <= torch_seed(3, "dropout", 1, 0) < 2**63


def test_each_bit_of_neighbouring_counters_is_fair():
    trials = trials_to_detect(0.5, wrong=0.51)
    bits = random_bits(3, np.arange(trials), 1)
    for place in range(64):
        assert_share(((bits >> np.uint64(place)) & np.uint64(1)).sum(), trials, 0.5)


def test_neighbouring_counters_are_independent():
    trials = trials_to_detect(0.25, wrong=0.26)
    for first, second in (
        (np.arange(trials), np.arange(trials) + 1),
        (np.arange(trials) * 2, np.arange(trials) * 2 + 2**20),
    ):
        both = (random_uniform(5, first) < 0.5) & (random_uniform(5, second) < 0.5)
        assert_share(both.sum(), trials, 0.25)


def test_swapped_counters_give_other_draws():
    assert (random_bits(1, np.arange(100), 200) != random_bits(1, 200, np.arange(100))).all()


def test_random_below_reaches_all_values_alike():
    trials = trials_to_detect(0.2, wrong=0.21)
    drawn = random_below(5, 9, np.arange(trials))
    assert drawn.min() == 0
    for value in range(5):
        assert_share((drawn == value).sum(), trials, 0.2)


@given(number=st.integers(1, 5000), key=st.integers(0, 2**64 - 1))
def test_a_permutation_has_each_number_once(number, key):
    assert (np.sort(permuted(np.arange(number), number, key)) == np.arange(number)).all()


@given(number=st.integers(1, 2**62), key=st.integers(0, 2**64 - 1), data=st.data())
def test_any_places_of_a_permutation_can_be_asked_for_alone(number, key, data):
    places = sorted(data.draw(st.sets(st.integers(0, number - 1), min_size=1, max_size=20)))
    found = permuted(np.array(places), number, key)
    assert len(set(found.tolist())) == len(places)
    assert 0 <= found.min() <= found.max() < number
    assert found.tolist() == [int(permuted(place, number, key)) for place in places]


def test_a_permutation_is_the_same_on_every_machine():
    # Golden values: a change of them would change the order of rows of every run.
    assert permuted(np.arange(4), 10**9, 7).tolist() == [796990169, 803919697, 593807404, 590896685]


@pytest.mark.parametrize("number", [2, 3, 5, 6])
def test_all_permutations_of_few_numbers_are_alike_common(number):
    keys = random_bits(1, np.arange(100_000))
    found = permuted(np.arange(number), number, keys[:, None])
    counts = np.unique(found, axis=0, return_counts=True)[1]
    orders = math.factorial(number)
    expected = len(keys) / orders
    distance = ((counts - expected) ** 2).sum() / expected + (orders - len(counts)) * expected
    assert distance < chi2.isf(FALSE_ALARM, orders - 1)


def test_each_place_of_a_permutation_gets_each_number_alike():
    number, trials = 1000, trials_to_detect(0.1, wrong=0.11)
    found = permuted(np.array([0, 1, 999]), number, random_bits(2, np.arange(trials))[:, None])
    for place in range(3):
        for tenth in range(10):
            assert_share((found[:, place] // 100 == tenth).sum(), trials, 0.1)
    # Neighbours go to unlike places: one below the other in half of the cases, beside it in 2 of 1,000.
    assert_share((found[:, 0] < found[:, 1]).sum(), trials, 0.5)
    assert_share((abs(found[:, 0] - found[:, 1]) == 1).sum(), trials, 0.002)


def test_a_permutation_of_many_numbers_leaves_no_trace_of_their_order():
    number = 10**9 + 7
    found = permuted(np.arange(100_000), number, 11)
    counts = np.bincount(found * 100 // number, minlength=100)
    assert ((counts - 1000) ** 2 / 1000).sum() < chi2.isf(FALSE_ALARM, 99)
    steps = np.diff(found) % number
    counts = np.bincount(steps * 100 // number, minlength=100)
    assert ((counts - 999.99) ** 2 / 999.99).sum() < chi2.isf(FALSE_ALARM, 99)
