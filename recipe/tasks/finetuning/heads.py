"""What a model ends in: its class, how a batch is made for it, and what its logits say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, PreTrainedModel

from recipe.tasks.finetuning.collation import padded, padded_texts, unpadded
from recipe.tasks.finetuning.sequence_classifier import BertForSequenceClassification
from recipe.tasks.finetuning.token_classifier import BertForTokenClassification
from recipe.tasks.types.task_type import Row


@dataclass(frozen=True)
class Head:
    """Our class for BERT, and what transformers has for other model types.

    problem_type: what config.json calls it; None for a head on tokens. fresh: beginnings of the names of weights that
    a checkpoint may lack.
    """

    bert_class: Any
    auto_class: Any
    problem_type: str | None
    fresh: tuple[str, ...]

    def model_class(self, model_type: str) -> Any:
        """The class for a model type of config.json."""
        return self.bert_class if model_type == "bert" else self.auto_class


_TOKENS = (BertForTokenClassification, AutoModelForTokenClassification)
_TEXTS = (BertForSequenceClassification, AutoModelForSequenceClassification)
# The pooler may be missing, since a checkpoint that never learned pairs has none.
_FRESH = ("classifier.", "pre_classifier.", "bert.pooler.")
HEADS = {
    "tokens": Head(*_TOKENS, None, ("classifier.",)),
    "class": Head(*_TEXTS, "single_label_classification", _FRESH),
    "labels": Head(*_TEXTS, "multi_label_classification", _FRESH),
    "number": Head(*_TEXTS, "regression", _FRESH),
}


def collator_of(model: PreTrainedModel, pad_token_id: int) -> Callable[[Sequence[Row]], dict[str, Any]]:
    """How rows become a batch for a model: without padding where it can, else as its head wants it."""
    # Other architectures have no such forward.
    if isinstance(model, (BertForTokenClassification, BertForSequenceClassification)):
        return unpadded
    padding = padded if model.config.problem_type is None else padded_texts
    return lambda rows: padding(rows, pad_token_id)


def labels_of(model: PreTrainedModel, logits: torch.Tensor) -> list[Any]:
    """Logits of shape (positions, labels) -> at each position the best class, a number, or a 0.0 or 1.0 per label."""
    if model.config.problem_type == "regression":
        return logits.squeeze(-1).tolist()
    if model.config.problem_type == "multi_label_classification":
        # A logit above 0 is a probability above one half.
        return (logits > 0).float().tolist()
    return logits.argmax(-1).tolist()
