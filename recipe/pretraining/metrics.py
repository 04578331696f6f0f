"""`evaluate.Metric` classes for masked tokens and next-sentence pairs, which work offline."""

from collections.abc import Sequence

import datasets
import evaluate
import numpy as np

from recipe.model.cross_entropy import IGNORED


class _LabelMetric(evaluate.Metric):
    """Base of the metrics over one integer label per item."""

    def __init__(self, **arguments) -> None:
        # In memory: by default the library writes every score to a cache folder of the user.
        super().__init__(**{"keep_in_memory": True, **arguments})

    def _info(self) -> evaluate.MetricInfo:
        label = datasets.Value("int64")
        features = datasets.Features({"predictions": label, "references": label})
        return evaluate.MetricInfo(description=self.__doc__ or "", citation="", features=features)


class MaskedLMMetric(_LabelMetric):
    """Accuracy at masked tokens.

    `compute(predictions, references)` takes one token id per token, both of shape (tokens,), and returns {"accuracy":
    0..1}; references of -100 (not masked) do not count.

    Raises:
        ValueError: if no token counts, or if the two are not equally many.
    """

    def _compute(self, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float]:
        predicted, expected = np.asarray(predictions), np.asarray(references)
        # As a batch has them: labels of all tokens, -100 where nothing is predicted.
        masked = expected != IGNORED
        if not masked.any():
            raise ValueError(
                f"found no masked token among {len(expected)}: every reference is {IGNORED}, so there is nothing"
                " to score"
            )
        return {"accuracy": float((predicted == expected)[masked].mean())}


class NextSentenceMetric(_LabelMetric):
    """Accuracy at next-sentence labels (0: B follows A, 1: B is random text).

    `compute(predictions, references)` takes one label per pair, both of shape (pairs,), and returns
    - "accuracy": share of pairs that are right, to be judged against max(share_of_label_1, 1 - share_of_label_1);
    - "balanced_accuracy": mean of the recall of both labels, 0.5 for a constant guess;
    - "share_of_label_1": share of pairs whose reference is 1. Where it is 0 or 1 both accuracies are None: a constant
      guess would have 100 %.

    Raises:
        ValueError: if there is no pair, if a reference is neither 0 nor 1, or if the two are not equally many.
    """

    def _compute(self, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float | None]:
        predicted, expected = np.asarray(predictions), np.asarray(references)
        if not len(expected) or not np.isin(expected, (0, 1)).all():
            raise ValueError(
                f"found next-sentence labels {sorted(set(expected.tolist()))}; at least one pair is needed, and each"
                " label is 0 or 1"
            )
        share, right = float(expected.mean()), predicted == expected
        if share in (0, 1):
            return {"accuracy": None, "balanced_accuracy": None, "share_of_label_1": share}
        recalls = [right[expected == label].mean() for label in (0, 1)]
        return {
            "accuracy": float(right.mean()),
            "balanced_accuracy": float(np.mean(recalls)),
            "share_of_label_1": share,
        }
