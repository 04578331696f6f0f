"""The gold answers of a split: without two different ones there is nothing to learn, to choose by or to score."""

from collections.abc import Collection, Mapping
from typing import Any

from recipe.errors import InputError

# Refused before training: a devel split without entities would choose the first epoch, whatever it is worth.
_NEEDED_FOR = {
    "train": "there is nothing to learn",
    "devel": "it cannot choose an epoch",
    "test": "nothing can be scored",
}
_WITHOUT_ANSWERS = "use texts whose answers differ; text without answers is for `domain-bert predict`"


def require_two_answers(place: object, answers: Mapping[str, Collection[Any]], remedy: str = "") -> None:
    """Refuse a task of which a split has one gold answer only, such as O for every word.

    Args:
        place: where the answers were found, for the message.
        answers: the different gold answers of each split; of entities the tags of words.
        remedy: what to do, where that is not to take other sentences.
    """
    for split, found in answers.items():
        if len(found) < 2:
            only = ", ".join(map(_written, found)) or "no answer"
            lacks = "contains no entity: every word is O" if [*found] == ["O"] else f"has one answer only, {only}"
            raise InputError(f"{place}: {split} {lacks}, so {_NEEDED_FOR[split]}; {remedy or _WITHOUT_ANSWERS}")


def _written(answer: Any) -> str:
    if isinstance(answer, frozenset):
        return " + ".join(sorted(answer)) or "without a label"
    return repr(answer) if isinstance(answer, str) else f"{answer:g}"
