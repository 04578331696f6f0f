"""Rows -> what a fine-tuned model says at their positions, in batches of like length."""

from collections.abc import Iterator, Sequence

import torch
from transformers import PreTrainedModel

from recipe.errors import InputError
from recipe.tasks.collation import padded, unpadded
from recipe.tasks.kinds import Row
from recipe.tasks.token_classifier import BertForTokenClassification

TOKENS_PER_BATCH = 4096


def predict(model: PreTrainedModel, rows: Sequence[Row], pad_token_id: int) -> list[list[int]]:
    """The best label id at each position of each row, in the order of `rows`.

    Raises:
        InputError: if a logit is not finite.
    """
    outputs: list[list[int]] = [[] for _ in rows]
    for index, logits in logits_of(model, rows, pad_token_id):
        # Only the label ids leave the device, never the logits.
        outputs[index] = logits.argmax(-1).tolist()
    return outputs


def logits_of(model: PreTrainedModel, rows: Sequence[Row], pad_token_id: int) -> Iterator[tuple[int, torch.Tensor]]:
    """For each row, in the order of their lengths, its index and its logits of shape (positions, labels), on the model's device.

    Raises:
        InputError: if a logit is not finite.
    """
    model.eval()
    for chosen in batches_by_length([len(row.input_ids) for row in rows]):
        logits = _logits(model, [rows[index] for index in chosen], pad_token_id)
        if not torch.isfinite(logits).all():
            raise InputError("the model's weights or logits are not finite numbers")
        yield from zip(chosen, logits.split([len(rows[index].positions) for index in chosen]), strict=True)


def batches_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of rows, the shortest first, in batches of at most TOKENS_PER_BATCH tokens (or one row)."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[index] > TOKENS_PER_BATCH:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _logits(model: PreTrainedModel, rows: Sequence[Row], pad_token_id: int) -> torch.Tensor:
    """Logits at the rows' positions, row by row, shape (positions, labels); the rows come the shortest first."""
    is_unpadded = isinstance(model, BertForTokenClassification) and model.device.type == "cpu"
    batch = unpadded(rows) if is_unpadded else padded(rows, pad_token_id)
    is_read = batch.pop("labels") >= 0
    with torch.inference_mode():
        logits = model(**{name: tensor.to(model.device) for name, tensor in batch.items()}).logits
    return logits if is_unpadded else logits[is_read.to(model.device)]  # type: ignore[no-any-return]
