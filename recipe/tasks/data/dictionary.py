"""Entities without a model: the mentions of the training sentences, found again by their words."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recipe.tasks.data.columns import TaggedSentence
from recipe.tasks.data.entities import strict_entities

# A mention by its words, in small letters.
Words = tuple[str, ...]


@dataclass(frozen=True)
class MentionDictionary:
    """The type of each training mention, and the length of the longest in words."""

    types: dict[Words, str]
    longest: int

    def tags(self, words: Sequence[str]) -> list[str]:
        """IOB2 tags of a sentence: from the left, the longest mention that stands there is an entity."""
        key, tags, start = words_of(words), ["O"] * len(words), 0
        while start < len(key):
            # The longest first: a short mention inside of a longer one is not another entity.
            lengths = range(min(self.longest, len(key) - start), 0, -1)
            length = next((length for length in lengths if key[start : start + length] in self.types), 0)
            if length:
                name = self.types[key[start : start + length]]
                tags[start : start + length] = [f"B-{name}"] + [f"I-{name}"] * (length - 1)
            start += length or 1
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
    """The mentions of which at least `least_share` of all occurrences are entities, with their commonest types."""
    counts = mentions_of(sentences)
    by_words: dict[Words, Counter[str]] = {}
    for (words, name), number in counts.items():
        by_words.setdefault(words, Counter())[name] = number
    longest = max(map(len, by_words), default=0)
    occurrences: Counter[Words] = Counter()
    # Counting every run of words is the slow part, and without a least share nothing is left out.
    for sentence in sentences if least_share else ():
        words = words_of(sentence.words)
        for first in range(len(words)):
            ends = range(first + 1, min(first + longest, len(words)) + 1)
            occurrences.update(words[first:end] for end in ends if words[first:end] in by_words)
    reliable = {words: names for words, names in by_words.items() if names.total() >= least_share * occurrences[words]}
    return MentionDictionary({words: names.most_common(1)[0][0] for words, names in reliable.items()}, longest)
