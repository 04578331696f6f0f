"""Rows -> what a fine-tuned model says at their positions, in batches of similar length."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from recipe.errors import InputError
from recipe.model.layout import to_device
from recipe.tasks.finetuning.heads import collator_of, labels_of
from recipe.tasks.types.task_type import Row

# On two CPU cores 512 to 4,096 tokens are equally fast.
TOKENS_PER_BATCH = 4096


def predict(model: PreTrainedModel, rows: Sequence[Row], pad_token_id: int) -> list[list[Any]]:
    """What the model says (`heads.labels_of`) at each position of each row, in the order of `rows`."""
    outputs: list[list[Any]] = [[] for _ in rows]
    for index, logits in logits_of(model, rows, pad_token_id):
        # Only the labels leave the device, never the logits.
        outputs[index] = labels_of(model, logits)
    return outputs


def logits_of(model: PreTrainedModel, rows: Sequence[Row], pad_token_id: int) -> Iterator[tuple[int, torch.Tensor]]:
    """Index and logits of shape (positions, labels) of each row, the shortest first, on the model's device."""
    model.eval()
    # Rows of similar length waste the least padding.
    for chosen in batches_by_length([len(row.input_ids) for row in rows]):
        batch = collator_of(model, pad_token_id)([rows[index] for index in chosen])
        # Only a padded batch of tokens still has positions that nothing reads.
        is_read = batch.pop("labels") >= 0
        is_token_by_token = model.config.problem_type is None and "cu_seq_lens" not in batch
        with torch.inference_mode():
            logits = model(**to_device(batch, model.device)).logits
        if is_token_by_token:
            logits = logits[is_read.to(model.device)]
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
