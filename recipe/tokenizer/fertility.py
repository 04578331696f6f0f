"""How a tokenizer cuts words: pieces per word, whole words, [UNK]; of one tokenizer beside others on the same words."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
from tokenizers import Tokenizer

# A run of letters, digits and the marks that belong to them; punctuation is a piece of its own for every BERT
# tokenizer and would flatter all alike.
WORD = re.compile(r"[^\W_]+")
MOST_SENTENCES = 1_000_000
LONGEST_SHOWN = 12


@dataclass(frozen=True)
class Fertility:
    """What a tokenizer makes of some words; shares in 0..1 by occurrence, but for whole_share_of_distinct.

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
    """How often each word stands in the first million sentences, as written."""
    counts: Counter[str] = Counter()
    for sentence in islice(sentences, MOST_SENTENCES):
        counts.update(WORD.findall(sentence))
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
    longest = sorted(np.flatnonzero(counts > 1).tolist(), key=lambda place: (-numbers[place], names[place]))[
        :LONGEST_SHOWN
    ]
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
    candidates = sorted(lowered.items(), key=lambda entry: (-entry[1], entry[0]))[: 100 * number]
    encodings = tokenizer.encode_batch_fast([word for word, _ in candidates], add_special_tokens=False)
    unknown = [tokenizer.token_to_id("[UNK]")]
    return [
        entry
        for entry, encoding in zip(candidates, encodings, strict=True)
        if len(encoding.ids) == 1 and encoding.ids != unknown
    ][:number]
