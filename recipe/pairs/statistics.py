"""What a build of pairs tells about itself: counts, lengths, tokens in no pair, and what looks like a mistake."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from recipe.pairs.sampling import PairRules, Pairs, make_pairs
from recipe.tokens.store import TokenStore

SPECIALS_PER_PAIR = 3
HISTOGRAM_BARS = 32
# Which tokens are in no pair is measured on the first 16 M tokens, so that memory stays flat.
WINDOW = 1 << 24
DOCUMENTS_PER_BLOCK = 1 << 20
MANY_SENTENCES = 2000
MANY_UNKNOWN = 0.02
TOTALS = ("pairs", "label_1", "forced_random", "tokens_used", "tokens_cut", "a", "b")


class PairCounter:
    """Counts of pairs, taken while they are written by any number of processes, and added up afterwards."""

    def __init__(self, edges: np.ndarray, histogram: np.ndarray, seen: np.ndarray, totals: np.ndarray) -> None:
        self.edges, self.histogram, self.seen, self.totals = edges, histogram, seen, totals

    @classmethod
    def of(cls, store: TokenStore, rules: PairRules) -> "PairCounter":
        """A counter that has counted nothing yet."""
        longest = rules.max_num_tokens + SPECIALS_PER_PAIR
        edges = np.linspace(SPECIALS_PER_PAIR, longest, HISTOGRAM_BARS + 1).round().astype(int)
        seen = np.zeros(min(len(store.tokens), WINDOW), bool)
        return cls(edges, np.zeros(HISTOGRAM_BARS, np.int64), seen, np.zeros(len(TOTALS), np.int64))

    @classmethod
    def added_up(cls, paths: Iterable[Path]) -> "PairCounter":
        """The counts of several processes, from the files that `save` wrote, as one."""
        first, *others = (cls(**np.load(path)) for path in paths)
        for other in others:
            first.histogram, first.totals = first.histogram + other.histogram, first.totals + other.totals
            first.seen |= other.seen
        return first

    def add(self, pairs: Pairs) -> None:
        """Count some pairs."""
        # The histogram is of whole rows, as training sees them.
        lengths = pairs.a_length + pairs.b_length
        self.histogram += np.histogram(lengths + SPECIALS_PER_PAIR, self.edges)[0]
        columns = pairs.next_sentence_label, pairs.forced_random, lengths, pairs.cut, pairs.a_length, pairs.b_length
        self.totals += [len(pairs), *(int(np.sum(column)) for column in columns)]
        for start, length in ((pairs.a_start, pairs.a_length), (pairs.b_start, pairs.b_length)):
            inside = np.flatnonzero(start < len(self.seen))
            positions = ranges(start[inside], length[inside])
            self.seen[positions[positions < len(self.seen)]] = True

    def save(self, path: Path) -> None:
        """Write the counts to an .npz file."""
        np.savez_compressed(path, **vars(self))

    def statistics(self, store: TokenStore, nsp_probability: float) -> dict:
        """Counts of a split over all passes, shares, and warnings.

        Args:
            nsp_probability: the chance of a random B where there was a choice, kept for those who open the pairs.
        """
        totals = dict(zip(TOTALS, self.totals.tolist(), strict=True))
        number = max(totals["pairs"], 1)
        counts = {
            **store.counts,
            "unknown_share": store.counts.get("unknown_tokens", 0) / max(store.counts["tokens"], 1),
            **_document_counts(store),
            **{name: totals[name] for name in ("pairs", "forced_random", "tokens_used", "tokens_cut")},
            "never_seen_share": float(1 - self.seen.mean()) if len(self.seen) else 0.0,
            "never_seen_of": len(self.seen),
            "label_1_share": totals["label_1"] / number,
            "nsp_probability": nsp_probability,
            "mean_length": totals["tokens_used"] / number + SPECIALS_PER_PAIR,
            "segment_a_mean_length": totals["a"] / number,
            "segment_b_mean_length": totals["b"] / number,
            "length_histogram": {"edges": self.edges.tolist(), "counts": self.histogram.tolist()},
        }
        return {**counts, "warnings": suspicions(counts)}


def count_pairs(store: TokenStore, rules: PairRules, seed: int, passes: int) -> PairCounter:
    """The counts of pairs that are made for this alone."""
    counter = PairCounter.of(store, rules)
    offsets = store.sentence_offsets, store.document_offsets
    for pass_index in range(passes):
        for pairs in make_pairs(*offsets, rules, seed, pass_index, 0, store.documents):
            counter.add(pairs)
    return counter


def suspicions(counts: dict) -> list[str]:
    """What in the counts of a split looks like a mistake in the text or the settings, one sentence each with what to
    do.
    """
    documents, sentences, lonely = counts["documents"], counts["sentences"], counts["one_sentence_documents"]
    # Each of these gives pairs that teach nothing, without an error anywhere.
    found = []
    if counts["unknown_share"] > MANY_UNKNOWN:
        found.append(
            f"{counts['unknown_share']:.1%} of the tokens are [UNK], which are never masked: the vocabulary lacks"
            " characters of the text, or words have over 100 letters; raise tokenizer.vocab_size, or set"
            " corpus.unicode to NFKC"
        )
    if lonely > documents / 2:
        found.append(
            f"{lonely:,} of {documents:,} documents have one sentence only, so B is random in all of their pairs: is"
            " the text split into sentences, and are blank lines between documents only?"
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
        f" {statistics['never_seen_share']:.1%} of the tokens are in no pair; {statistics['empty_sentences']:,}"
        " empty sentences left out"
    )


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The indexes starts[i], ..., starts[i] + lengths[i] - 1 of all i, one after another."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))


def _document_counts(store: TokenStore) -> dict[str, int]:
    single = longest = 0
    for first in range(0, store.documents, DOCUMENTS_PER_BLOCK):
        sentences = np.diff(store.document_offsets[first : first + DOCUMENTS_PER_BLOCK + 1])
        single, longest = single + int((sentences == 1).sum()), max(longest, int(sentences.max()))
    return {"one_sentence_documents": single, "longest_document_sentences": longest}
