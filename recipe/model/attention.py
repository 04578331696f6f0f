"""Attention over rows that lie one after another without padding: one function, and the kernels that it chooses from.

What each kernel takes was read in pytorch/pytorch@v2.13.0, aten/src/ATen/native/native_functions.yaml.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

import torch
from torch.nn.functional import scaled_dot_product_attention

from recipe.model.dropout import drop


@dataclass(frozen=True)
class Rows:
    """Where the queries and the keys of each row lie.

    query_bounds, key_bounds: int32, shape (rows + 1,), on the device of the states.
    runs: (rows, queries of each, keys of each) for neighbours of equal numbers, on the host.
    """

    query_bounds: torch.Tensor
    key_bounds: torch.Tensor
    runs: list[tuple[int, int, int]]

    @classmethod
    def of_all(cls, bounds: torch.Tensor, runs: list[tuple[int, int, int]]) -> "Rows":
        """Rows in which every token is a query."""
        joined = groupby(runs, key=lambda run: run[2])
        return cls(bounds, bounds, [(sum(run[0] for run in same), keys, keys) for keys, same in joined])

    @functools.cached_property
    def longest(self) -> tuple[int, int]:
        """Most queries and most keys of a row; kernels size their launch by it."""
        return max(run[1] for run in self.runs), max(run[2] for run in self.runs)


Kernel = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, Rows, float], torch.Tensor]


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rows: Rows, dropout: float) -> torch.Tensor:
    """What each query reads from the tokens of its own row, shape (queries, heads, size of a head).

    Args:
        query: shape (queries, heads, size of a head). key, value: the same with tokens.
        dropout: probability with which an attention weight is dropped.
    """
    kernel = kernel_for(query.device, query.dtype, dropout > 0, query.shape[-1])
    return kernel(query, key, value, rows, dropout)


@functools.cache
def kernel_for(device: torch.device, dtype: torch.dtype, has_dropout: bool, head_size: int) -> Kernel:
    """The first kernel of `candidates` that runs on this device and gives what runs of rows give; it is tried once."""
    if device.type != "cuda":
        return by_runs
    capability = torch.cuda.get_device_capability(device)
    for name in candidates(dtype, has_dropout, head_size, capability):
        problem = problem_of(KERNELS[name], device, dtype, has_dropout, head_size)
        if not problem:
            return KERNELS[name]
        print(f"warning: attention kernel {name} is not used here: {problem}", flush=True)
    return by_runs


def candidates(dtype: torch.dtype, has_dropout: bool, head_size: int, capability: tuple[int, int]) -> list[str]:
    """Kernels of CUDA that could serve, the fastest first: keys of `KERNELS`."""
    found = []
    is_half = dtype in (torch.float16, torch.bfloat16)
    if is_half and capability >= (8, 0) and head_size % 8 == 0 and head_size <= 256:
        found.append("flash")
    # With dropout its backward pass drops other weights than its forward pass, which drops the same ones in all rows
    # and heads (pytorch/pytorch#115590: the forward pass takes 0 for the number of keys). Cards before 2020 have no
    # bfloat16.
    if not has_dropout and (dtype != torch.bfloat16 or capability >= (8, 0)):
        found.append("efficient")
    return found


def by_flash(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rows: Rows, dropout: float) -> torch.Tensor:
    """Half precision, with or without dropout."""
    bounds = rows.query_bounds, rows.key_bounds
    found = torch.ops.aten._flash_attention_forward(query, key, value, *bounds, *rows.longest, dropout, False, False)
    return found[0]  # type: ignore[no-any-return]


def by_efficient(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rows: Rows, dropout: float
) -> torch.Tensor:
    """Float32, or half precision on cards before 2020; no dropout."""
    states, bounds = (query[None], key[None], value[None]), (rows.query_bounds, rows.key_bounds)
    found = torch.ops.aten._efficient_attention_forward(
        *states, None, *bounds, *rows.longest, dropout, 0, compute_log_sumexp=query.requires_grad
    )
    return found[0][0]  # type: ignore[no-any-return]


def by_runs(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rows: Rows, dropout: float) -> torch.Tensor:
    """Neighbours of equal lengths in one go, on any device."""
    # Rows of one length need no mask, and only without a mask the fast kernel of the CPU runs. The collator sorts rows
    # by length, so there are few runs.
    of_queries = [(number, queries) for number, queries, _ in rows.runs]
    of_keys = [(number, keys) for number, _, keys in rows.runs]
    triples = zip(_parts(query, of_queries), _parts(key, of_keys), _parts(value, of_keys), strict=True)
    return torch.cat([_attended(*triple, dropout).transpose(1, 2).flatten(0, 1) for triple in triples])


def _parts(states: torch.Tensor, runs: list[tuple[int, int]]) -> list[torch.Tensor]:
    """One piece for each run, of shape (rows, heads, tokens, size of a head)."""
    pieces = states.split([number * size for number, size in runs])
    return [piece.unflatten(0, run).transpose(1, 2) for piece, run in zip(pieces, runs, strict=True)]


def _attended(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, dropout: float) -> torch.Tensor:
    # With dropout torch has no fast kernel on CPUs, and its own path draws its numbers slowly.
    if dropout and query.device.type == "cpu":
        weights = ((query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)).softmax(-1)
        return drop(weights, dropout) @ value
    return scaled_dot_product_attention(query, key, value, None, dropout)


KERNELS: dict[str, Kernel] = {"flash": by_flash, "efficient": by_efficient}


# The first batch may be one of an evaluation, which computes no gradients.
@torch.inference_mode(False)
@torch.enable_grad()
def problem_of(kernel: Kernel, device: torch.device, dtype: torch.dtype, has_dropout: bool, head_size: int) -> str:
    """Why a kernel must not be used: it raises, or differs from runs of rows; "" if it is right.

    Output and gradients of a small random batch are compared with `by_runs` in float32, without dropout. With dropout
    the kernel must keep the mean, and its backward pass must drop what its forward pass dropped.
    """
    generator = torch.Generator().manual_seed(1)
    lengths, reads = [3, 17, 40, 64], [1, 4, 9, 64]
    bounds = [torch.tensor([0, *each]).cumsum(0).int().to(device) for each in (reads, lengths)]
    rows = Rows(bounds[0], bounds[1], [(1, *pair) for pair in zip(reads, lengths, strict=True)])
    shapes = [(sum(number), 2, head_size) for number in (reads, lengths, lengths)]
    states = [torch.randn(shape, generator=generator).to(device, dtype) for shape in shapes]
    upstream = torch.rand(shapes[0], generator=generator).to(device)

    def result(of: Kernel, in_type: torch.dtype, dropout: float = 0.0) -> list[torch.Tensor]:
        query, key, value = inputs = [each.to(in_type).requires_grad_() for each in states]
        output = of(query, key, value, rows, dropout)
        return [
            output.detach().float(),
            *(g.float() for g in torch.autograd.grad(output, inputs, upstream.to(in_type))),
        ]

    tolerance = 1e-4 if dtype == torch.float32 else 0.05
    try:
        for ours, expected in zip(result(kernel, dtype), result(by_runs, torch.float32), strict=True):
            difference = ((ours - expected).abs().max() / expected.abs().max()).item()
            if not difference < tolerance:
                return f"it differs from runs of rows by {difference:.2g} of the largest value"
        if has_dropout:
            states[2] = torch.ones_like(states[2])
            output, *_, of_value = result(kernel, dtype, 0.5)
            # 78 queries of 2 heads: one weight decides where a row has few tokens.
            if not 0.7 < output.mean() < 1.3:
                return f"with dropout its mean is {output.mean():.2g} instead of 1"
            # The output is linear in the values, so these two are equal in each row and head if the same weights were
            # dropped; the values are 1.
            forward, backward = (
                torch.stack([row.sum((0, 2)) for row in each.split(sizes)])
                for each, sizes in ((output * upstream, reads), (of_value, lengths))
            )
            if not ((forward - backward).abs() <= 0.05 * forward.clamp(min=1)).all():
                return "with dropout its backward pass drops other weights than its forward pass"
    except (RuntimeError, ImportError, AttributeError, TypeError, NotImplementedError) as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    return ""
