"""Scores of whole texts against scipy and formulae of their own, and the numbers that a bootstrap adds up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from recipe.tasks.types.scores import (
    accuracy_of_counts,
    f1_of_counts,
    macro_f1_of_counts,
    micro_scores,
    pearson,
    pearson_of_sums,
    sums_of_pairs,
)

LABELS = ["a", "b", "c"]
SETS = st.lists(
    st.tuples(st.frozensets(st.sampled_from([*LABELS, "other"])), st.frozensets(st.sampled_from([*LABELS, "other"]))),
    min_size=1,
    max_size=30,
)


@pytest.mark.parametrize("seed", range(200))
def test_pearson_is_scipys(seed):
    draw = np.random.default_rng(seed)
    first = draw.normal(draw.uniform(-50, 50), 10 ** draw.uniform(-3, 3), size := draw.integers(2, 40))
    second = draw.uniform(-1, 1) * first + draw.normal(size=size)
    expected = pearsonr(first, second).statistic
    assert pearson(first, second) == pytest.approx(expected, abs=1e-9)
    centred = sums_of_pairs(first - first.mean(), second - second.mean()).sum(0)
    assert pearson_of_sums(centred) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, 2.4, -1e6])
def test_constant_numbers_have_no_correlation(value):
    gold = [0.1, 0.7, 3.3, 2.0]
    assert pearson(gold, [value] * 4) is None
    assert pearson([value] * 4, gold) is None
    assert pearson([], []) is pearson([1.0], [2.0]) is None
    assert np.isnan(pearson_of_sums(sums_of_pairs(gold, [value] * 4).sum(0)))
    assert np.isnan(pearson_of_sums(np.zeros(6)))


def test_sums_add_up_for_any_draw_of_pairs():
    draw = np.random.default_rng(1)
    first, second = draw.normal(size=(2, 30))
    times = draw.multinomial(30, np.full(30, 1 / 30), size=50)
    found = pearson_of_sums(times @ sums_of_pairs(first, second))
    for drawn, score in zip(times, found, strict=True):
        assert score == pytest.approx(pearsonr(np.repeat(first, drawn), np.repeat(second, drawn)).statistic, abs=1e-9)


@given(SETS)
def test_micro_and_macro_scores_are_those_of_counted_decisions(pairs):
    gold, predicted = zip(*pairs, strict=True)
    scores = micro_scores(gold, predicted, LABELS)
    tp, fp, fn = (sum(decide(label in g, label in p) for g, p in pairs for label in LABELS) for decide in DECISIONS)
    assert scores["support"] == tp + fn
    is_gold = tp + fn > 0
    assert scores["f1"] == (pytest.approx(tp / (tp + (fp + fn) / 2)) if is_gold else None)
    assert scores["precision"] == (pytest.approx(tp / (tp + fp)) if is_gold and tp + fp else None)
    assert scores["recall"] == (pytest.approx(tp / (tp + fn)) if is_gold else None)
    f1s = []
    for label in LABELS:
        one = [sum(decide(label in g, label in p) for g, p in pairs) for decide in DECISIONS]
        f1s += [one[0] / (one[0] + (one[1] + one[2]) / 2)] if one[0] + one[2] else []
        assert scores["per_type"][label]["f1"] == (pytest.approx(f1s[-1]) if one[0] + one[2] else None)
    assert scores["macro_f1"] == (pytest.approx(sum(f1s) / len(f1s)) if f1s else None)


DECISIONS = (
    lambda gold, found: gold and found,
    lambda gold, found: found and not gold,
    lambda gold, found: gold and not found,
)


def test_counts_become_scores_in_the_last_dimension():
    counts = np.array([[2, 4, 2, 4, 0, 0], [0, 0, 0, 3, 3, 3]], dtype=float)
    assert f1_of_counts(counts[:, :3]) == pytest.approx([2 * 2 / 6, np.nan], nan_ok=True)
    assert macro_f1_of_counts(counts).tolist() == [pytest.approx(1 / 3), 1.0]
    assert np.isnan(macro_f1_of_counts(np.array([[0.0, 3, 0, 0, 0, 0]])))
    assert accuracy_of_counts(np.array([[3.0, 4.0], [0.0, 0.0]])) == pytest.approx([0.75, np.nan], nan_ok=True)
