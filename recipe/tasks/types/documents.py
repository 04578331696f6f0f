"""The task type "documents": a document -> any number of labels.

As in BLURB: the sentences of a document are joined, its labels are those of all its sentences, the head has one output
for each label, and the score is the micro F1 over the labels of all documents. HoC (the ten hallmarks of cancer) comes
as BLURB's scripts write it, a TSV of labels ("0_0,1_1,...": number of the label, 1 where it applies), sentence and
index ("PMID_s3") with a heading, as LinkBERT writes it, JSON lines with a 0 or 1 for each label in the same order, or
as the Hub's bigbio/hallmarks_of_cancer with the labels' names.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recipe.errors import InputError
from recipe.tasks.data.examples import Example, TextTask, read_text_task
from recipe.tasks.data.records import Column, Record
from recipe.tasks.types.encoded_texts import label_scores, majority, text_task_type
from recipe.tasks.types.scores import f1_of_counts, last_columns

COLUMNS = (
    Column("labels", ("labels", "label")),
    Column("sentence", ("sentence", "text")),
    # The Hub's "id" counts sentences; its "document_id" is BLURB's index.
    Column("index", ("index", "documentid", "id")),
)
# What files write where no label applies.
NO_LABEL = ("none", "null", "")
_FLAG = re.compile(r"([0-9]{1,4})_([01])")
_NUMBER = re.compile(r"\s*(-?[0-9]+)(?:\.0)?\s*")


@dataclass(frozen=True)
class DocumentReading:
    """See `recipe.tasks.types.encoded_texts.Reading`; answers are sets of labels."""

    labels: list[str]

    def label(self, gold: frozenset[str]) -> list[float]:
        """1.0 for each label that applies."""
        return [float(name in gold) for name in self.labels]

    def answer(self, label: Sequence[float]) -> frozenset[str]:
        """The labels that apply."""
        return frozenset(name for name, flag in zip(self.labels, label, strict=True) if flag)

    def scores(self, gold: Sequence[frozenset[str]], predicted: Sequence[frozenset[str]]) -> dict[str, Any]:
        """Micro scores over the labels; "support" is the number of gold ones."""
        return label_scores(gold, predicted, self.labels)

    def line(self, example: Example, predicted: frozenset[str]) -> str:
        """id, gold labels and predicted labels, with commas between them, "-" for none."""
        return f"{example.id}\t{self._written(example.gold)}\t{self._written(predicted)}"

    def _written(self, answer: frozenset[str]) -> str:
        return ",".join(name for name in self.labels if name in answer) or "-"


def read(folder: Path, labels: Sequence[str]) -> TextTask:
    """Read a folder with train, dev and test; `labels` are in the order of the numbers in BLURB's files."""
    task = read_text_task(folder, COLUMNS, [*labels], "documents", partial(_examples, labels=labels))
    task.further["labels"] = lambda example: len(example.gold)
    return task


def counts_by_document(text: str) -> np.ndarray:
    """A predictions file -> gold, predicted and right labels of each document, shape (documents, 3)."""
    sets = [[{*answer.split(",")} - {"-"} for answer in answers] for answers in last_columns(text)]
    counts = [[len(gold), len(predicted), len(gold & predicted)] for gold, predicted in sets]
    return np.array(counts, dtype=np.float64).reshape(-1, 3)


def _examples(records: Iterable[Record], labels: Sequence[str]) -> list[Example]:
    """Documents in the order of their first sentences; a document is what stands before the last _ of an index."""
    # In the order of first sentences, so that predictions follow the file.
    found: dict[str, tuple[list[str], set[str]]] = {}
    for record in records:
        # BLURB's index is PMID_s3; one without a sentence number is a document of its own.
        document = record.text("index").rpartition("_")[0] or record.text("index")
        sentences, applying = found.setdefault(document, ([], set()))
        sentences.append(record.text("sentence"))
        applying.update(_labels(record, labels))
    return [Example(name, " ".join(texts), "", frozenset(applying)) for name, (texts, applying) in found.items()]


def _labels(record: Record, labels: Sequence[str]) -> set[str]:
    value = record.values["labels"]
    flags = [_FLAG.fullmatch(part.strip()) for part in value.split(",")] if isinstance(value, str) else [None]
    # BLURB's files have numbers with flags, the Hub's have names.
    if all(flags):
        numbers = [int(flag[1]) for flag in flags if flag]
        if numbers != [*range(len(labels))]:
            wrong = f"{str(value)[:60]!r} does not number the labels 0 to {len(labels) - 1}"
            raise InputError(f"{record.place}: {wrong}; correct it")
        return {labels[int(flag[1])] for flag in flags if flag and flag[2] == "1"}
    written = value if isinstance(value, list) else str(value).strip("[] ").split(",")
    # LinkBERT's form: a 0 or 1 for each label. Numbers of any other form may mean another order, so they are refused.
    if written and all(_NUMBER.fullmatch(str(part)) for part in written):
        ones = [_NUMBER.fullmatch(str(part))[1] for part in written]  # type: ignore[index]
        if len(ones) != len(labels) or {*ones} - {"0", "1"}:
            order = f"write {len(labels)} numbers 0 or 1, in the order {', '.join(labels)}"
            raise InputError(f"{record.place}: {str(value)[:60]!r} is not a 0 or 1 for each label; {order}")
        return {name for name, one in zip(labels, ones, strict=True) if one == "1"}
    names = {str(name).strip().lower() for name in written} - {*NO_LABEL}
    if unknown := sorted(names - {*labels}):
        wrong = f"the label {unknown[0][:60]!r} is not one of {', '.join(labels)}"
        raise InputError(f"{record.place}: {wrong}; write names or numbers")
    return names


def _single_labels(task: TextTask) -> list[frozenset[str]]:
    return [frozenset([name]) for example in task.train for name in sorted(example.gold)]


TASK_TYPE = text_task_type(
    title="document classification",
    hub_task="text-classification",
    head="labels",
    score="f1",
    metric="micro F1 over the labels of documents on test",
    unit="documents",
    columns=("precision", "recall", "macro_f1"),
    read=read,
    units=counts_by_document,
    score_of=f1_of_counts,
    reading=DocumentReading,
    baselines={"majority": lambda task: majority(task, _single_labels(task))},
)
