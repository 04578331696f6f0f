"""The kind "relations": a sentence with its two entities as placeholders (@CHEMICAL$, @GENE$, ...) -> the class of
their relation, or none.

As in BLURB (Gu et al., arXiv 2007.15779): the head reads [CLS], the score is the micro F1 over the classes that are a
relation. ChemProt, DDI and GAD come as BLURB's scripts write them, a TSV of index, sentence and label, with or without
a heading; GAD also as the Hub's bigbio/gad. The readers were written to these formats and tried on made-up files, not
on the originals, which nobody here has.
"""

import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recipe.errors import InputError
from recipe.tasks.data.examples import ID, Example, TextTask, class_of, id_of, read_text_task
from recipe.tasks.data.records import TASK_SPLITS, Column, Record
from recipe.tasks.types.encoded_texts import ClassReading, EncodedTexts, encode_texts, majority_control
from recipe.tasks.types.scores import f1_of_counts, last_columns, micro_scores
from recipe.tasks.types.task_type import Kind

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

COLUMNS = (
    ID,
    Column("sentence", ("sentence", "text")),
    Column("label", ("label", "labels", "relation", "relationtype")),
)
# The class of two entities without a relation, whatever their file calls it.
NONE = "false"
PLACEHOLDER = re.compile(r"@[A-Z][A-Z0-9_-]*\$")


class RelationReading(ClassReading):
    """See `recipe.tasks.types.encoded_texts.ClassReading`."""

    def scores(self, gold: Sequence[str], predicted: Sequence[str]) -> dict[str, Any]:
        """Micro scores over the relations; "support" is the number of gold ones."""
        return micro_scores([{answer} for answer in gold], [{answer} for answer in predicted], self.labels[1:])


def read(folder: Path, positive: Sequence[str], negative: Sequence[str] = (NONE,)) -> TextTask:
    """Read a folder with train, dev and test.

    Args:
        positive: the classes that are a relation. negative: what the files write where there is none.

    Raises:
        InputError: for what cannot be read, another label, or a training file without a relation.
    """
    classes = {name: name for name in positive} | dict.fromkeys(negative, NONE)
    task = read_text_task(folder, COLUMNS, [NONE, *positive], "sentences", partial(_examples, classes=classes))
    task.further["relations"] = {
        split: sum(example.gold != NONE for example in getattr(task, split)) for split in TASK_SPLITS
    }
    task.notes["sentences without a placeholder"] = sum(
        not PLACEHOLDER.search(example.text) for split in TASK_SPLITS for example in getattr(task, split)
    )
    if not task.further["relations"]["train"]:
        raise InputError(
            f"{folder}: train holds no relation, so there is nothing to learn; its labels are {', '.join(positive)}"
        )
    return task


def encode(task: TextTask, tokenizer: "PreTrainedTokenizerFast", max_seq_length: int) -> dict[str, EncodedTexts]:
    """The three splits; of a sentence that is too long the tokens nearest to a placeholder stay, and the placeholders
    always do.
    """
    return encode_texts(task, tokenizer, max_seq_length, RelationReading(task.labels), PLACEHOLDER)


def counts_by_sentence(text: str) -> np.ndarray:
    """A predictions file -> gold, predicted and right relations of each sentence, shape (sentences, 3)."""
    pairs = [(gold, predicted) for gold, predicted in last_columns(text)]
    return np.array(
        [[gold != NONE, predicted != NONE, gold == predicted != NONE] for gold, predicted in pairs], dtype=np.float64
    ).reshape(-1, 3)


def _examples(records: Iterable[Record], classes: dict[str, str]) -> list[Example]:
    return [
        Example(id_of(record, number), record.text("sentence"), "", class_of(record, classes))
        for number, record in enumerate(records, start=1)
    ]


def _by_majority(task: TextTask) -> tuple[str, dict[str, Any]]:
    """The most frequent relation of training for every sentence; "false" for all would have an F1 of 0."""
    return majority_control(
        task, (example.gold for example in task.train if example.gold != NONE), RelationReading(task.labels)
    )


KIND = Kind(
    head="class",
    score="f1",
    metric="micro F1 over the relations on test",
    unit="sentences",
    columns=("precision", "recall", "macro_f1"),
    read=read,
    encode=encode,
    units=counts_by_sentence,
    score_of=f1_of_counts,
    controls={"majority": _by_majority},
)
