"""Rows -> a batch, padded to its longest row or without any padding."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from recipe.model.layout import bounds_of, layout_of
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


def unpadded(rows: Sequence[Row]) -> dict[str, Any]:
    """Rows one after the other, the shortest first, with all that `layout_of` makes.

    input_ids: shape (tokens,). labels: the gold label of each token that is read, shape (reads,) or (reads, labels).
    token_type_ids, of pairs: shape (tokens,).
    """
    # Attention takes neighbours of equal length in one go.
    rows = sorted(rows, key=lambda row: len(row.input_ids))
    lengths = np.array([len(row.input_ids) for row in rows])
    reads = np.array([len(row.positions) for row in rows])
    read = [
        start + position
        for row, start in zip(rows, bounds_of(lengths).tolist(), strict=False)
        for position in row.positions
    ]
    batch = {
        "input_ids": torch.tensor([token for row in rows for token in row.input_ids]),
        "labels": _labels(rows),
        **layout_of(lengths, reads, np.array(read, dtype=np.int64)),
    }
    if rows[0].token_type_ids:
        batch["token_type_ids"] = torch.tensor([segment for row in rows for segment in row.token_type_ids])
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
