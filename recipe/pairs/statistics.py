"""Token store and rules -> what a build tells about itself: counts, lengths, tokens that no pair shows, and what in
the text looks like a mistake.
"""

import numpy as np

from recipe.pairs.sampling import PairRules, Pairs, make_pairs
from recipe.tokens.store import TokenStore

SPECIALS_PER_PAIR = 3
HISTOGRAM_BARS = 32
WINDOW = 1 << 24
DOCUMENTS_PER_LOOK = 1 << 20
MANY_SENTENCES = 2000


def pair_statistics(store: TokenStore, rules: PairRules, seed: int, passes: int) -> dict:
    """Counts over all passes: documents, pairs, share of label 1 and how many of it were forced, lengths, tokens kept,
    cut and never seen.

    `never_seen_share` is measured on the first `never_seen_of` tokens (at most WINDOW, so that memory stays flat): the
    share that stands in no pair.
    """
    edges = (
        np.linspace(SPECIALS_PER_PAIR, rules.max_num_tokens + SPECIALS_PER_PAIR, HISTOGRAM_BARS + 1)
        .round()
        .astype(int)
    )
    histogram = np.zeros(HISTOGRAM_BARS, np.int64)
    seen = np.zeros(min(len(store.tokens), WINDOW), bool)
    totals = dict.fromkeys(("pairs", "label_1", "forced_random", "tokens_used", "tokens_cut", "a", "b"), 0)
    for pass_index in range(passes):
        for pairs in make_pairs(
            store.sentence_offsets, store.document_offsets, rules, seed, pass_index, 0, store.documents
        ):
            lengths = pairs.a_length + pairs.b_length
            histogram += np.histogram(lengths + SPECIALS_PER_PAIR, edges)[0]
            values = (
                len(pairs),
                pairs.next_sentence_label,
                pairs.forced_random,
                lengths,
                pairs.cut,
                pairs.a_length,
                pairs.b_length,
            )
            totals = {name: totals[name] + int(np.sum(value)) for name, value in zip(totals, values, strict=True)}
            _mark(seen, pairs)
    number = max(totals["pairs"], 1)
    counts = {
        **store.counts,
        **_document_counts(store),
        **{name: totals[name] for name in ("pairs", "forced_random", "tokens_used", "tokens_cut")},
        "never_seen_share": float(1 - seen.mean()) if len(seen) else 0.0,
        "never_seen_of": len(seen),
        "label_1_share": totals["label_1"] / number,
        "mean_length": totals["tokens_used"] / number + SPECIALS_PER_PAIR,
        "segment_a_mean_length": totals["a"] / number,
        "segment_b_mean_length": totals["b"] / number,
        "length_histogram": {"edges": edges.tolist(), "counts": histogram.tolist()},
    }
    return {**counts, "warnings": suspicions(counts)}


def suspicions(counts: dict) -> list[str]:
    """What in the counts of a split looks like a mistake in the text or the settings, one sentence each with what to
    do.
    """
    documents, sentences, lonely = counts["documents"], counts["sentences"], counts["one_sentence_documents"]
    found = []
    if lonely > documents / 2:
        found.append(
            f"{lonely:,} of {documents:,} documents have one sentence only, so B is random in all of their pairs: is"
            " there a blank line after every sentence? Put one between documents only"
        )
    if sentences > MANY_SENTENCES * documents:
        found.append(
            f"{documents:,} documents have {sentences / documents:,.0f} sentences each on average: are blank lines"
            " missing? Put one between documents, since a random B comes from another document"
        )
    if counts["pairs"] and counts["label_1_share"] > 0.65 and lonely <= documents / 2:
        found.append(
            f"{counts['label_1_share']:.0%} of the pairs have a random B, {counts['forced_random']:,} of"
            f" {counts['pairs']:,} since a chunk was one sentence: pairs.balance_labels or a larger"
            " pairs.max_seq_length brings both labels nearer to one half"
        )
    return found


def describe(split: str, statistics: dict) -> str:
    """One line for the terminal and for dataset_info."""
    return (
        f"{split}: {statistics['documents']:,} documents, {statistics['sentences']:,} sentences,"
        f" {statistics['tokens']:,} tokens -> {statistics['pairs']:,} pairs of {statistics['mean_length']:.0f} tokens"
        f" on average; {statistics['label_1_share']:.1%} have a random B ({statistics['forced_random']:,} of them"
        f" since the chunk was one sentence); truncation cut {statistics['tokens_cut']:,} tokens;"
        f" {statistics['never_seen_share']:.1%} of the tokens stand in no pair; {statistics['empty_sentences']:,}"
        " empty sentences left out"
    )


def _mark(seen: np.ndarray, pairs: Pairs) -> None:
    for start, length in ((pairs.a_start, pairs.a_length), (pairs.b_start, pairs.b_length)):
        inside = np.flatnonzero(start < len(seen))
        places = ranges(start[inside], length[inside])
        seen[places[places < len(seen)]] = True


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The indexes starts[i], ..., starts[i] + lengths[i] - 1 of all i, one after another."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))


def _document_counts(store: TokenStore) -> dict[str, int]:
    lonely = longest = 0
    for first in range(0, store.documents, DOCUMENTS_PER_LOOK):
        sentences = np.diff(store.document_offsets[first : first + DOCUMENTS_PER_LOOK + 1])
        lonely, longest = lonely + int((sentences == 1).sum()), max(longest, int(sentences.max()))
    return {"one_sentence_documents": lonely, "longest_document_sentences": longest}
