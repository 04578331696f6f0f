"""Documents of token ids -> next-sentence pairs. A pair is five integers into the token store, so new pairs are cheap.

All draws are hashes of (seed, pass, document, chunk, purpose), so a document's pairs depend on nothing else: not on
processes, shards or order. `tests/support/reference_pairs.py` is the same algorithm, written to be read.

Source: google-research/bert@eedf571, create_pretraining_data.py, `create_instances_from_document`, with two changes: a
random segment never comes from the same document, and `random_tail` is a second rule of truncation.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from recipe.pairs.truncation import truncate_pairs
from recipe.rng import below_of, derive_key, random_bits, uniform_of

# Raise it when the same token store, settings and seed give other rows: then stored pairs are made again.
VERSION = 2
DOCUMENTS_PER_BLOCK = 1 << 14
SENTENCES_PER_BLOCK = 1 << 18
BALANCING_ROUNDS = 12
# A row id is pass, document and chunk in 11 + 32 + 20 bits, so that it stays positive as int64.
CHUNK_BITS = 20
DOCUMENT_BITS = 32
PASS_BITS = 11


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
    """How pairs are made; the fields mean what they mean in `recipe.config.PairsConfig`.

    max_num_tokens: budget of A and B together, special tokens aside (max_seq_length - 3), at least 2.
    """

    max_num_tokens: int
    short_seq_probability: float = 0.1
    short_seq_unit: str = "document"
    nsp_probability: float = 0.5
    truncation: str = "random_tail"

    @classmethod
    def of(cls, settings: object, special_tokens: int) -> "PairRules":
        """The rules of settings with the keys of `recipe.config.PairsConfig`; a row has so many special tokens."""
        given = vars(settings)
        names = ("short_seq_probability", "short_seq_unit", "nsp_probability", "truncation")
        return cls(given["max_seq_length"] - special_tokens, **{name: given[name] for name in names})


@dataclass(frozen=True)
class Pairs:
    """Pairs as int64 arrays of one length: A is tokens[a_start:a_start + a_length], B likewise.

    next_sentence_label: 0 where B follows A, 1 where B is random.
    row_id: unique over the documents, chunks and first 2,048 passes, below 2**63.
    forced_random: True where the chunk was one sentence, so that B had to be random.
    cut: tokens that truncation dropped.
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

    def __getitem__(self, rows: slice) -> "Pairs":
        return Pairs(**{name: getattr(self, name)[rows] for name in Pairs.__dataclass_fields__})


def pair_seed(seed: int) -> int:
    """Where the randomness of the pairs starts, for the seed of a recipe."""
    return derive_key(seed, "pair dataset") >> 1


def make_pairs(
    sentence_offsets: np.ndarray,
    document_offsets: np.ndarray,
    rules: PairRules,
    seed: int,
    pass_index: int,
    first: int,
    last: int,
) -> Iterator[Pairs]:
    """The pairs of the documents first to last - 1 in one pass, in blocks, in the order of the corpus.

    Args:
        sentence_offsets, document_offsets: as in `TokenStore`, of the whole corpus: random segments come from all of
            it.
        pass_index: 0 for the first pass; every pass gives other pairs.

    Raises:
        ValueError: for fewer than two documents, or max_num_tokens below 2.
    """
    if len(document_offsets) < 3:
        found = len(document_offsets) - 1
        raise ValueError(f"found {found} document(s), but a random segment B must come from another one")
    if rules.max_num_tokens < 2:
        raise ValueError(f"max_num_tokens is {rules.max_num_tokens}, but A and B need one token each")
    # A memory map as a plain array: numpy's own class costs more than the work where documents are few.
    sentence_offsets, document_offsets = np.asarray(sentence_offsets), np.asarray(document_offsets)
    key = _pass_key(seed, pass_index)
    while first < last:
        # Few enough documents, and few enough sentences where documents are long; one document at least.
        end = int(np.searchsorted(document_offsets, document_offsets[first] + SENTENCES_PER_BLOCK, "right")) - 1
        documents = np.arange(first, max(first + 1, min(end, first + DOCUMENTS_PER_BLOCK, last)))
        first = int(documents[-1]) + 1
        yield _pairs_of(documents, sentence_offsets, document_offsets, rules, key, pass_index)


