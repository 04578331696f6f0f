"""Token ids that do not fit into a row -> those that are kept, by a rule for each kind of text."""

from collections.abc import Sequence

import numpy as np


def longest_first(first: Sequence[int], second: Sequence[int], max_num_tokens: int) -> tuple[list[int], list[int]]:
    """A pair that fits: tokens are dropped from the end of the longer one, of equals from the second, until both fit.

    Source: the rule of google-research/bert@eedf571, run_classifier.py, in closed form.
    """
    kept_second = min(len(second), max(max_num_tokens // 2, max_num_tokens - len(first)))
    kept_first = min(len(first), max_num_tokens - kept_second)
    return list(first[:kept_first]), list(second[:kept_second])


def nearest(ids: Sequence[int], is_kept: Sequence[bool], max_num_tokens: int) -> list[int]:
    """The tokens nearest to those that must be kept, in their order; of equals the earlier; else the first."""
    if len(ids) <= max_num_tokens:
        return list(ids)
    distances = positions = np.arange(len(ids))
    fixed = np.flatnonzero(np.asarray(is_kept, dtype=bool))
    if len(fixed):
        # The distance to the nearer of the fixed tokens on both sides. So a window grows evenly around both entities
        # of a sentence, and where they are too far apart, the middle between them is cut.
        after = np.clip(np.searchsorted(fixed, positions), 0, len(fixed) - 1)
        distances = np.minimum(abs(fixed[after] - positions), abs(fixed[np.maximum(after - 1, 0)] - positions))
    chosen = np.sort(np.argsort(distances, kind="stable")[:max_num_tokens])
    return [ids[position] for position in chosen.tolist()]
