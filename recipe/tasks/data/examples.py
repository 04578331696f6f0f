"""Records of a folder -> `TextTask`: texts, or pairs of texts, each with one gold answer."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipe.errors import InputError
from recipe.tasks.data.records import TASK_SPLITS, Column, Record, find_split, read_records

ID = Column("id", ("index", "id", "pairid", "documentid", "questionid", "pmid"), is_needed=False)


@dataclass(frozen=True)
class Example:
    """A text, the other text of a pair (or ""), and the gold answer: a class, a number, or a set of labels."""

    id: str
    text: str
    other: str
    gold: Any


@dataclass
class TextTask:
    """Examples in three splits.

    unit: what an example is, such as "sentences". labels: what the head tells apart. further: what else is counted, as
    a number for each example. notes: what readers see of oddities, such as {"fields in quotes": 3}.
    """

    name: str
    labels: list[str]
    unit: str
    train: list[Example]
    devel: list[Example]
    test: list[Example]
    further: dict[str, Callable[[Example], int]] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, dict[str, int]]:
        """Examples, and what else is counted, by split."""
        counted = {self.unit: lambda example: 1, **self.further}
        return {
            what: {split: sum(map(number, getattr(self, split))) for split in TASK_SPLITS}
            for what, number in counted.items()
        }

    def answers(self) -> dict[str, set[Any]]:
        """The different gold answers of each split."""
        return {split: {example.gold for example in getattr(self, split)} for split in TASK_SPLITS}

    def summary(self) -> str:
        """Sizes of the splits, and oddities, in one line."""
        sizes = ", ".join(f"{' / '.join(map(str, found.values()))} {what}" for what, found in self.counts().items())
        notes = "".join(f", {number:,} {what}" for what, number in self.notes.items() if number)
        return f"{self.name}: {sizes} (train / devel / test){notes}"


def read_text_task(
    folder: Path,
    columns: Sequence[Column],
    labels: list[str],
    unit: str,
    examples_of: Callable[[Iterable[Record]], list[Example]],
) -> TextTask:
    """Read a folder with one file for each of train, dev and test; `examples_of` makes examples of records."""
    if not folder.is_dir():
        raise InputError(f"{folder}: is not a folder; name a folder with one file for each of train, dev and test")
    splits: dict[str, Any] = {}
    notes: Counter[str] = Counter({"fields in quotes": 0})
    for split in TASK_SPLITS:
        path = find_split(folder, split)
        records, quoted = read_records(path, columns)
        if not records:
            names = ", ".join(column.name for column in columns)
            raise InputError(f"{path}: contains no record; write one per line, as {names} with tabs between them")
        splits[split] = examples_of(records)
        notes["fields in quotes"] += quoted
    return TextTask(folder.resolve().name, labels, unit, **splits, notes=notes)


def id_of(record: Record, number: int) -> str:
    """The record's own id, or its number."""
    # Without ids the number tells the lines of a predictions file apart.
    return record.text("id") if record.values.get("id") not in (None, "") else str(number)


def class_of(record: Record, classes: dict[str, str]) -> str:
    """The class that a label stands for, by `classes`: what files write -> the class."""
    # By a table: files write "1", "false" or "CPR:false" for one class.
    label = record.text("label")
    if label not in classes:
        known = ", ".join(classes)
        raise InputError(f"{record.place}: the label {label[:60]!r} is not one of {known}; correct it")
    return classes[label]
