"""The task type "relations": a sentence with its two entities as placeholders (@CHEMICAL$, ...) -> their relation.

As in BLURB (Gu et al., arXiv 2007.15779): the head reads [CLS], the score is the micro F1 over the classes that are a
relation. ChemProt, DDI and GAD come as BLURB's scripts write them, a TSV of index, sentence and label, with or without
a heading; GAD also as the Hub's bigbio/gad.
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
from recipe.tasks.types.encoded_texts import ClassReading, EncodedTexts, encode_texts, majority_baseline
from recipe.tasks.types.scores import f1_of_counts, last_columns
from recipe.tasks.types.task_type import TaskType

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
        from recipe.tasks.types.metrics import LabelF1  # imported here: `evaluate` takes seconds

        sides = [[[answer] for answer in side] for side in (predicted, gold)]
        scores = LabelF1().compute(predictions=sides[0], references=sides[1], labels=self.labels[1:])
        return {name: value for name, value in scores.items() if name != "accuracy"}


def read(folder: Path, positive: Sequence[str], negative: Sequence[str] = (NONE,)) -> TextTask:
    """Read a folder with train, dev and test.

    Args:
        positive: the classes that are a relation. negative: what the files write where there is none.

    Raises:
        InputError: for what cannot be read, another label, or a training file without a relation.
    """
    classes = {name: name for name in positive} | dict.fromkeys(negative, NONE)
    task = read_text_task(folder, COLUMNS, [NONE, *positive], "sentences", partial(_examples, classes=classes))
    task.further["relations"] = lambda example: example.gold != NONE
    task.notes["sentences without a placeholder"] = sum(
        not PLACEHOLDER.search(example.text) for split in TASK_SPLITS for example in getattr(task, split)
    )
    if not task.counts()["relations"]["train"]:
        raise InputError(f"{folder}: train has no relation to learn; write one of the labels {', '.join(positive)}")
    return task


def encode(task: TextTask, tokenizer: "PreTrainedTokenizerFast", max_seq_length: int) -> dict[str, EncodedTexts]:
    """The three splits; of a sentence that is too long the tokens nearest to its placeholders stay."""
    return encode_texts(task, tokenizer, max_seq_length, RelationReading(task.labels), PLACEHOLDER)


def counts_by_sentence(text: str) -> np.ndarray:
    """A predictions file -> gold, predicted and right relations of each sentence, shape (sentences, 3)."""
    counts = [[gold != NONE, found != NONE, gold == found != NONE] for gold, found in last_columns(text)]
    return np.array(counts, dtype=np.float64).reshape(-1, 3)


def _examples(records: Iterable[Record], classes: dict[str, str]) -> list[Example]:
    return [
        Example(id_of(record, number), record.text("sentence"), "", class_of(record, classes))
        for number, record in enumerate(records, start=1)
    ]


def _by_majority(task: TextTask) -> tuple[str, dict[str, Any]]:
    """The most frequent relation of training for every sentence."""
    # The most frequent class is mostly "false", which would have an F1 of 0: no baseline at all.
    answers = (example.gold for example in task.train if example.gold != NONE)
    return majority_baseline(task, answers, RelationReading(task.labels))


TASK_TYPE = TaskType(
    title="relation extraction",
    hub_task="text-classification",
    head="class",
    score="f1",
    metric="micro F1 over the relations on test",
    unit="sentences",
    columns=("precision", "recall", "macro_f1"),
    read=read,
    encode=encode,
    units=counts_by_sentence,
    score_of=f1_of_counts,
    baselines={"majority": _by_majority},
)
