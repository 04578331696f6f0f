"""Entities without a model: the mentions of the training sentences, found again by their words. What a model must
beat.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from recipe.tasks.data.columns import TaggedSentence
from recipe.tasks.data.entities import strict_entities

# A mention by its words, without their case.
Words = tuple[str, ...]


@dataclass(frozen=True)
class MentionDictionary:
    """The type of each training mention, and the length of the longest in words."""

    types: dict[Words, str]
    longest: int

    def tags(self, words: Sequence[str]) -> list[str]:
        """IOB2 tags of a sentence: from the left, the longest mention that stands there is an entity."""
        key, tags, place = words_of(words), ["O"] * len(words), 0
        while place < len(key):
            length = next(
                (
                    length
                    for length in range(self.longest, 0, -1)
                    if key[place : place + length] in self.types and place + length <= len(key)
                ),
                0,
            )
            if length:
                name = self.types[key[place : place + length]]
                tags[place : place + length] = [f"B-{name}"] + [f"I-{name}"] * (length - 1)
            place += length or 1
        return tags


def words_of(words: Iterable[str]) -> Words:
    """Words without their case."""
    return tuple(word.lower() for word in words)


def mentions_of(sentences: Iterable[TaggedSentence]) -> Counter[tuple[Words, str]]:
    """How often each mention, with its type, is an entity."""
    return Counter(
        (words_of(sentence.words[first:last]), name)
        for sentence in sentences
        for first, last, name in strict_entities(sentence.tags)
    )


def mention_dictionary(sentences: Sequence[TaggedSentence], least_share: float = 0.0) -> MentionDictionary:
    """The dictionary of training sentences; a mention has the type that it has most often.

    Args:
        least_share: share of a mention's occurrences that must be entities; 0 takes every mention, 0.5 leaves out
            words such as "acid" that mostly are none.
    """
    counts = mentions_of(sentences)
    by_words: dict[Words, Counter[str]] = {}
    for (words, name), number in counts.items():
        by_words.setdefault(words, Counter())[name] = number
    longest = max(map(len, by_words), default=0)
    occurrences = (
        Counter(run for sentence in sentences for run in _runs(words_of(sentence.words), longest) if run in by_words)
        if least_share
        else Counter()
    )
    reliable = {words: names for words, names in by_words.items() if names.total() >= least_share * occurrences[words]}
    return MentionDictionary({words: names.most_common(1)[0][0] for words, names in reliable.items()}, longest)


def _runs(words: Words, longest: int) -> Iterator[Words]:
    for first in range(len(words)):
        for last in range(first + 1, min(first + longest, len(words)) + 1):
            yield words[first:last]
