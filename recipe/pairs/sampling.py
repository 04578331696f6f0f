"""Documents of token ids -> next-sentence pairs. A pair is five integers into the token store, so new pairs cost next
to nothing.

All draws are hashes of (seed, pass, document, chunk, what for), so a document's pairs depend on nothing else: not on
processes, shards or order. All documents of a block advance together, one chunk of each at a time;
`tests/reference_pairs.py` is the same algorithm written to be read.

Source of the algorithm: google-research/bert@eedf571, create_pretraining_data.py, `create_instances_from_document`,
with two changes: a random segment never comes from the same document, and `random_tail` is a second rule of
truncation.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from recipe.rng import below_of, derive_key, random_bits, uniform_of

DOCUMENTS_PER_BLOCK = 1 << 14
SENTENCES_PER_BLOCK = 1 << 18
BALANCING_ROUNDS = 5
CHUNK_BITS = 20
DOCUMENT_BITS = 32


class Draw(IntEnum):
    """What a random draw is for."""

    IS_SHORT = 0
    SHORT_LENGTH = 1
    SPLIT = 2
    IS_RANDOM = 3
    OTHER_DOCUMENT = 4
    OTHER_SENTENCE = 5
    TRUNCATE_A = 6
    TRUNCATE_B = 7


ALL_DRAWS = np.arange(len(Draw))[:, None]


@dataclass(frozen=True)
class PairRules:
    """How pairs are made. max_num_tokens: most tokens of A and B together, special tokens aside (max_seq_length - 3),
    at least 2.

    short_seq_unit: whether a short length is drawn once per "document" (BERT) or for every "pair".
    """

    max_num_tokens: int
    short_seq_probability: float = 0.1
    short_seq_unit: str = "document"
    nsp_probability: float = 0.5
    truncation: str = "random_tail"


@dataclass(frozen=True)
class Pairs:
    """Pairs as int64 arrays of one length: A is tokens[a_start:a_start + a_length], B likewise.

    next_sentence_label: 0 where B follows A, 1 where B is random. row_id: unique over passes, documents and chunks,
    below 2**63. forced_random: True where the chunk was one sentence, so that B had to be random. cut: tokens that
    truncation dropped.
    """

    a_start: np.ndarray
    a_length: np.ndarray
    b_start: np.ndarray
    b_length: np.ndarray
    next_sentence_label: np.ndarray
    row_id: np.ndarray
    forced_random: np.ndarray
    cut: np.ndarray

    def __len__(self) -> int:
        return len(self.row_id)


def make_pairs(
    sentence_offsets: np.ndarray,
    document_offsets: np.ndarray,
    rules: PairRules,
    seed: int,
    pass_index: int,
    first: int,
    last: int,
) -> Iterator[Pairs]:
    """The pairs of the documents first to last - 1 in one pass over the corpus, in blocks, ordered by document and
    place in it.

    Args:
        sentence_offsets, document_offsets: of the whole corpus, as in `TokenStore`; random segments come from all of
            it.
        pass_index: 0 for the first pass; every pass gives other pairs.

    Raises:
        ValueError: for fewer than two documents, since a random segment must come from another one, or max_num_tokens
            below 2.
    """
    if len(document_offsets) < 3:
        raise ValueError(
            f"found {len(document_offsets) - 1} document(s), but a random segment B must come from another one"
        )
    if rules.max_num_tokens < 2:
        raise ValueError(f"max_num_tokens is {rules.max_num_tokens}, but A and B need one token each")
    # A memory map as a plain array: numpy's own class costs more than the work where documents are few.
    sentence_offsets, document_offsets = np.asarray(sentence_offsets), np.asarray(document_offsets)
    while first < last:
        # Few enough documents, and few enough sentences where documents are long; one document at least.
        end = int(np.searchsorted(document_offsets, document_offsets[first] + SENTENCES_PER_BLOCK, "right")) - 1
        documents = np.arange(first, max(first + 1, min(end, first + DOCUMENTS_PER_BLOCK, last)))
        first = int(documents[-1]) + 1
        yield _pairs_of(
            documents, sentence_offsets, document_offsets, rules, derive_key(seed, "pairs", pass_index), pass_index
        )


def balanced_probability(
    sentence_offsets: np.ndarray, document_offsets: np.ndarray, rules: PairRules, seed: int
) -> float:
    """The chance of a random B, where there is a choice, at which rules.nsp_probability of all pairs have one, forced
    ones included.

    Found by fixed-point steps over at most DOCUMENTS_PER_BLOCK documents, evenly spread; 0 where the forced pairs
    alone are more.
    """
    documents = np.unique(
        np.linspace(0, len(document_offsets) - 2, min(len(document_offsets) - 1, DOCUMENTS_PER_BLOCK)).astype(np.int64)
    )
    chance = rules.nsp_probability
    for _ in range(BALANCING_ROUNDS):
        tried = _pairs_of(
            documents,
            sentence_offsets,
            document_offsets,
            replace(rules, nsp_probability=chance),
            derive_key(seed, "balance"),
            0,
        )
        forced = int(tried.forced_random.sum())
        if forced == len(tried):
            return rules.nsp_probability
        chance = min(1.0, max(0.0, (rules.nsp_probability * len(tried) - forced) / (len(tried) - forced)))
    return chance


def _pairs_of(
    documents: np.ndarray,
    sentence_offsets: np.ndarray,
    document_offsets: np.ndarray,
    rules: PairRules,
    key: int,
    pass_index: int,
) -> Pairs:
    """One round per chunk: in each, every document that is not at its end gives its next pair."""
    corpus = (sentence_offsets, document_offsets)
    document_keys = random_bits(key, documents)
    target = _target_lengths(_draws(document_keys, 0), rules)
    position, end = document_offsets[documents].astype(np.int64), document_offsets[documents + 1].astype(np.int64)
    rounds = []
    chunk = 0
    while len(documents):
        if chunk >= 1 << CHUNK_BITS:
            raise ValueError(
                f"document {documents[0]} gives more than {1 << CHUNK_BITS:,} pairs; split it into shorter documents"
            )
        draws = _draws(document_keys, chunk)
        if rules.short_seq_unit == "pair":
            target = _target_lengths(draws, rules)
        pairs, position = _next_pairs(documents, position, end, target, corpus, rules, draws)
        rounds.append(replace(pairs, row_id=(((pass_index << DOCUMENT_BITS) + documents) << CHUNK_BITS) + chunk))
        unfinished = position < end
        documents, document_keys, target, position, end = (
            array[unfinished] for array in (documents, document_keys, target, position, end)
        )
        chunk += 1
    return _in_order(rounds)


def _draws(document_keys: np.ndarray, chunk: int) -> np.ndarray:
    """The bits of all draws for a chunk of each document: uint64, shape (len(Draw), documents)."""
    return random_bits(random_bits(document_keys, chunk), ALL_DRAWS)


def _target_lengths(draws: np.ndarray, rules: PairRules) -> np.ndarray:
    """Tokens that each chunk aims at: max_num_tokens, for some of them a uniform length of 2 to max_num_tokens."""
    short = uniform_of(draws[Draw.IS_SHORT]) < rules.short_seq_probability
    return np.where(short, 2 + below_of(rules.max_num_tokens - 1, draws[Draw.SHORT_LENGTH]), rules.max_num_tokens)


def _next_pairs(documents, position, end, target, corpus, rules, draws) -> tuple[Pairs, np.ndarray]:
    """The next pair of each document, and the sentence at which its next chunk starts."""
    sentence_offsets, _ = corpus
    a_start = sentence_offsets[position]
    chunk_end = np.minimum(np.searchsorted(sentence_offsets, a_start + target), end)
    sentences = chunk_end - position
    split = position + 1 + below_of(np.maximum(sentences - 1, 1), draws[Draw.SPLIT])
    forced = sentences == 1
    random = forced | (uniform_of(draws[Draw.IS_RANDOM]) < rules.nsp_probability)
    a_length = sentence_offsets[split] - a_start
    other_start, other_end = _random_segments(documents, np.maximum(target - a_length, 1), corpus, draws)
    b_start = sentence_offsets[np.where(random, other_start, np.minimum(split, end - 1))]
    b_length = sentence_offsets[np.where(random, other_end, chunk_end)] - b_start
    a_start, a_length, b_start, b_length, cut = _truncate(a_start, a_length, b_start, b_length, rules, draws)
    pairs = Pairs(a_start, a_length, b_start, b_length, random.astype(np.int64), documents, forced, cut)
    return pairs, np.where(random, split, chunk_end)


def _random_segments(documents, wanted_length, corpus, draws) -> tuple[np.ndarray, np.ndarray]:
    """First and one-past-last sentence of a segment of `wanted_length` tokens or more (or to its document's end) from
    another document each.
    """
    sentence_offsets, document_offsets = corpus
    other = below_of(len(document_offsets) - 2, draws[Draw.OTHER_DOCUMENT])
    # Step over the document itself instead of redrawing: a redraw may end on the same document and call its text
    # random.
    other += other >= documents
    first, end = document_offsets[other], document_offsets[other + 1]
    start = first + below_of(end - first, draws[Draw.OTHER_SENTENCE])
    return start, np.minimum(np.searchsorted(sentence_offsets, sentence_offsets[start] + wanted_length), end)


def _truncate(a_start, a_length, b_start, b_length, rules, draws):
    """Shorten both segments to max_num_tokens together, in closed form instead of token by token.

    random_tail: each dropped token is A's or B's last by a fair coin, while that segment has more than one; so A loses
    heads ~ Binomial(excess, 1/2), kept within what both can give. longest_first: the longer one loses (B on a tie), so
    the lengths are fixed, and each loss is at the front by a coin.
    """
    limit = rules.max_num_tokens
    excess = np.maximum(a_length + b_length - limit, 0)
    if rules.truncation == "random_tail":
        heads = _count_heads(excess, draws[Draw.TRUNCATE_A])
        a_cut = np.clip(heads, excess - np.minimum(excess, b_length - 1), np.minimum(excess, a_length - 1))
        b_cut, a_front, b_front = excess - a_cut, 0, 0
    else:
        b_kept = np.where(excess > 0, np.minimum(b_length, np.maximum(limit // 2, limit - a_length)), b_length)
        a_cut, b_cut = (
            a_length - np.where(excess > 0, np.minimum(a_length, limit - b_kept), a_length),
            b_length - b_kept,
        )
        a_front = _count_heads(a_cut, draws[Draw.TRUNCATE_A])
        b_front = _count_heads(b_cut, draws[Draw.TRUNCATE_B])
    return a_start + a_front, a_length - a_cut, b_start + b_front, b_length - b_cut, excess


def _count_heads(tosses: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Heads among `tosses` fair coins: the ones among so many random bits, 64 to a word."""
    heads = np.zeros(len(tosses), np.int64)
    open_rows = np.flatnonzero(tosses)
    left, keys, word = tosses[open_rows], keys[open_rows], 0
    while len(open_rows):
        unused = np.maximum(64 - left, 0).astype(np.uint64)
        heads[open_rows] += np.bitwise_count(random_bits(keys, word) >> unused)
        more = left > 64
        open_rows, left, keys, word = open_rows[more], left[more] - 64, keys[more], word + 1
    return heads


def _in_order(rounds: list[Pairs]) -> Pairs:
    columns = {name: np.concatenate([getattr(pairs, name) for pairs in rounds]) for name in Pairs.__dataclass_fields__}
    order = np.argsort(columns["row_id"])
    return Pairs(**{name: column[order] for name, column in columns.items()})