def balanced_probability(
    sentence_offsets: np.ndarray, document_offsets: np.ndarray, rules: PairRules, seed: int, passes: int = 1
) -> float:
    """The chance of a random B, where there is a choice, that gives all pairs together rules.nsp_probability.

    It is found on the pairs themselves, of all passes; of a large corpus on documents that are spread evenly.

    Returns:
        0 where the forced pairs alone are more.
    """
    number = len(document_offsets) - 1
    most = max(1, DOCUMENTS_PER_BLOCK // passes)
    documents = np.unique(np.linspace(0, number - 1, min(number, most)).astype(np.int64))
    keys = [_pass_key(seed, pass_index) for pass_index in range(passes)]

    def share(chance: float) -> tuple[float, bool]:
        """The share of random pairs, and whether all of them were forced."""
        tried_rules = replace(rules, nsp_probability=chance)
        tried = [_pairs_of(documents, sentence_offsets, document_offsets, tried_rules, key, 0) for key in keys]
        labels, forced = (
            np.concatenate([getattr(pairs, name) for pairs in tried])
            for name in ("next_sentence_label", "forced_random")
        )
        return float(labels.mean()), bool(forced.all())

    # Halving, and not a formula: another chance changes where chunks begin, and so how many of them are forced.
    wanted, low, high = rules.nsp_probability, 0.0, 1.0
    least, all_forced = share(0.0)
    if all_forced:
        return wanted
    if least >= wanted:
        return 0.0
    found = []
    for _ in range(BALANCING_ROUNDS):
        chance = (low + high) / 2
        reached, _ = share(chance)
        found.append((abs(reached - wanted), chance))
        low, high = (chance, high) if reached < wanted else (low, chance)
    return min(found)[1]


def _pass_key(seed: int, pass_index: int) -> int:
    return derive_key(seed, "pairs", pass_index)


def _pairs_of(
    documents: np.ndarray,
    sentence_offsets: np.ndarray,
    document_offsets: np.ndarray,
    rules: PairRules,
    key: int,
    pass_index: int,
) -> Pairs:
    """All pairs of some documents in one pass."""
    corpus = (sentence_offsets, document_offsets)
    document_keys = random_bits(key, documents)
    target = _target_lengths(_draws(document_keys, 0), rules)
    position, end = document_offsets[documents].astype(np.int64), document_offsets[documents + 1].astype(np.int64)
    # The same number in another pass 2,048 epochs later does no harm: an epoch sees one pass, and masks depend on it.
    first_ids = ((pass_index % (1 << PASS_BITS) << DOCUMENT_BITS) + documents) << CHUNK_BITS
    rounds = []
    chunk = 0
    # One round per chunk: every document that is not at its end gives its next pair. So numpy works on thousands of
    # documents at once, although the chunks of one document follow from one another.
    while len(documents):
        if chunk >= 1 << CHUNK_BITS:
            most = f"{1 << CHUNK_BITS:,} pairs"
            raise ValueError(f"document {documents[0]} gives more than {most}; split it into shorter documents")
        draws = _draws(document_keys, chunk)
        if rules.short_seq_unit == "pair":
            target = _target_lengths(draws, rules)
        pairs, position = _next_pairs(documents, position, end, target, corpus, rules, draws)
        rounds.append(replace(pairs, row_id=first_ids + chunk))
        unfinished = position < end
        documents, document_keys, first_ids, target, position, end = (
            array[unfinished] for array in (documents, document_keys, first_ids, target, position, end)
        )
        chunk += 1
    columns = {name: np.concatenate([getattr(pairs, name) for pairs in rounds]) for name in Pairs.__dataclass_fields__}
    order = np.argsort(columns["row_id"])
    return Pairs(**{name: column[order] for name, column in columns.items()})


def _draws(document_keys: np.ndarray, chunk: int) -> np.ndarray:
    """The bits of all draws for a chunk of each document: uint64, shape (len(Draw), documents)."""
    return random_bits(random_bits(document_keys, chunk), ALL_DRAWS)


def _target_lengths(draws: np.ndarray, rules: PairRules) -> np.ndarray:
    """Tokens that each chunk aims at: max_num_tokens, for some of them a uniform length of 2 to max_num_tokens."""
    # Short pairs, since fine-tuning and use bring short inputs as well (BERT).
    short = uniform_of(draws[Draw.IS_SHORT]) < rules.short_seq_probability
    return np.where(short, 2 + below_of(rules.max_num_tokens - 1, draws[Draw.SHORT_LENGTH]), rules.max_num_tokens)


def _next_pairs(documents, position, end, target, corpus, rules, draws) -> tuple[Pairs, np.ndarray]:
    """The next pair of each document, and the sentence at which its next chunk starts."""
    sentence_offsets, _ = corpus
    a_start = sentence_offsets[position]
    # The chunk: sentences from here until their tokens reach the target or the document ends.
    chunk_end = np.minimum(np.searchsorted(sentence_offsets, a_start + target), end)
    sentences = chunk_end - position
    split = position + 1 + below_of(np.maximum(sentences - 1, 1), draws[Draw.SPLIT])
    # A chunk of one sentence has nothing that could follow A, so its B is random whatever the coin says.
    forced = sentences == 1
    random = forced | (uniform_of(draws[Draw.IS_RANDOM]) < rules.nsp_probability)
    a_length = sentence_offsets[split] - a_start
    other_start, other_end = _random_segments(documents, np.maximum(target - a_length, 1), corpus, draws)
    b_start = sentence_offsets[np.where(random, other_start, np.minimum(split, end - 1))]
    b_length = sentence_offsets[np.where(random, other_end, chunk_end)] - b_start
    coins = draws[Draw.TRUNCATE_A], draws[Draw.TRUNCATE_B]
    a_start, a_length, b_start, b_length, cut = truncate_pairs(
        a_start, a_length, b_start, b_length, rules.max_num_tokens, rules.truncation, *coins
    )
    pairs = Pairs(a_start, a_length, b_start, b_length, random.astype(np.int64), documents, forced, cut)
    # After a random B the sentences behind A were not used: the next chunk starts with them, so none is lost.
    return pairs, np.where(random, split, chunk_end)


def _random_segments(documents, wanted_length, corpus, draws) -> tuple[np.ndarray, np.ndarray]:
    """First and one-past-last sentence of a random segment from another document, for each document.

    wanted_length: tokens that the segment has at least, unless its document ends before.
    """
    sentence_offsets, document_offsets = corpus
    # Documents are equally likely, whatever their length, as in the original.
    other = below_of(len(document_offsets) - 2, draws[Draw.OTHER_DOCUMENT])
    # Step over the document itself instead of redrawing: a redraw may end on the same document and label its text as
    # random.
    other += other >= documents
    first, end = document_offsets[other], document_offsets[other + 1]
    start = first + below_of(end - first, draws[Draw.OTHER_SENTENCE])
    return start, np.minimum(np.searchsorted(sentence_offsets, sentence_offsets[start] + wanted_length), end)
