"""The task type "similarity": two sentences -> how alike they are, a number.

As in BLURB the head is a regression on [CLS] and the score is Pearson's correlation. BIOSSES comes as BLURB's scripts
write it, a TSV of pair_id, sent1, sent2 and score with a heading, or as the Hub's bigbio/biosses in Parquet.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recipe.errors import InputError
from recipe.tasks.data.examples import ID, Example, TextTask, id_of, read_text_task
from recipe.tasks.data.records import Column, Record
from recipe.tasks.types.encoded_texts import text_task_type
from recipe.tasks.types.scores import last_columns, pearson_of_sums, sums_of_pairs

COLUMNS = (
    ID,
    Column("sentence 1", ("sentence1", "sent1", "text1", "sentencea")),
    Column("sentence 2", ("sentence2", "sent2", "text2", "sentenceb")),
    Column("score", ("score", "label", "similarity")),
)


@dataclass(frozen=True)
class SimilarityReading:
    """See `recipe.tasks.types.encoded_texts.Reading`; answers are numbers."""

    labels: list[str]

    def label(self, gold: float) -> float:
        """The number itself."""
        return gold

    def answer(self, label: float) -> float:
        """The number itself."""
        return label

    def scores(self, gold: Sequence[float], predicted: Sequence[float]) -> dict[str, Any]:
        """See `PearsonCorrelation`."""
        from recipe.tasks.types.metrics import PearsonCorrelation  # imported here: `evaluate` takes seconds

        return PearsonCorrelation().compute(predictions=predicted, references=gold)  # type: ignore[no-any-return]

    def line(self, example: Example, predicted: float) -> str:
        """id, both sentences, gold, prediction."""
        # repr keeps every digit, so that the file gives the same correlation again.
        return f"{example.id}\t{example.text}\t{example.other}\t{example.gold!r}\t{predicted!r}"


def read(folder: Path) -> TextTask:
    """Read a folder with train, dev and test."""
    return read_text_task(folder, COLUMNS, ["similarity"], "pairs", _examples)


def sums_by_pair(text: str) -> np.ndarray:
    """A predictions file -> the numbers of each pair that add up to Pearson's correlation, shape (pairs, 6)."""
    gold, predicted = np.array(last_columns(text), dtype=np.float64).reshape(-1, 2).T
    # The correlation does not change with the means, but sums of squares around them keep more digits.
    return sums_of_pairs(gold - gold.mean(), predicted - predicted.mean())


def shared_words(first: str, second: str) -> float:
    """Words, without their case, that two sentences share, as a share of the words of both."""
    words = [set(sentence.lower().split()) for sentence in (first, second)]
    return len(words[0] & words[1]) / len(words[0] | words[1])


def _examples(records: Iterable[Record]) -> list[Example]:
    return [
        Example(id_of(record, number), record.text("sentence 1"), record.text("sentence 2"), gold_score(record))
        for number, record in enumerate(records, start=1)
    ]


def gold_score(record: Record) -> float:
    """The number in a record's "score"; an `InputError` with its place for what is none."""
    text = record.text("score")
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise InputError(f"{record.place}: the score {text[:60]!r} is not a number; write one, such as 2.4")
    return score


TASK_TYPE = text_task_type(
    title="sentence similarity",
    hub_task="sentence-similarity",
    head="number",
    score="pearson",
    metric="Pearson's correlation on test",
    unit="pairs",
    columns=(),
    read=read,
    units=sums_by_pair,
    score_of=pearson_of_sums,
    reading=SimilarityReading,
    baselines={"shared_words": lambda task: [shared_words(one.text, one.other) for one in task.test]},
)
