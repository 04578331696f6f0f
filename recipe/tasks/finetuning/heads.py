"""What a model ends in: its class, how a batch is made for it, and what its logits say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from recipe.tasks.finetuning.collation import padded, padded_texts, unpadded
from recipe.tasks.finetuning.sequence_classifier import BertForSequenceClassification, sequence_classifier_class
from recipe.tasks.finetuning.token_classifier import BertForTokenClassification, token_classifier_class
from recipe.tasks.types.task_type import Row


@dataclass(frozen=True)
class Head:
    """model_class: the class of a model type. problem_type: what config.json calls it; None for a head on tokens.
    fresh: beginnings of the names of weights that a pretrained checkpoint may lack; the pooler is among them for
    heads on texts, since a checkpoint that never learned pairs has none.
    """

    model_class: Callable[[str], Any]
    problem_type: str | None
    fresh: tuple[str, ...]


_ON_TEXTS = ("classifier.", "pre_classifier.", "bert.pooler.")
HEADS = {
    "tokens": Head(token_classifier_class, None, ("classifier.",)),
    "class": Head(sequence_classifier_class, "single_label_classification", _ON_TEXTS),
    "labels": Head(sequence_classifier_class, "multi_label_classification", _ON_TEXTS),
    "number": Head(sequence_classifier_class, "regression", _ON_TEXTS),
}


def collator_of(
    model: PreTrainedModel, device: torch.device, pad_token_id: int
) -> Callable[[Sequence[Row]], dict[str, torch.Tensor]]:
    """How rows become a batch for a model on a device: without padding where it can, as heads on texts want it, or as
    heads on tokens do.
    """
    if device.type == "cpu" and isinstance(model, (BertForTokenClassification, BertForSequenceClassification)):
        return unpadded
    padding = padded if model.config.problem_type is None else padded_texts
    return lambda rows: padding(rows, pad_token_id)


def labels_of(model: PreTrainedModel, logits: torch.Tensor) -> list[Any]:
    """What logits of shape (positions, labels) say at each position: the best class, a number, or a 0.0 or 1.0 for
    each label.
    """
    if model.config.problem_type == "regression":
        return logits.squeeze(-1).tolist()
    if model.config.problem_type == "multi_label_classification":
        return (logits > 0).float().tolist()
    return logits.argmax(-1).tolist()
