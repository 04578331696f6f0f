"""Which kernel is chosen, what it is handed, and what happens where it fails; no GPU is needed for any of it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recipe.model import attention
from recipe.model.attention import KERNELS, Rows, attend, by_runs, candidates, problem_of
from recipe.model.layout import bounds_of, layout_of, runs_of

HALF, FULL = torch.bfloat16, torch.float32
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("dtype", "has_dropout", "head_size", "capability", "expected"),
    [
        (HALF, False, 64, (9, 0), ["flash", "efficient"]),
        (torch.float16, False, 64, (8, 0), ["flash", "efficient"]),
        (HALF, True, 64, (9, 0), ["flash"]),
        (FULL, False, 64, (9, 0), ["efficient"]),
        (FULL, True, 64, (9, 0), []),
        (torch.float16, False, 64, (7, 5), ["efficient"]),
        (torch.float16, True, 64, (7, 5), []),
        (HALF, False, 64, (7, 5), []),
        (HALF, False, 20, (9, 0), ["efficient"]),
        (HALF, False, 264, (9, 0), ["efficient"]),
    ],
)
def test_the_choice_is_a_table(dtype, has_dropout, head_size, capability, expected):
    assert candidates(dtype, has_dropout, head_size, capability) == expected


def test_the_cpu_takes_runs_of_rows():
    assert attention.kernel_for(CPU, FULL, True, 64) is by_runs


def test_the_kernels_of_this_torch_have_the_schema_that_was_read():
    """A release that changes one of them must be read anew."""
    flash = torch.ops.aten._flash_attention_forward.default._schema
    efficient = torch.ops.aten._efficient_attention_forward.default._schema
    assert [argument.name for argument in flash.arguments][:10] == [
        *("query", "key", "value", "cum_seq_q", "cum_seq_k", "max_q", "max_k", "dropout_p", "is_causal"),
        "return_debug_mask",
    ]
    assert [argument.name for argument in efficient.arguments][:11] == [
        *("query", "key", "value", "bias", "cu_seqlens_q", "cu_seqlens_k", "max_seqlen_q", "max_seqlen_k"),
        *("dropout_p", "custom_mask_type", "compute_log_sumexp"),
    ]


@pytest.mark.parametrize(("name", "dtype"), [("flash", HALF), ("efficient", FULL)])
def test_a_kernel_takes_what_it_is_handed(name, dtype):
    """Traced without numbers: shapes, types and the backward pass of the kernel's own description."""
    shapes = [(9, 2, 64), (31, 2, 64), (31, 2, 64)]
    query, key, value = (torch.empty(shape, dtype=dtype, device="meta", requires_grad=True) for shape in shapes)
    rows = Rows(*(torch.empty(4, dtype=torch.int32, device="meta") for _ in range(2)), [(2, 2, 8), (1, 5, 15)])
    output = KERNELS[name](query, key, value, rows, 0.1 if name == "flash" else 0.0)
    assert (output.shape, output.dtype) == (query.shape, dtype)
    output.sum().backward()
    assert [each.grad.shape for each in (query, key, value)] == [torch.Size(shape) for shape in shapes]


def by_rows(query, key, value, rows, dropout):
    """One attention per row, from the bounds alone."""
    return torch.cat([one_row(weights_of(*row[:2]), row[2]) for row in one_by_one(query, key, value, rows)])


def one_by_one(query, key, value, rows):
    """Query, key and value of each row."""
    parts = (
        states.tensor_split(bounds[1:-1].tolist())
        for states, bounds in ((query, rows.query_bounds), (key, rows.key_bounds), (value, rows.key_bounds))
    )
    return zip(*parts, strict=True)


def weights_of(query, key):
    return torch.einsum("qhd,khd->hqk", query, key).div(query.shape[-1] ** 0.5).softmax(-1)


def one_row(weights, value):
    return torch.einsum("hqk,khd->qhd", weights, value)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 6)), min_size=1, max_size=6))
def test_runs_of_rows_are_attention_row_by_row(sizes):
    reads = [read for read, _ in sizes]
    lengths = [read + more for read, more in sizes]
    bounds = [torch.from_numpy(bounds_of(np.array(each)).astype(np.int32)) for each in (reads, lengths)]
    rows = Rows(*bounds, runs_of(reads, lengths))
    generator = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(number, 2, 8, dtype=torch.float64, generator=generator, requires_grad=True)
        for number in (sum(reads), sum(lengths), sum(lengths))
    )
    outputs = [kernel(query, key, value, rows, 0.0) for kernel in (attend_on_cpu, by_rows)]
    torch.testing.assert_close(*outputs)
    gradients = [torch.autograd.grad(output.square().sum(), (query, key, value)) for output in outputs]
    torch.testing.assert_close(*gradients)
    assert rows.longest == (max(reads), max(lengths))


def attend_on_cpu(query, key, value, rows, dropout):
    return attend(query, key, value, rows, dropout)


