"""The task type "relations": a sentence with its two entities as placeholders (@CHEMICAL$, ...) -> their relation.

As in BLURB (Gu et al., arXiv 2007.15779): the head reads [CLS], the score is the micro F1 over the classes that are a
relation. ChemProt, DDI and GAD come as BLURB's scripts write them, a TSV of index, sentence and label, with or without
a heading; GAD also as the Hub's bigbio/gad.
"""

import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recipe.tasks.data.examples import ID, Example, TextTask, class_of, id_of, read_text_task
from recipe.tasks.data.records import TASK_SPLITS, Column, Record
from recipe.tasks.types.encoded_texts import ClassReading, label_scores, majority, text_task_type
from recipe.tasks.types.scores import f1_of_counts, last_columns

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
        return label_scores([[answer] for answer in gold], [[answer] for answer in predicted], self.labels[1:])


def read(folder: Path, positive: Sequence[str], negative: Sequence[str] = (NONE,)) -> TextTask:
    """Read a folder; `positive` classes are a relation, `negative` is what files write where there is none."""
    classes = {name: name for name in positive} | dict.fromkeys(negative, NONE)
    task = read_text_task(folder, COLUMNS, [NONE, *positive], "sentences", partial(_examples, classes=classes))
    task.further["relations"] = lambda example: example.gold != NONE
    # Printed, not refused: a large number means that another column is the sentence.
    task.notes["sentences without a placeholder"] = sum(
        not PLACEHOLDER.search(example.text) for split in TASK_SPLITS for example in getattr(task, split)
    )
    return task


def counts_by_sentence(text: str) -> np.ndarray:
    """A predictions file -> gold, predicted and right relations of each sentence, shape (sentences, 3)."""
    counts = [[gold != NONE, found != NONE, gold == found != NONE] for gold, found in last_columns(text)]
    return np.array(counts, dtype=np.float64).reshape(-1, 3)


def _examples(records: Iterable[Record], classes: dict[str, str]) -> list[Example]:
    numbered = enumerate(records, start=1)
    return [Example(id_of(each, n), each.text("sentence"), "", class_of(each, classes)) for n, each in numbered]


TASK_TYPE = text_task_type(
    title="relation extraction",
    hub_task="text-classification",
    head="class",
    score="f1",
    metric="micro F1 over the relations on test",
    unit="sentences",
    columns=("precision", "recall", "macro_f1"),
    read=read,
    units=counts_by_sentence,
    score_of=f1_of_counts,
    reading=RelationReading,
    must_stay=PLACEHOLDER,
    # The most frequent class is mostly "false", which would have an F1 of 0: not a baseline at all.
    baselines={"majority": lambda task: majority(task, (one.gold for one in task.train if one.gold != NONE))},
)
