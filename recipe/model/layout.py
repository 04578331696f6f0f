"""Rows that lie one after another, without a padding token: every index that the model needs, computed on the host.

A device that had to find them would make the host wait for it.
"""

from itertools import groupby
from typing import Any

import numpy as np
import torch


def layout_of(lengths: np.ndarray, reads: np.ndarray, read_positions: np.ndarray) -> dict[str, Any]:
    """Where rows lie, and which of their tokens a head reads.

    Args:
        lengths, reads: tokens of each row, and how many of them are read, shape (rows,).
        read_positions: where the read tokens stand among all tokens, ascending, shape (reads,).

    Returns:
        position_ids: of each token in its row, int64, shape (tokens,).
        cu_seq_lens, read_cu_seq_lens: where each row begins among all tokens, or among those that are read, and where
        the last one ends, int32, shape (rows + 1,).
        read_positions: as given, int64.
        runs: (rows, reads of each, tokens of each) for neighbours of equal numbers; not a tensor, so that it stays on
        the host.
    """
    bounds, read_bounds = bounds_of(lengths), bounds_of(reads)
    return {
        "position_ids": torch.from_numpy(np.arange(bounds[-1]) - np.repeat(bounds[:-1], lengths)),
        "cu_seq_lens": torch.from_numpy(bounds.astype(np.int32)),
        "read_positions": torch.from_numpy(read_positions.astype(np.int64)),
        "read_cu_seq_lens": torch.from_numpy(read_bounds.astype(np.int32)),
        "runs": runs_of(reads.tolist(), lengths.tolist()),
    }


def bounds_of(lengths: np.ndarray) -> np.ndarray:
    """Where rows of these lengths begin, and where the last one ends, int64, shape (rows + 1,)."""
    return np.concatenate([[0], np.cumsum(lengths)])


def runs_of(reads: list[int], lengths: list[int]) -> list[tuple[int, int, int]]:
    """(rows, reads of each, tokens of each) for neighbours of equal numbers."""
    return [(len(list(same)), *sizes) for sizes, same in groupby(zip(reads, lengths, strict=True))]


def to_device(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The batch with its tensors on a device; from pinned memory without a wait."""
    return {
        name: value.to(device, non_blocking=True) if torch.is_tensor(value) else value for name, value in batch.items()
    }
