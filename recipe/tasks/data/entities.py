"""Tags of a sentence (O, B-X, I-X) -> entities in two readings, and counts of entities -> precision, recall, F1."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

NO_GOLD = "the gold answers contain none"
NO_PREDICTION = "nothing was predicted"
# First word, last word + 1, type.
Entity = tuple[int, int, str]


def strict_entities(tags: Sequence[str]) -> list[Entity]:
    """Entities by strict IOB2: B-X and the I-X directly after it; a stray I-X is not an entity."""
    return _entities(tags, opens_at_stray=False)


def conlleval_entities(tags: Sequence[str]) -> list[Entity]:
    """Entities as CoNLL's conlleval and seqeval's default read them: a stray I-X opens an entity too."""
    return _entities(tags, opens_at_stray=True)


MODES = {"strict": strict_entities, "conlleval": conlleval_entities}


@dataclass
class EntityCounts:
    """Gold, predicted and right entities by type; counts add up over sentences."""

    gold: Counter[str] = field(default_factory=Counter)
    predicted: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)

    def add(self, gold: Iterable[Entity], predicted: Iterable[Entity]) -> None:
        """Count the entities of one sentence; one is right if its type, first word and last word are."""
        # Sets, so that an entity that is given twice counts once.
        gold, predicted = set(gold), set(predicted)
        for counter, entities in ((self.gold, gold), (self.predicted, predicted), (self.right, gold & predicted)):
            counter.update(name for _, _, name in entities)

    def scores(self) -> dict:
        """`scores_of` all types: "support" is the number of gold entities; "per_type": of each."""
        types = sorted(self.gold.keys() | self.predicted.keys())
        overall = scores_of(self.gold.total(), self.predicted.total(), self.right.total())
        per_type = {name: scores_of(self.gold[name], self.predicted[name], self.right[name]) for name in types}
        return {**overall, "per_type": per_type}


def count_entities_of(
    gold: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]], mode: str = "strict"
) -> EntityCounts:
    """The counts of many sentences, in one of `MODES`."""
    counts, read = EntityCounts(), MODES[mode]
    for expected, found in zip(gold, predicted, strict=True):
        counts.add(read(expected), read(found))
    return counts


def scores_of(gold: int, predicted: int, right: int) -> dict[str, Any]:
    """Precision, recall, F1 and support of counts; a score over nothing is None, with its "reason" in words."""
    # Without gold ones an F1 of 0 would only say that something was predicted.
    scores = {
        "precision": right / predicted if gold and predicted else None,
        "recall": right / gold if gold else None,
        "f1": 2 * right / (gold + predicted) if gold else None,
        "support": gold,
    }
    return scores if gold and predicted else {**scores, "reason": NO_GOLD if not gold else NO_PREDICTION}


def _entities(tags: Sequence[str], opens_at_stray: bool) -> list[Entity]:
    found: list[Entity] = []
    start, name = 0, ""
    # The O at the end closes an entity that the sentence ends with.
    for position, tag in enumerate((*tags, "O")):
        if name and tag != f"I-{name}":
            found.append((start, position, name))
            name = ""
        if not name and (tag[0] == "B" or (tag[0] == "I" and opens_at_stray)):
            start, name = position, tag[2:]
    return found
