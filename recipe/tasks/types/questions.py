"""The task type "questions": a question and the text that answers it -> yes, no (or maybe).

As in BLURB the head reads [CLS] of the pair and the score is accuracy. PubMedQA comes in its own form, a JSON object
of PMIDs (train_set.json, dev_set.json and test_set.json of fold 0), or as the Hub's bigbio/pubmed_qa; BioASQ as
BLURB's scripts write it, a TSV of id, question, context and answer without a heading.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recipe.tasks.data.examples import ID, Example, TextTask, class_of, id_of, read_text_task
from recipe.tasks.data.records import Column, Record
from recipe.tasks.types.encoded_texts import ClassReading, label_scores, majority, text_task_type
from recipe.tasks.types.scores import accuracy_of_counts, last_columns

COLUMNS = (
    ID,
    Column("question", ("question", "sentence1")),
    Column("context", ("contexts", "context", "sentence2")),
    Column("label", ("finaldecision", "label", "answer")),
)


class AnswerReading(ClassReading):
    """See `recipe.tasks.types.encoded_texts.ClassReading`."""

    def scores(self, gold: Sequence[str], predicted: Sequence[str]) -> dict[str, Any]:
        """ "accuracy", "macro_f1" and "per_type" of the answers, and "support", the number of questions."""
        scores = label_scores([[answer] for answer in gold], [[answer] for answer in predicted], self.labels)
        return {name: scores[name] for name in ("accuracy", "macro_f1", "per_type")} | {"support": len(gold)}


def read(folder: Path, answers: Sequence[str]) -> TextTask:
    """Read a folder with train, dev and test; `answers` are those that there are."""
    examples_of = partial(_examples, classes={name: name for name in answers})
    return read_text_task(folder, COLUMNS, [*answers], "questions", examples_of)


def counts_by_question(text: str) -> np.ndarray:
    """A predictions file -> whether the answer to each question is right, and 1, shape (questions, 2)."""
    counts = [[gold == predicted, 1] for gold, predicted in last_columns(text)]
    return np.array(counts, dtype=np.float64).reshape(-1, 2)


def _examples(records: Iterable[Record], classes: dict[str, str]) -> list[Example]:
    return [
        Example(id_of(record, number), record.text("question"), record.text("context"), class_of(record, classes))
        for number, record in enumerate(records, start=1)
    ]


TASK_TYPE = text_task_type(
    title="question answering",
    hub_task="text-classification",
    head="class",
    score="accuracy",
    metric="accuracy on test",
    unit="questions",
    columns=("macro_f1",),
    read=read,
    units=counts_by_question,
    score_of=accuracy_of_counts,
    reading=AnswerReading,
    baselines={"majority": lambda task: majority(task, (example.gold for example in task.train))},
)
