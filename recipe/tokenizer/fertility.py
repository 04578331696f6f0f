"""How a tokenizer cuts words: pieces per word, whole words, [UNK]; tokenizers are compared on the same words."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
from tokenizers import Tokenizer

from recipe.tokenizer.words import words_of

MOST_SENTENCES = 1_000_000
LONGEST_SHOWN = 12


@dataclass(frozen=True)
class Fertility:
    """What a tokenizer makes of some words; shares in 0..1 by occurrence, except whole_share_of_distinct.

    longest: (word, its pieces) of the words with the most pieces among those that occur at least twice.
    """

    words: int
    distinct_words: int
    pieces_per_word: float
    whole_share: float
    whole_share_of_distinct: float
    unknown_share: float
    longest: list[tuple[str, list[str]]]


def word_counts(sentences: Iterable[str]) -> Counter[str]:
    """How often each word stands in the first million sentences, as written.

    Words are those of BERT's tokenizer, without punctuation, which is a piece of its own and would flatter all alike.
    """
    counts: Counter[str] = Counter()
    for sentence in islice(sentences, MOST_SENTENCES):
        counts.update(words_of(sentence))
    return counts


def fertility(tokenizer: Tokenizer, words: Counter[str]) -> Fertility:
    """How the tokenizer cuts these words, each by itself."""
    names, counts = list(words), np.fromiter(words.values(), np.int64, len(words))
    pieces = [encoding.ids for encoding in tokenizer.encode_batch_fast(names, add_special_tokens=False)]
    numbers = np.fromiter(map(len, pieces), np.int64, len(pieces))
    unknown_id = tokenizer.token_to_id("[UNK]")
    unknown = np.fromiter((unknown_id in found for found in pieces), bool, len(pieces))
    is_whole = (numbers == 1) & ~unknown
    total = max(int(counts.sum()), 1)
    # A word that occurs once is often a misspelling, which says little about the vocabulary.
    repeated = np.flatnonzero(counts > 1).tolist()
    longest = sorted(repeated, key=lambda place: (-numbers[place], names[place]))[:LONGEST_SHOWN]
    return Fertility(
        words=int(counts.sum()),
        distinct_words=len(names),
        pieces_per_word=float(numbers @ counts / total),
        whole_share=float(is_whole @ counts / total),
        whole_share_of_distinct=float(is_whole.mean()) if names else 0.0,
        unknown_share=float(unknown @ counts / total),
        longest=[(names[place], tokenizer.encode(names[place], add_special_tokens=False).tokens) for place in longest],
    )


def most_frequent_whole_words(tokenizer: Tokenizer, words: Counter[str], number: int) -> list[tuple[str, int]]:
    """The most frequent words of three letters or more that are one piece each, in lower case."""
    lowered: Counter[str] = Counter()
    for word, count in words.items():
        if len(word) > 2 and word.isalpha():
            lowered[word.lower()] += count
    # The most frequent first and only until there are enough: a fitting vocabulary has nearly all of them.
    candidates = sorted(lowered.items(), key=lambda entry: (-entry[1], entry[0]))[: 100 * number]
    unknown, found = [tokenizer.token_to_id("[UNK]")], []
    for start in range(0, len(candidates), number):
        part = candidates[start : start + number]
        encodings = tokenizer.encode_batch_fast([word for word, _ in part], add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        found += [entry for entry, piece in zip(part, ids, strict=True) if len(piece) == 1 and piece != unknown]
        if len(found) >= number:
            break
    return found[:number]
