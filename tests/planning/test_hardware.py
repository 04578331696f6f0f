"""Hours, prices and micro-batches; and what the formulas give for two runs whose hours are published."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import BertConfig

from recipe.errors import InputError
from recipe.planning.hardware import (
    GPUS,
    USABLE_MEMORY,
    Gpu,
    check_utilisation,
    gpu_named,
    hours,
    largest_micro_batch,
    parse_prices,
)
from recipe.pretraining.throughput import training_flops

H100 = 989e12


def flops_per_token(context: int) -> float:
    """Of ModernBERT-base, and of Ettin-150M, which has the same sizes, for rows of so many tokens."""
    # 22 layers of width 768 with a GLU of inner width 1,152 (three matrices where BERT has two: 1.5 x 1,152) and a
    # vocabulary of 50,368; every third layer, 8 in all, sees the whole row, the other 14 see 128 tokens; 30 % of the
    # tokens are masked.
    # Source: arXiv 2412.13663, table 3; JHU-CLSP/ettin-encoder-vs-decoder@321d8ee, pretraining/README.md.
    config = BertConfig(hidden_size=768, intermediate_size=1728, num_hidden_layers=22, vocab_size=50368)
    mean_context = (8 * context + 14 * 128) / 22
    return training_flops(config, masked_tokens=0.3, tokens=1, squared_lengths=mean_context)


def test_the_hours_of_two_published_runs_at_their_stated_utilisation():
    # The shares 25 % and 24 % come from the hours by another count of the operations, in whole per cent. So this
    # compares two counts and the arithmetic; it predicts nothing. The next test does.
    assert hours(1.7e12 * flops_per_token(1024), H100, 0.25, 8) == pytest.approx(191.1, rel=0.05)
    assert hours(2e12 * flops_per_token(1024), H100, 0.24, 4) == pytest.approx(470, rel=0.05)


def test_the_utilisation_of_one_published_run_predicts_the_hours_of_the_other():
    # From ModernBERT: 1.7 T tokens, rows of 1,024, 191.1 h, 8 H100. For Ettin: 2 T tokens, 4 H100; the last 300 G in
    # rows of up to 8,192, of which the documents packed into them fill a part: so it lies between the two ends.
    share = 1.7e12 * flops_per_token(1024) / (191.1 * 3600 * 8 * H100)
    assert share == pytest.approx(0.25, abs=0.01)
    shortest = hours(2e12 * flops_per_token(1024), H100, share, 4)
    longest = hours(1.7e12 * flops_per_token(1024) + 0.3e12 * flops_per_token(8192), H100, share, 4)
    assert 0.95 * 470 < shortest < 470 < longest < 1.05 * 470


@given(st.floats(1e9, 1e24), st.floats(0.01, 1), st.sampled_from(GPUS), st.integers(1, 64))
def test_work_is_speed_times_time_and_a_gpu_hour_costs_the_same_in_any_number(flops, share, gpu, number):
    found = hours(flops, gpu.flops, share, number)
    assert found * 3600 * number * gpu.flops * share == pytest.approx(flops)
    assert found * number * gpu.dollars == pytest.approx(hours(flops, gpu.flops, share) * gpu.dollars)


@given(st.integers(0, 10**11), st.integers(10**6, 10**9), st.sampled_from((1, 48, 4096, 8191)), st.sampled_from(GPUS))
@example(states=4 * 10**9, row=4 * 10**7, batch=256, gpu=GPUS[-1])
def test_the_largest_micro_batch_divides_the_batch_and_fits_and_a_larger_divisor_does_not(
    states, row, batch, gpu: Gpu
):
    rows = largest_micro_batch(gpu, states, row, batch)
    room = USABLE_MEMORY * gpu.memory
    larger = [other for other in range(rows + 1, batch + 1) if batch % other == 0]
    assert rows == 0 or (batch % rows == 0 and states + rows * row <= room)
    assert not larger or states + larger[0] * row > room


def test_a_price_replaces_that_of_one_gpu():
    assert parse_prices(["h100=2.5", "L4=1", "H100=2"]) == {"H100 80 GB SXM": 2.0, "L4 24 GB": 1.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("B200=5", r"--price B200=5: 'B200' is not a GPU of the table; it takes GPU=DOLLARS with one of A100, H100, "),
        ("H100", r"--price H100: '' is not dollars per GPU and hour; write H100=2.50"),
        ("H100=", "'' is not dollars"),
        ("H100=$3", r"'\$3' is not dollars"),
        ("H100=-3", "'-3' is not dollars"),
        ("H100=nan", "'nan' is not dollars"),
        ("H100=1e3", "'1e3' is not dollars"),
        ("=3", "'' is not a GPU"),
    ],
)
def test_what_is_no_price_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_prices([text])


@pytest.mark.parametrize("share", [0, -0.1, 1.01, 25, float("nan"), float("inf")])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(InputError, match=rf"--utilisation is {share}; it must be above 0, at most 1"):
        check_utilisation(share)


@pytest.mark.parametrize("share", [None, 0.001, 1])
def test_a_share_is_taken(share):
    check_utilisation(share)


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("NVIDIA A100-SXM4-80GB", "A100 80 GB SXM"),
        ("NVIDIA H100 80GB HBM3", "H100 80 GB SXM"),
        ("NVIDIA H200", "H200 141 GB"),
        ("NVIDIA L4", "L4 24 GB"),
        ("Tesla T4", "T4 16 GB"),
        ("NVIDIA L40S", None),
        ("cpu (2 threads)", None),
    ],
)
def test_gpus_are_known_by_the_names_that_cuda_gives_them(device, name):
    gpu = gpu_named(device)
    assert (gpu.name if gpu else None) == name
