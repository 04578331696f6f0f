"""`evaluate.Metric` classes of tasks, which work offline."""

# To be imported only where scores are made: `evaluate` takes seconds, and bad input must be found before that.

from collections import Counter
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from recipe.tasks.data.entities import MODES, count_entities_of
from recipe.tasks.types.scores import label_scores, micro_scores, pearson, ranks


class TaskMetric(evaluate.Metric):
    """Base: predictions and references of one type, kept in memory so that nothing is written to a cache folder."""

    feature: Any = None

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**{"keep_in_memory": True, **arguments})

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": self.feature, "references": self.feature})
        return evaluate.MetricInfo(description=self.__doc__ or "", citation="", features=features)


class EntityF1(TaskMetric):
    """Precision, recall and F1 of entities; an entity is right if its type, first word and last word are.

    `compute(predictions, references, mode)` takes a list of tags (O, B-X, I-X) per sentence. "strict" is IOB2, where a
    stray I-X is not an entity; "conlleval" is seqeval's default and run_ner.py's, where it opens one; "both" gives the
    strict scores, and "conlleval" with the first four of the other.

    Returns "precision", "recall", "f1" (0..1, over all types), "support" (gold entities) and "per_type": the same four
    for each type. Where there is no entity to divide by, the number is None and "reason" says why.
    """

    feature = datasets.Sequence(datasets.Value("string"))

    def _compute(self, predictions: list[list[str]], references: list[list[str]], mode: str = "strict") -> dict:
        for index, (predicted, expected) in enumerate(zip(predictions, references, strict=True)):
            if len(predicted) != len(expected):
                numbers = f"{len(predicted)} predictions but {len(expected)} references"
                raise ValueError(f"sentence {index} has {numbers}; every word needs one of each")
        tags = {tag for tags in (*predictions, *references) for tag in tags}
        if unknown := {tag for tag in tags if tag != "O" and tag[:2] not in ("B-", "I-")}:
            raise ValueError(f"found tags {sorted(unknown)}; a tag is O, B-X or I-X")
        if mode not in (*MODES, "both"):
            raise ValueError(f"mode is {mode!r}; it takes strict (IOB2), conlleval (seqeval's default) or both")
        scores = count_entities_of(references, predictions, "strict" if mode == "both" else mode).scores()
        if mode == "both":
            # In one call, since the way of a devel split through `evaluate` takes as long as counting its entities.
            lenient = count_entities_of(references, predictions, "conlleval").scores()
            scores["conlleval"] = {name: value for name, value in lenient.items() if name != "per_type"}
        return scores


class WordF1(TaskMetric):
    """Macro F1 of the types of words, as BLURB scores PICO.

    `compute(predictions, references)` takes one list of types per sentence, "" for a word without one. Returns "f1",
    the mean F1 of the types that gold words have, "micro" (precision, recall, f1, support), "per_type" and "support".
    """

    feature = datasets.Sequence(datasets.Value("string"))

    def _compute(self, predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> dict[str, Any]:
        gold, found = ([name for names in sentences for name in names] for sentences in (references, predictions))
        right = Counter(name for name, other in zip(gold, found, strict=True) if name == other)
        # A predicted type that gold words lack makes others worse, but is not a part of the mean: every seed and model
        # is scored by the same types.
        types = sorted({*gold} - {""})
        scores = label_scores(Counter(gold), Counter(found), right, types)
        micro = {name: value for name, value in scores.items() if name not in ("macro_f1", "per_type")}
        return {"f1": scores["macro_f1"], "micro": micro, "per_type": scores["per_type"], "support": scores["support"]}


class LabelF1(TaskMetric):
    """Micro and macro F1 of labels, and accuracy.

    `compute(predictions, references, labels)` takes one list of labels per text; only those in `labels` count for F1.
    Returns what `recipe.tasks.types.scores.micro_scores` returns, and "accuracy": the share of texts whose labels are
    all right.
    """

    feature = datasets.Sequence(datasets.Value("string"))

    def _compute(
        self, predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]], labels: Sequence[str]
    ) -> dict[str, Any]:
        right = sum({*expected} == {*found} for expected, found in zip(references, predictions, strict=True))
        return {
            **micro_scores(references, predictions, labels),
            "accuracy": right / len(references) if references else None,
        }


class PearsonCorrelation(TaskMetric):
    """Pearson's correlation of numbers.

    `compute(predictions, references)` returns "pearson", -1..1, and "support", the number of pairs. Constant numbers
    have no correlation: "pearson" is None and "reason" says why.
    """

    feature, score = datasets.Value("float64"), "pearson"

    def _compute(self, predictions: Sequence[float], references: Sequence[float]) -> dict[str, Any]:
        scores = {self.score: self.correlation(references, predictions), "support": len(references)}
        if scores[self.score] is not None:
            return scores
        side = "gold scores" if len({*references}) < 2 else "predictions"
        return {**scores, "reason": f"all {side} are the same number"}

    def correlation(self, references: Sequence[float], predictions: Sequence[float]) -> float | None:
        """The correlation of two sides; None if one of them is constant."""
        return pearson(references, predictions)


class SpearmanCorrelation(PearsonCorrelation):
    """Spearman's correlation of numbers: Pearson's of their ranks, of which equal numbers share the mean.

    `compute(predictions, references)` returns "spearman" and what `PearsonCorrelation` returns next to its score.
    """

    score = "spearman"

    def correlation(self, references: Sequence[float], predictions: Sequence[float]) -> float | None:
        """The correlation of two sides; None if one of them is constant."""
        return pearson(ranks(references).tolist(), ranks(predictions).tolist())
