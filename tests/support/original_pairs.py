"""The pairs of the original BERT script once more: a slow implementation with a generator of its own, to compare
distributions with.

Written from the description in docs (DESIGN, "Pairs: the algorithm") and independent of `recipe.pairs.sampling`:
nothing is imported from there, no draw is shared, segments are built as lists of tokens and cut token by token. One
deliberate change: a random B comes from the OTHER documents, each as likely.
"""

from dataclasses import dataclass
from itertools import chain
from random import Random


@dataclass
class Pair:
    """A and B as lists of tokens; document: where A is from; place: 0 for a document's first pair; sentences: how many
    the chunk held.
    """

    document: int
    place: int
    sentences: int
    a: list[int]
    b: list[int]
    is_random: bool
    cut: int


class OriginalPairs:
    """One corpus, one generator; `one_pass` gives the pairs of a pass over all documents.

    documents: lists of sentences, which are lists of tokens. limit: tokens of A and B together. truncation: as in
    `recipe.pairs.sampling.PairRules`.
    """

    def __init__(
        self, documents: list[list[list[int]]], limit: int, short_seq_prob: float, truncation: str, seed: int
    ) -> None:
        self.documents = documents
        self.limit = limit
        self.short_seq_prob = short_seq_prob
        self.shorten = {"longest_first": self.shorten_longer, "random_tail": self.shorten_tails}[truncation]
        self.random = Random(seed)

    def one_pass(self) -> list[Pair]:
        return [pair for number in range(len(self.documents)) for pair in self.pairs_of(number)]

    def pairs_of(self, number: int) -> list[Pair]:
        target = self.random.randint(2, self.limit) if self.random.random() < self.short_seq_prob else self.limit
        waiting = list(self.documents[number])
        found: list[Pair] = []
        while waiting:
            chunk = self.take_chunk(waiting, target)
            split = self.random.randint(1, max(1, len(chunk) - 1))
            a = list(chain(*chunk[:split]))
            is_random = len(chunk) < 2 or self.random.random() < 0.5
            if is_random:
                b = self.text_of_another(number, target - len(a))
                waiting[:0] = chunk[split:]
            else:
                b = list(chain(*chunk[split:]))
            before = len(a) + len(b)
            self.shorten(a, b)
            found.append(Pair(number, len(found), len(chunk), a, b, is_random, before - len(a) - len(b)))
        return found

    @staticmethod
    def take_chunk(waiting: list[list[int]], target: int) -> list[list[int]]:
        chunk = [waiting.pop(0)]
        while waiting and sum(map(len, chunk)) < target:
            chunk.append(waiting.pop(0))
        return chunk

    def text_of_another(self, number: int, wanted: int) -> list[int]:
        other = number
        while other == number:
            other = self.random.randrange(len(self.documents))
        tail = self.documents[other][self.random.randrange(len(self.documents[other])) :]
        text = list(tail[0])
        for sentence in tail[1:]:
            if len(text) >= wanted:
                break
            text += sentence
        return text

    def shorten_longer(self, a: list[int], b: list[int]) -> None:
        while len(a) + len(b) > self.limit:
            longer = b if len(b) >= len(a) else a
            longer.pop(0 if self.random.random() < 0.5 else -1)

    def shorten_tails(self, a: list[int], b: list[int]) -> None:
        while len(a) + len(b) > self.limit:
            chosen = self.random.choice([a, b])
            if len(chosen) == 1:
                chosen = a if chosen is b else b
            chosen.pop()
