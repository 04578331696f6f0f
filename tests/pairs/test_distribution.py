"""`recipe.pairs.sampling` against an independent slow implementation of the original BERT script
(`original_pairs.py`), by distribution.

Both make PASSES passes over one corpus: COPIES copies of twelve documents of unlike lengths (1 to 25 sentences of 1 to
30 tokens). One false-alarm rate holds for the whole file: FALSE_ALARM, shared equally by its COMPARISONS tests
(Bonferroni). A share is tested by the exact binomial test; a table of counts by the two-sample chi-square test,
categories of fewer than 40 counts in both together merged. Documents differ, so a count is a sum over unlike
documents, which spreads less than the test supposes: the rate is an upper bound. Seeds are fixed, so the outcome is
too.

Power: the share of label 1 rests on COINS = 40,000 coins of each side; a true share off by 0.022 is missed once in
1,000. Each table rests on 24,000 documents of each side; of 10 categories, one of share 0.1 that truly has 0.13 is
missed once in 1,000; of 100 categories, one of share 0.01 that has 0.026.
"""

from bisect import bisect
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from functools import cache
from itertools import groupby

import numpy as np
import pytest
from original_pairs import OriginalPairs, Pair
from scipy.stats import binomtest, chi2_contingency

from recipe.pairs.sampling import CHUNK_BITS, PairRules, make_pairs

FALSE_ALARM = 1e-6
PASSES = 100
COPIES = 20
COINS = 40_000
LIMIT = 40
SHORT_SEQ_PROB = 0.3
TRUNCATIONS = ("longest_first", "random_tail")
SENTENCES = (1, 1, 2, 2, 3, 4, 5, 6, 8, 10, 12, 25)


def corpus() -> list[list[list[int]]]:
    """The twelve documents, of sentences of tokens; every token has its own number, in order."""
    draw = np.random.default_rng(7)
    lengths = [draw.integers(1, 31, sentences).tolist() for sentences in SENTENCES]
    tokens = iter(range(sum(map(sum, lengths))))
    return [[[next(tokens) for _ in range(length)] for length in document] for document in lengths]


DOCUMENTS = corpus()
SENTENCE_OF_TOKEN = [
    number
    for number, sentence in enumerate(sentence for document in DOCUMENTS for sentence in document)
    for _ in sentence
]
FIRST_TOKEN = [document[0][0] for document in DOCUMENTS]
ONE_PAST = [document[-1][-1] + 1 for document in DOCUMENTS]


def original(truncation: str) -> list[list[Pair]]:
    """The pairs of each document in each pass."""
    maker = OriginalPairs(DOCUMENTS * COPIES, LIMIT, SHORT_SEQ_PROB, truncation, seed=11)
    return [maker.pairs_of(number) for _ in range(PASSES) for number in range(len(DOCUMENTS) * COPIES)]


@cache
def ours(truncation: str) -> list[list[Pair]]:
    """The same from `make_pairs`. A chunk of one sentence is known by `forced_random`; of others the number of
    sentences is not, and stands as 2.
    """
    lengths = [len(sentence) for document in DOCUMENTS * COPIES for sentence in document]
    document_offsets = np.cumsum([0, *map(len, DOCUMENTS * COPIES)])
    rules = PairRules(LIMIT, SHORT_SEQ_PROB, truncation=truncation)
    blocks = [
        pairs
        for number in range(PASSES)
        for pairs in make_pairs(
            np.cumsum([0, *lengths]), document_offsets, rules, 5, number, 0, len(DOCUMENTS) * COPIES
        )
    ]
    names = ("row_id", "a_start", "a_length", "b_start", "b_length", "next_sentence_label", "forced_random", "cut")
    rows = zip(*(np.concatenate([getattr(pairs, name) for pairs in blocks]).tolist() for name in names), strict=True)
    return [_pairs_of_rows(list(group)) for _, group in groupby(rows, key=lambda row: row[0] >> CHUNK_BITS)]


def _pairs_of_rows(rows: list[tuple]) -> list[Pair]:
    pairs = []
    for place, (_, a_start, a_length, b_start, b_length, label, forced, cut) in enumerate(rows):
        # The number of a token among the twelve documents, whatever the copy.
        a, b = a_start % ONE_PAST[-1], b_start % ONE_PAST[-1]
        document = bisect(ONE_PAST, a)
        pairs.append(
            Pair(
                document,
                place,
                1 if forced else 2,
                list(range(a, a + a_length)),
                list(range(b, b + b_length)),
                bool(label),
                cut,
            )
        )
    return pairs


@pytest.fixture(scope="module", params=TRUNCATIONS)
def both(request) -> tuple[list[list[Pair]], list[list[Pair]]]:
    """(ours, original) for a rule of truncation."""
    return ours(request.param), original(request.param)


