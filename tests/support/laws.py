"""Tests of distributions: exact binomial bounds with one false-alarm rate, and sample sizes that are derived from the
error to catch.
"""

from scipy.stats import binom, binomtest, norm

FALSE_ALARM = 1e-6
MISSED = 1e-3


def trials_to_detect(share: float, wrong: float) -> int:
    """Draws after which a true share of `wrong` is missed once in 1,000 by a test that a true `share` fails once in
    1,000,000 (normal approximation).
    """
    spread = norm.isf(FALSE_ALARM / 2) * (share * (1 - share)) ** 0.5 + norm.isf(MISSED) * (wrong * (1 - wrong)) ** 0.5
    return int((spread / (share - wrong)) ** 2) + 1


def assert_share(successes: int, trials: int, share: float) -> None:
    """Fail if so many successes have a probability below 1 in 1,000,000 under Binomial(trials, share), both sides."""
    probability = binomtest(int(successes), int(trials), share).pvalue
    low, high = binom.ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2], int(trials), share) / trials
    assert probability >= FALSE_ALARM, (
        f"share {successes / trials:.5f} of {trials} draws, expected {share:.5f} within {low:.5f} to {high:.5f}"
    )
