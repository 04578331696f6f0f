"""Scores of whole texts, and the numbers of each text that add up to them, so that a bootstrap can draw texts.

A score over nothing is None; in an array it is NaN.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from recipe.tasks.data.entities import scores_of


def f1_of_counts(counts: np.ndarray) -> np.ndarray:
    """F1 of (gold, predicted, right) in the last dimension; NaN where nothing is gold."""
    gold, predicted, right = np.moveaxis(counts, -1, 0)
    return np.where(gold > 0, 2 * right / np.maximum(gold + predicted, 1), np.nan)


def macro_f1_of_counts(counts: np.ndarray) -> np.ndarray:
    """Mean F1 of the types that are gold; the last dimension: (gold, predicted, right) of one type after the other."""
    scores = f1_of_counts(counts.reshape(*counts.shape[:-1], -1, 3))
    # A draw of few sentences may lack a type. Not np.nanmean, which warns where no type is gold.
    types = np.isfinite(scores).sum(-1)
    return np.where(types > 0, np.nansum(scores, axis=-1) / np.maximum(types, 1), np.nan)


def accuracy_of_counts(counts: np.ndarray) -> np.ndarray:
    """Share of what is right; the last dimension contains (right, all); NaN of nothing."""
    return np.where(counts[..., 1] > 0, counts[..., 0] / np.maximum(counts[..., 1], 1), np.nan)


def pearson(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Pearson's correlation; None where one side is constant or empty, which has none."""
    if len(first) < 2:
        return None
    deviations = [np.asarray(values, dtype=np.float64) - np.mean(values) for values in (first, second)]
    squares = [float(np.square(values).sum()) for values in deviations]
    scale = float(np.sqrt(squares[0]) * np.sqrt(squares[1]))
    # What rounding may leave of the spread of constant numbers.
    smallest = 1e-12 * float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.clip((deviations[0] * deviations[1]).sum() / scale, -1, 1)) if scale > smallest else None


def ranks(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """The place of each number in their order, from 1; equal numbers share the mean of their places."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[which]  # type: ignore[no-any-return]


def rank_of(score: float | None) -> float:
    """A score's place in an order: one over nothing stands below all others."""
    return -math.inf if score is None else score


def sums_of_pairs(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> np.ndarray:
    """1, x, y, xx, yy, xy of each pair of numbers, shape (pairs, 6); they add up to what `pearson_of_sums` needs."""
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=-1)


def pearson_of_sums(sums: np.ndarray) -> np.ndarray:
    """Pearson's correlation of added-up `sums_of_pairs` in the last dimension; NaN where one side is constant."""
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    n = np.maximum(n, 1)
    # Below this share of its squares a variance is what rounding leaves of none.
    sums_around_mean = ((xx, xx - x**2 / n), (yy, yy - y**2 / n))
    variances = [np.where(variance > 1e-12 * squares, variance, 0) for squares, variance in sums_around_mean]
    scale = np.sqrt(variances[0]) * np.sqrt(variances[1])
    return np.where(scale > 0, np.clip((xy - x * y / n) / np.where(scale > 0, scale, 1), -1, 1), np.nan)


def micro_scores(
    gold: Sequence[Iterable[str]], predicted: Sequence[Iterable[str]], labels: Sequence[str]
) -> dict[str, Any]:
    """`label_scores` of the labels of each text; those that are not in `labels` do not count."""
    pairs = [({*expected}, {*found}) for expected, found in zip(gold, predicted, strict=True)]
    return label_scores(
        Counter(name for expected, _ in pairs for name in expected),
        Counter(name for _, found in pairs for name in found),
        Counter(name for expected, found in pairs for name in expected & found),
        labels,
    )


def label_scores(gold: Counter, predicted: Counter, right: Counter, labels: Sequence[str]) -> dict[str, Any]:
    """`scores_of` all labels, "macro_f1" over those that are gold, and "per_type": `scores_of` each."""
    counters = (gold, predicted, right)
    per_type = {name: scores_of(*(counter[name] for counter in counters)) for name in labels}
    total = scores_of(*(sum(counter[name] for name in labels) for counter in counters))
    # A label that no gold answer has makes others worse by its predictions, but has no F1 of its own.
    of_gold = [found["f1"] for found in per_type.values() if found["support"]]
    return {**total, "macro_f1": float(np.mean(of_gold)) if of_gold else None, "per_type": per_type}


def last_columns(text: str) -> list[tuple[str, str]]:
    """Gold and prediction of each line of a predictions file of whole texts."""
    return [(gold, predicted) for _, gold, predicted in (line.rsplit("\t", 2) for line in text.split("\n") if line)]