def compare(found: Iterable[Hashable], expected: Iterable[Hashable]) -> None:
    """Two-sample chi-square test of two lists of categories."""
    counts = Counter(found), Counter(expected)
    categories = sorted(set(counts[0]) | set(counts[1]), key=repr)
    table = np.array([[count[category] for category in categories] for count in counts])
    rare = table.sum(axis=0) < 40
    table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)] if table[:, rare].sum() else [table])
    assert table.shape[1] > 1, "nothing to compare"
    probability = chi2_contingency(table, correction=False).pvalue
    shares = table / table.sum(axis=1, keepdims=True)
    worst = int(np.argmax((shares[0] - shares[1]) ** 2 / shares.sum(axis=0)))
    name = [category for category, drop in zip(categories, rare, strict=True) if not drop][worst : worst + 1] or [
        "the rare ones"
    ]
    assert probability >= FALSE_ALARM / COMPARISONS, (
        f"p = {probability:.1e}; most unlike: {name[0]}, {shares[0][worst]:.4f} against {shares[1][worst]:.4f}"
    )


def test_random_has_probability_one_half_given_two_sentences(both):
    # The coins come one after another, each independent of what was before: the first COINS of them are COINS fair
    # tosses, however many there are.
    for documents in both:
        coins = [pair.is_random for pairs in documents for pair in pairs if pair.sentences > 1][:COINS]
        assert len(coins) == COINS
        assert binomtest(sum(coins), COINS, 0.5).pvalue >= FALSE_ALARM / COMPARISONS


def template(pairs: list[Pair]) -> int:
    """Which of the twelve documents they are from."""
    return pairs[0].document % len(DOCUMENTS)


# One category per document and pass: these are independent draws.
QUANTITIES: dict[str, Callable[[list[Pair]], Hashable]] = {
    # Documents of unlike lengths have unlike laws, so the category names the document.
    "number of pairs": lambda pairs: (template(pairs), len(pairs)),
    "number of forced random pairs": lambda pairs: (template(pairs), sum(pair.sentences == 1 for pair in pairs)),
    "number of random pairs": lambda pairs: (template(pairs), sum(pair.is_random for pair in pairs)),
    "lengths of the first A and B": lambda pairs: (len(pairs[0].a) // 4, len(pairs[0].b) // 4, pairs[0].is_random),
    "lengths of the last A and B": lambda pairs: (len(pairs[-1].a) // 4, len(pairs[-1].b) // 4, pairs[-1].is_random),
    "first pair's length together": lambda pairs: len(pairs[0].a) + len(pairs[0].b),
    "where the first A ends": lambda pairs: SENTENCE_OF_TOKEN[pairs[0].a[-1]],
    "where the last A starts": lambda pairs: SENTENCE_OF_TOKEN[pairs[-1].a[0]],
    "tokens cut from the first A's front": lambda pairs: pairs[0].a[0] - FIRST_TOKEN[template(pairs)],
    "tokens cut from a document's pairs": lambda pairs: (template(pairs), sum(pair.cut for pair in pairs) // 5),
    "sentence at which the first random B starts": lambda pairs: next(
        (SENTENCE_OF_TOKEN[pair.b[0]] for pair in pairs if pair.is_random), None
    ),
    "tokens of the document that no pair has": lambda pairs: (template(pairs), unused_tokens(pairs) // 5),
}


# Two sides of the coin, and all quantities, for each rule of truncation.
COMPARISONS = len(TRUNCATIONS) * (2 + len(QUANTITIES))


def unused_tokens(pairs: list[Pair]) -> int:
    """Tokens of A's document that no A and no B that follows holds."""
    used = {token for pair in pairs for token in (pair.a if pair.is_random else pair.a + pair.b)}
    return ONE_PAST[template(pairs)] - FIRST_TOKEN[template(pairs)] - len(used)


@pytest.mark.parametrize("name", QUANTITIES)
def test_distribution_agrees_with_the_original(both, name, request):
    if name == "tokens cut from the first A's front" and "random_tail" in request.node.name:
        assert all(
            pair.a[0] in {sentence[0] for document in DOCUMENTS for sentence in document}
            for pairs in both[0][:1000]
            for pair in pairs
        )
        return
    compare(*([QUANTITIES[name](pairs) for pairs in documents] for documents in both))


def test_the_comparison_finds_a_wrong_rule():
    # The other rule of truncation must be told apart, else the tests above would show nothing.
    lengths = [
        [(len(pairs[0].a) // 4, len(pairs[0].b) // 4) for pairs in ours(truncation)] for truncation in TRUNCATIONS
    ]
    with pytest.raises(AssertionError, match="p = "):
        compare(*lengths)
