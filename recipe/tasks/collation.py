"""Rows -> a batch, padded to its longest row or without any padding."""

from collections.abc import Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from recipe.tasks.kinds import Row

IGNORED_LABEL = -100


def padded(rows: Sequence[Row], pad_token_id: int) -> dict[str, torch.Tensor]:
    """input_ids, attention_mask and labels of shape (rows, longest); labels -100 where nothing is read."""
    ids = [torch.tensor(row.input_ids) for row in rows]
    labels = [torch.full_like(row, IGNORED_LABEL) for row in ids]
    for row, places in zip(rows, labels, strict=True):
        places[row.positions] = torch.tensor(row.labels, dtype=torch.long)
    return {
        "input_ids": pad_sequence(ids, batch_first=True, padding_value=pad_token_id),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
        "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED_LABEL),
    }


def unpadded(rows: Sequence[Row]) -> dict[str, torch.Tensor]:
    """Rows one behind the other, the shortest first, since neighbours of equal length are attended to in one go.

    input_ids: shape (1, tokens). cu_seq_lens: where each row begins and the last one ends, shape (rows + 1,). reads: the places that are read, in the
    order of the tokens, shape (reads,). labels: the gold label of each, shape (reads,).
    """
    rows = sorted(rows, key=lambda row: len(row.input_ids))
    lengths = torch.tensor([0, *(len(row.input_ids) for row in rows)])
    starts = lengths.cumsum(0)
    return {
        "input_ids": torch.tensor([[token for row in rows for token in row.input_ids]]),
        "cu_seq_lens": starts,
        "reads": torch.tensor([start + place for row, start in zip(rows, starts.tolist(), strict=False) for place in row.positions], dtype=torch.long),
        "labels": torch.tensor([label for row in rows for label in row.labels], dtype=torch.long),
    }