def test_rows_in_which_every_token_is_a_query_join_runs_of_one_length():
    rows = Rows.of_all(torch.zeros(1), [(2, 1, 8), (1, 3, 8), (4, 3, 9)])
    assert rows.runs == [(3, 8, 8), (4, 9, 9)]


def too_large(query, key, value, rows, dropout):
    return by_runs(query, key, value, rows, dropout) * 1.1


def without_gradient(query, key, value, rows, dropout):
    return by_runs(query, key, value.detach(), rows, dropout) + 0 * value.sum()


def without_values_scaled(query, key, value, rows, dropout):
    return by_runs(query, key, value, rows, 0.0) * (1 - dropout)


class OtherMask(torch.autograd.Function):
    """Dropout that draws anew in its backward pass, as torch's memory-efficient kernel does on rows of any length."""

    @staticmethod
    def forward(ctx, weights, dropout):
        ctx.dropout = dropout
        return torch.nn.functional.dropout(weights, dropout)

    @staticmethod
    def backward(ctx, gradient):
        return torch.nn.functional.dropout(gradient, ctx.dropout), None


def drops_others_backward(query, key, value, rows, dropout):
    output = []
    for of_query, of_key, of_value in one_by_one(query, key, value, rows):
        weights = weights_of(of_query, of_key)
        forward, backward = OtherMask.apply(weights, dropout), OtherMask.apply(weights, dropout)
        # The values' gradient comes from weights of which others were dropped than in the output.
        attended = one_row(backward, of_value)
        output.append(attended + (one_row(forward, of_value) - attended).detach())
    return torch.cat(output)


def raises(query, key, value, rows, dropout):
    raise RuntimeError("no kernel image is available\nfor execution")


@pytest.mark.parametrize(
    ("kernel", "dtype", "has_dropout", "expected"),
    [
        (by_rows, FULL, False, ""),
        (by_runs, HALF, True, ""),
        (too_large, FULL, False, "it differs from runs of rows by 0.1"),
        (without_gradient, FULL, False, "it differs from runs of rows by"),
        (without_values_scaled, FULL, True, "with dropout its mean is 0.5 instead of 1"),
        (drops_others_backward, FULL, False, ""),
        (drops_others_backward, FULL, True, "with dropout its backward pass drops other weights"),
        (raises, HALF, False, "RuntimeError: no kernel image is available for execution"),
    ],
)
def test_a_kernel_that_is_wrong_here_is_found_at_the_start(kernel, dtype, has_dropout, expected):
    assert problem_of(kernel, CPU, dtype, has_dropout, 16).startswith(expected)
    assert expected or not problem_of(kernel, CPU, dtype, has_dropout, 16)


def test_a_kernel_is_judged_alike_in_an_evaluation():
    """Where no gradients are computed; the first batch of a process may be one of these."""
    with torch.inference_mode():
        assert problem_of(by_rows, CPU, FULL, False, 16) == ""
        assert problem_of(by_runs, CPU, FULL, True, 16) == ""
    with torch.no_grad():
        assert problem_of(by_rows, CPU, FULL, False, 16) == ""


def test_the_next_kernel_serves_where_one_fails_and_the_run_says_so(monkeypatch, capsys):
    monkeypatch.setattr(attention, "KERNELS", {"flash": too_large, "efficient": by_rows})
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    # A device that calls itself a GPU and computes here.
    monkeypatch.setattr(attention, "problem_of", lambda kernel, device, *rest: problem_of(kernel, CPU, *rest))
    attention.kernel_for.cache_clear()
    assert attention.kernel_for(torch.device("cuda", 0), HALF, False, 16) is by_rows
    assert "attention kernel flash is not used here: it differs" in capsys.readouterr().out
    monkeypatch.setattr(attention, "KERNELS", dict.fromkeys(KERNELS, raises))
    attention.kernel_for.cache_clear()
    assert attention.kernel_for(torch.device("cuda", 0), HALF, False, 16) is by_runs
    assert "attention kernel efficient is not used here: RuntimeError" in capsys.readouterr().out
    attention.kernel_for.cache_clear()


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_the_layout_says_where_rows_and_reads_lie(data):
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
    is_read = [data.draw(st.lists(st.booleans(), min_size=size, max_size=size)) for size in lengths]
    flat = [each for row in is_read for each in row]
    found = layout_of(np.array(lengths), np.array([sum(row) for row in is_read]), np.flatnonzero(flat))
    assert found["position_ids"].tolist() == [place for size in lengths for place in range(size)]
    assert found["cu_seq_lens"].diff().tolist() == lengths
    assert found["read_cu_seq_lens"].diff().tolist() == [sum(row) for row in is_read]
    assert found["cu_seq_lens"].dtype == found["read_cu_seq_lens"].dtype == torch.int32
    assert found["read_positions"].tolist() == [place for place, each in enumerate(flat) if each]
    assert [run[1:] for run in found["runs"] for _ in range(run[0])] == [
        (sum(row), size) for row, size in zip(is_read, lengths, strict=True)
    ]
