"""Each attention kernel of torch on this card, against float64; and which one training takes."""

import pytest
import torch
from emulated_kernels import flash_dropout
from laws import assert_share, trials_to_detect

from recipe.model.attention import KERNELS, Rows, by_runs, candidates, kernel_for, problem_of
from recipe.model.layout import runs_of

pytestmark = pytest.mark.gpu

LENGTHS = [1, 2, 3, 17, 63, 64, 65, 128, 129, 511, 512, 512]
QUERIES = {"all": LENGTHS, "some": [1, 1, 3, 2, 9, 64, 10, 19, 1, 77, 76, 512]}
HALVES = (torch.bfloat16, torch.float16)
SERVED = [*(("flash", dtype) for dtype in HALVES), ("efficient", torch.float32)]
# Greatest difference, as a share of the greatest value; and how far the whole may be off as a factor, for which single
# roundings cancel.
TOLERANCES = {torch.float32: (1e-4, 1e-4), torch.float16: (4e-3, 1e-3), torch.bfloat16: (0.03, 5e-3)}


def kernel_here(name, dtype, has_dropout, head_size, capability):
    if name not in candidates(dtype, has_dropout, head_size, capability):
        pytest.skip(f"{name} does not serve {dtype} on a card of compute capability {capability}")
    return KERNELS[name]


def rows_of(reads: list[int], lengths: list[int], device: torch.device) -> Rows:
    bounds = [torch.tensor([0, *each]).cumsum(0).int().to(device) for each in (reads, lengths)]
    return Rows(*bounds, runs_of(reads, lengths))


def outcome(kernel, states, rows, upstream) -> list[torch.Tensor]:
    """Output and gradients, float64."""
    inputs = [each.detach().requires_grad_() for each in states]
    output = kernel(*inputs, rows, 0.0)
    return [each.detach().double() for each in (output, *torch.autograd.grad(output, inputs, upstream))]


@pytest.mark.parametrize("queries", QUERIES)
@pytest.mark.parametrize("head_size", [32, 64, 128])
@pytest.mark.parametrize(("name", "dtype"), SERVED)
def test_output_and_gradients_are_those_of_float64(device, capability, torch_kernels, name, dtype, head_size, queries):
    kernel = kernel_here(name, dtype, False, head_size, capability)
    reads, lengths = QUERIES[queries], LENGTHS
    generator = torch.Generator().manual_seed(1)
    shapes = [(sum(each), 2, head_size) for each in (reads, lengths, lengths, reads)]
    *states, upstream = (torch.randn(shape, generator=generator).to(device, dtype) for shape in shapes)
    rows = rows_of(reads, lengths, device)
    found = outcome(kernel, states, rows, upstream)
    expected = outcome(by_runs, [each.double() for each in states], rows, upstream.double())
    most, factor = TOLERANCES[dtype]
    for what, ours, truth in zip(("output", "query", "key", "value"), found, expected, strict=True):
        assert torch.isfinite(ours).all(), what
        assert (ours - truth).abs().max() / truth.abs().max() < most, what
        assert float((ours * truth).sum() / truth.square().sum()) == pytest.approx(1, abs=factor), what


@pytest.mark.parametrize(("name", "dtype"), SERVED)
def test_a_row_of_one_token_reads_itself(device, capability, torch_kernels, name, dtype):
    kernel = kernel_here(name, dtype, False, 64, capability)
    states = [torch.randn((5, 2, 64), generator=torch.Generator().manual_seed(n)).to(device, dtype) for n in range(3)]
    output, of_query, of_key, of_value = outcome(kernel, states, rows_of([1] * 5, [1] * 5, device), states[0])
    torch.testing.assert_close(output, states[2].double(), rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(of_value, states[0].double(), rtol=1e-2, atol=1e-3)
    for gradient in (of_query, of_key):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=0.05)


@pytest.mark.parametrize("probability", [0.1, 0.5])
@pytest.mark.parametrize(("name", "dtype"), [("flash", dtype) for dtype in HALVES])
def test_so_many_weights_are_dropped_as_asked_for(device, capability, torch_kernels, name, dtype, probability):
    """Queries of zeros weigh all tokens alike, and an identity matrix as values returns the weights."""
    kernel = kernel_here(name, dtype, True, 64, capability)
    # A twentieth more or less would be seen.
    number = -(-trials_to_detect(probability, 1.05 * probability) // 64**2)
    torch.manual_seed(7)
    states = [torch.zeros((number * 64, 1, 64), device=device, dtype=dtype) for _ in range(2)]
    value = torch.eye(64, device=device, dtype=dtype).repeat(number, 1)[:, None]
    rows = rows_of([64] * number, [64] * number, device)
    weights = kernel(*states, value, rows, probability).flatten()
    kept = weights[weights != 0].double()
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / 64 / (1 - probability)), rtol=0.01, atol=0)
    assert_share(int((weights == 0).sum()), weights.numel(), flash_dropout(probability))


@pytest.mark.parametrize(
    ("name", "dtype", "has_dropout"),
    [*((*served, False) for served in SERVED), *(("flash", dtype, True) for dtype in HALVES)],
)
def test_every_kernel_passes_its_check(device, capability, torch_kernels, name, dtype, has_dropout):
    """Which with dropout compares what the forward and the backward pass drop."""
    kernel = kernel_here(name, dtype, has_dropout, 64, capability)
    assert problem_of(kernel, device, dtype, has_dropout, 64) == ""
    with torch.inference_mode():
        assert problem_of(kernel, device, dtype, has_dropout, 64) == ""


@pytest.mark.parametrize("has_dropout", [False, True])
def test_training_takes_the_fastest_kernel_of_this_card(gpu, capability, has_dropout):
    """The first one of the table passes its check at the start, so runs of rows serve nobody."""
    dtype = torch.bfloat16 if capability >= (8, 0) else torch.float16
    for kind in (dtype, torch.float32):
        found = candidates(kind, has_dropout, 64, capability)
        assert kernel_for(gpu, kind, has_dropout, 64) is (KERNELS[found[0]] if found else by_runs)
