"""Rows -> a batch, padded to its longest row or without any padding."""

from collections.abc import Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from recipe.tasks.types.task_type import Row

IGNORED_LABEL = -100


def padded(rows: Sequence[Row], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Inputs of shape (rows, longest) for a head on tokens; labels likewise, -100 where nothing is read."""
    inputs = _padded_inputs(rows, pad_token_id)
    # Pieces that continue a word are not read: a word is scored once.
    labels = torch.full_like(inputs["input_ids"], IGNORED_LABEL)
    for row, row_labels in zip(rows, labels, strict=True):
        row_labels[row.positions] = torch.tensor(row.labels, dtype=torch.long)
    return {**inputs, "labels": labels}


def padded_texts(rows: Sequence[Row], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Inputs of shape (rows, longest) for a head on texts; labels of shape (rows,), or (rows, labels) of many each."""
    return {**_padded_inputs(rows, pad_token_id), "labels": _labels(rows)}


def unpadded(rows: Sequence[Row]) -> dict[str, torch.Tensor]:
    """Rows one after the other, the shortest first.

    input_ids: shape (1, tokens). cu_seq_lens: where each row begins and the last one ends, shape (rows + 1,).
    read_positions: the tokens that are read, in their order, shape (reads,). labels: the gold label of each, shape
    (reads,) or (reads, labels). token_type_ids, of pairs: shape (1, tokens).
    """
    # Attention takes neighbours of equal length in one go.
    rows = sorted(rows, key=lambda row: len(row.input_ids))
    starts = torch.tensor([0, *(len(row.input_ids) for row in rows)]).cumsum(0)
    read = [start + position for row, start in zip(rows, starts.tolist(), strict=False) for position in row.positions]
    batch = {
        "input_ids": torch.tensor([[token for row in rows for token in row.input_ids]]),
        "cu_seq_lens": starts,
        "read_positions": torch.tensor(read, dtype=torch.long),
        "labels": _labels(rows),
    }
    if rows[0].token_type_ids:
        batch["token_type_ids"] = torch.tensor([[segment for row in rows for segment in row.token_type_ids]])
    return batch


def _padded_inputs(rows: Sequence[Row], pad_token_id: int) -> dict[str, torch.Tensor]:
    ids = [torch.tensor(row.input_ids) for row in rows]
    inputs = {
        "input_ids": pad_sequence(ids, batch_first=True, padding_value=pad_token_id),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
    }
    if rows[0].token_type_ids:
        inputs["token_type_ids"] = pad_sequence([torch.tensor(row.token_type_ids) for row in rows], batch_first=True)
    return inputs


def _labels(rows: Sequence[Row]) -> torch.Tensor:
    # No dtype, since the labels say what they are: int64 for classes, float32 for numbers.
    return torch.tensor([label for row in rows for label in row.labels])
