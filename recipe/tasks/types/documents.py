"""The kind "documents": a document -> any number of labels. As in BLURB: the sentences of a document are joined, its
labels are those of all its sentences, the head has one output for each label, and the score is the micro F1 over
the labels of all documents.

HoC (the ten hallmarks of cancer) comes as BLURB's scripts write it, a TSV of labels ("0_0,1_1,...": number of the
label, 1 where it holds), sentence and index ("PMID_s3") with a heading, or as the Hub's bigbio/hallmarks_of_cancer
with the labels' names. The reader was written to these formats and tried on made-up files, not on the originals, which
nobody here has.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recipe.errors import InputError
from recipe.tasks.data.examples import Example, TextTask, read_text_task
from recipe.tasks.data.records import TASK_SPLITS, Column, Record
from recipe.tasks.types.encoded_texts import EncodedTexts, encode_texts, majority_control
from recipe.tasks.types.scores import f1_of_counts, last_columns, micro_scores
from recipe.tasks.types.task_type import Kind

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

COLUMNS = (
    Column("labels", ("labels", "label")),
    Column("sentence", ("sentence", "text")),
    # The Hub's "id" counts sentences; its "document_id" is BLURB's index.
    Column("index", ("index", "documentid", "id")),
)
NO_LABEL = ("none", "null", "")
_FLAG = re.compile(r"([0-9]{1,4})_([01])")


@dataclass(frozen=True)
class DocumentReading:
    """See `recipe.tasks.types.encoded_texts.Reading`; answers are sets of labels."""

    labels: list[str]

    def label(self, gold: frozenset[str]) -> list[float]:
        """1.0 for each label that holds."""
        return [float(name in gold) for name in self.labels]

    def answer(self, label: Sequence[float]) -> frozenset[str]:
        """The labels that hold."""
        return frozenset(name for name, flag in zip(self.labels, label, strict=True) if flag)

    def scores(self, gold: Sequence[frozenset[str]], predicted: Sequence[frozenset[str]]) -> dict[str, Any]:
        """Micro scores over the labels; "support" is the number of gold ones."""
        return micro_scores(gold, predicted, self.labels)

    def line(self, example: Example, predicted: frozenset[str]) -> str:
        """id, gold labels and predicted labels, with commas between them, "-" for none."""
        return f"{example.id}\t{self._written(example.gold)}\t{self._written(predicted)}"

    def _written(self, answer: frozenset[str]) -> str:
        return ",".join(name for name in self.labels if name in answer) or "-"


def read(folder: Path, labels: Sequence[str]) -> TextTask:
    """Read a folder with train, dev and test.

    Args:
        labels: their names, in the order of the numbers in BLURB's files.

    Raises:
        InputError: for what cannot be read, an unknown label, or a training file in which no label holds.
    """
    task = read_text_task(folder, COLUMNS, [*labels], "documents", partial(_examples, labels=labels))
    task.further["labels"] = {
        split: sum(len(example.gold) for example in getattr(task, split)) for split in TASK_SPLITS
    }
    if not task.further["labels"]["train"]:
        raise InputError(
            f"{folder}: no label holds in train, so there is nothing to learn; correct its column of labels"
        )
    return task


def encode(task: TextTask, tokenizer: "PreTrainedTokenizerFast", max_seq_length: int) -> dict[str, EncodedTexts]:
    """The three splits; of a document that is too long the beginning stays."""
    return encode_texts(task, tokenizer, max_seq_length, DocumentReading(task.labels))


def counts_by_document(text: str) -> np.ndarray:
    """A predictions file -> gold, predicted and right labels of each document, shape (documents, 3)."""
    sets = [[{*answer.split(",")} - {"-"} for answer in answers] for answers in last_columns(text)]
    return np.array(
        [[len(gold), len(predicted), len(gold & predicted)] for gold, predicted in sets], dtype=np.float64
    ).reshape(-1, 3)


def _examples(records: Iterable[Record], labels: Sequence[str]) -> list[Example]:
    """Documents in the order of their first sentences; a document is what stands before the last _ of an index."""
    sentences: dict[str, list[str]] = {}
    holding: dict[str, set[str]] = {}
    for record in records:
        document = record.text("index").rpartition("_")[0] or record.text("index")
        sentences.setdefault(document, []).append(record.text("sentence"))
        holding.setdefault(document, set()).update(_labels(record, labels))
    return [
        Example(document, " ".join(texts), "", frozenset(holding[document])) for document, texts in sentences.items()
    ]


def _labels(record: Record, labels: Sequence[str]) -> set[str]:
    value = record.values["labels"]
    flags = [_FLAG.fullmatch(part.strip()) for part in value.split(",")] if isinstance(value, str) else [None]
    if all(flags):
        numbers = [int(flag[1]) for flag in flags if flag]
        if numbers != [*range(len(labels))]:
            raise InputError(
                f"{record.place}: {str(value)[:60]!r} numbers {len(numbers)} labels, not 0 to {len(labels) - 1} in"
                " their order; correct it"
            )
        return {labels[int(flag[1])] for flag in flags if flag and flag[2] == "1"}
    names = {str(name).strip().lower() for name in (value if isinstance(value, list) else str(value).split(","))} - {
        *NO_LABEL
    }
    if unknown := sorted(names - {*labels}):
        raise InputError(
            f"{record.place}: the label {unknown[0][:60]!r} is none of {', '.join(labels)}; write names, or 0_1 for"
            " the first label and so on"
        )
    return names


def _by_majority(task: TextTask) -> tuple[str, dict[str, Any]]:
    """The most frequent label of training for every document."""
    return majority_control(
        task,
        (frozenset([name]) for example in task.train for name in sorted(example.gold)),
        DocumentReading(task.labels),
    )


KIND = Kind(
    head="labels",
    score="f1",
    metric="micro F1 over the labels of documents on test",
    unit="documents",
    columns=("precision", "recall", "macro_f1"),
    read=read,
    encode=encode,
    units=counts_by_document,
    score_of=f1_of_counts,
    controls={"majority": _by_majority},
)
