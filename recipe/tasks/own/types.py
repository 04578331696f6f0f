"""The task types of a task.yaml, one for each type and metric: those of BLURB with other words and other scores."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recipe.tasks.own.examples import read_own_task
from recipe.tasks.own.task_yaml import TaskYaml
from recipe.tasks.types.documents import TASK_TYPE as DOCUMENTS
from recipe.tasks.types.encoded_texts import text_task_type
from recipe.tasks.types.ner import TASK_TYPE as NER
from recipe.tasks.types.questions import TASK_TYPE as QUESTIONS
from recipe.tasks.types.scores import last_columns, macro_f1_of_counts, pearson_of_sums, ranks, sums_of_pairs
from recipe.tasks.types.similarity import SimilarityReading, shared_words, sums_by_pair


class RankedReading(SimilarityReading):
    """See `recipe.tasks.types.encoded_texts.Reading`; answers are numbers, scored by both correlations."""

    def scores(self, gold: Sequence[float], predicted: Sequence[float]) -> dict[str, Any]:
        """Those of the parent, and "spearman"."""
        from recipe.tasks.types.metrics import SpearmanCorrelation  # imported here: `evaluate` takes seconds

        return {
            **SpearmanCorrelation().compute(predictions=predicted, references=gold),
            **super().scores(gold, predicted),
        }


def counts_by_label(text: str, mark: str | None) -> np.ndarray:
    """A predictions file -> gold, predicted and right of each text and label, shape (texts, 3 x labels).

    Args:
        mark: what stands between the labels of a text, "-" being none of them; None where each has one label.
    """
    answers = [[{*one.split(mark)} - {"-"} if mark else {one} for one in both] for both in last_columns(text)]
    pairs = [(gold, found) for gold, found in answers]
    labels = sorted({name for gold, _ in pairs for name in gold})
    rows = [
        [number for name in labels for number in (name in gold, name in found, name in gold & found)]
        for gold, found in pairs
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 3 * len(labels))


def rank_sums_by_pair(text: str) -> np.ndarray:
    """A predictions file -> what adds up to Pearson's correlation of ranks, which is Spearman's; shape (pairs, 6).

    The ranks are those in the complete file, so in a drawn sample it is a very good approximation: exact ranks of a
    sample do not add up.
    """
    gold, predicted = np.array(last_columns(text), dtype=np.float64).reshape(-1, 2).T
    middle = (len(gold) + 1) / 2
    return sums_of_pairs(ranks(gold) - middle, ranks(predicted) - middle)


def _read(folder: Path, own: TaskYaml) -> Any:
    """The task of a task.yaml; the folder is in it."""
    return read_own_task(own)


_SIMILARITY = text_task_type(
    title="sentence similarity",
    hub_task="sentence-similarity",
    head="number",
    score="pearson",
    metric="Pearson's correlation on test",
    unit="pairs",
    columns=("spearman",),
    read=_read,
    units=sums_by_pair,
    score_of=pearson_of_sums,
    reading=RankedReading,
    baselines={"shared_words": lambda task: [shared_words(one.text, one.other) for one in task.test]},
)
_TEXTS = replace(QUESTIONS, title="text classification", unit="texts", read=_read)
_LABELS = replace(
    DOCUMENTS,
    title="multi-label text classification",
    metric="micro F1 over the labels of texts on test",
    unit="texts",
    columns=(*DOCUMENTS.columns, "accuracy"),
    read=_read,
)
_MACRO: dict[str, Any] = {
    "score": "macro_f1",
    "metric": "macro F1 of the labels on test",
    "score_of": macro_f1_of_counts,
}
_MACRO_OF_ONE = {**_MACRO, "units": partial(counts_by_label, mark=None), "columns": ("accuracy",)}
_PAIRS = replace(_TEXTS, title="classification of pairs", unit="pairs")
OWN_TYPES = {
    "classification-accuracy": _TEXTS,
    "classification-macro_f1": replace(_TEXTS, **_MACRO_OF_ONE),
    "pairs-accuracy": _PAIRS,
    "pairs-macro_f1": replace(_PAIRS, **_MACRO_OF_ONE),
    "multilabel-micro_f1": _LABELS,
    "multilabel-macro_f1": replace(
        _LABELS, **_MACRO, units=partial(counts_by_label, mark=","), columns=("f1", "precision", "recall", "accuracy")
    ),
    "similarity-pearson": _SIMILARITY,
    "similarity-spearman": replace(
        _SIMILARITY,
        score="spearman",
        metric="Spearman's correlation on test",
        columns=("pearson",),
        units=rank_sums_by_pair,
    ),
    "entities-f1": replace(NER, read=_read),
}
