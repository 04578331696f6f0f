"""`evaluate.Metric` classes of tasks, which work offline."""

import datasets
import evaluate

from recipe.tasks.data.entities import MODES, count_entities_of


class EntityF1(evaluate.Metric):
    """Precision, recall and F1 of entities; an entity is right if its type, first word and last word are.

    `compute(predictions, references, mode="strict")` takes one list of tags (O, B-X, I-X) per sentence. The modes read
    the tags differently:
    - "strict": IOB2. An entity is B-X and the I-X behind it; a stray I-X is no entity. The numbers of this project are
      of this mode.
    - "conlleval": seqeval's default. A stray I-X opens an entity, as in CoNLL's conlleval; run_ner.py of transformers
      reports this one.

    Returns "precision", "recall", "f1" (0..1, over all types), "support" (gold entities) and "per_type": the same four
    for each type. Where there is no entity to divide by, the number is 0.0.

    Raises:
        ValueError: if a sentence has unlike numbers of predictions and references (named by its index, from 0), or for
            an unknown mode.
    """

    def __init__(self, **arguments) -> None:
        super().__init__(**{"keep_in_memory": True, **arguments})

    def _info(self) -> evaluate.MetricInfo:
        tags = datasets.Sequence(datasets.Value("string"))
        features = datasets.Features({"predictions": tags, "references": tags})
        return evaluate.MetricInfo(description=self.__doc__ or "", citation="", features=features)

    def _compute(self, predictions: list[list[str]], references: list[list[str]], mode: str = "strict") -> dict:
        _check_lengths(predictions, references)
        _check_tags([*predictions, *references])
        if mode not in MODES:
            raise ValueError(f"mode is {mode!r}; it takes strict (IOB2) or conlleval (seqeval's default)")
        return count_entities_of(references, predictions, mode).scores()


def _check_lengths(predictions: list[list[str]], references: list[list[str]]) -> None:
    for index, (predicted, expected) in enumerate(zip(predictions, references, strict=True)):
        if len(predicted) != len(expected):
            raise ValueError(
                f"sentence {index} has {len(predicted)} predictions but {len(expected)} references; every word needs"
                " one of each"
            )


def _check_tags(sentences: list[list[str]]) -> None:
    unknown = {tag for tags in sentences for tag in tags if tag != "O" and tag[:2] not in ("B-", "I-")}
    if unknown:
        raise ValueError(f"found tags {sorted(unknown)}; a tag is O, B-X or I-X")
