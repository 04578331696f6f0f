import numpy as np
from laws import assert_share, trials_to_detect

from recipe.rng import derive_key, random_below, random_bits, random_uniform, torch_seed


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
