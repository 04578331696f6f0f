"""Truncation of pairs: both segments are shortened until they fit into a row, by one of two rules."""

import numpy as np

from recipe.rng import random_bits


def truncate_pairs(
    a_start: np.ndarray,
    a_length: np.ndarray,
    b_start: np.ndarray,
    b_length: np.ndarray,
    max_num_tokens: int,
    rule: str,
    coins_of_a: np.ndarray,
    coins_of_b: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Shorten the segments to max_num_tokens together; every segment keeps at least one token.

    Args:
        a_start, a_length, b_start, b_length: int64, shape (pairs,): places in the token store, in tokens.
        max_num_tokens: budget of A and B together, special tokens aside; at least 2.
        rule: "random_tail" (the last token of A or B by a fair coin) or "longest_first" (BERT).
        coins_of_a, coins_of_b: uint64, shape (pairs,): keys of the coin tosses.

    Returns:
        The four arrays after truncation, and the number of tokens that were dropped from each pair.

    Source of longest_first: google-research/bert@eedf571, create_pretraining_data.py, `truncate_seq_pair`.
    """
    # Both rules drop one token after another. Here they are in closed form, since a loop over tokens in Python would
    # cost more than everything else; tests/support/reference_pairs.py has the loops, and the lengths are equal.
    excess = np.maximum(a_length + b_length - max_num_tokens, 0)
    if rule == "random_tail":
        # So many fair coins are tossed, and A loses a token for each head, as far as it can give one and B the rest.
        heads = _count_heads(excess, coins_of_a)
        a_cut = np.clip(heads, excess - np.minimum(excess, b_length - 1), np.minimum(excess, a_length - 1))
        return a_start, a_length - a_cut, b_start, b_length - (excess - a_cut), excess
    # The longer segment loses, B on a tie: so B ends at half of the budget, or at what a short A leaves of it.
    b_kept = np.where(
        excess > 0, np.minimum(b_length, np.maximum(max_num_tokens // 2, max_num_tokens - a_length)), b_length
    )
    a_kept = np.where(excess > 0, np.minimum(a_length, max_num_tokens - b_kept), a_length)
    # Each lost token is the first or the last one by a coin, so that rows do not always begin at a sentence's start.
    a_front = _count_heads(a_length - a_kept, coins_of_a)
    b_front = _count_heads(b_length - b_kept, coins_of_b)
    return a_start + a_front, a_kept, b_start + b_front, b_kept, excess


def _count_heads(tosses: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Heads among `tosses` fair coins: the ones among so many random bits."""
    heads = np.zeros(len(tosses), np.int64)
    rows = np.flatnonzero(tosses)
    left, keys, word = tosses[rows], keys[rows], 0
    # 64 coins come from one hash; only rows that toss more go on to the next word.
    while len(rows):
        unused = np.maximum(64 - left, 0).astype(np.uint64)
        heads[rows] += np.bitwise_count(random_bits(keys, word) >> unused)
        more = left > 64
        rows, left, keys, word = rows[more], left[more] - 64, keys[more], word + 1
    return heads
