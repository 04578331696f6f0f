"""GPUs that a plan names: speed and memory of their data sheets, the price of an hour, and how long work takes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from recipe.errors import InputError

# Share of the data sheet's peak that published runs of encoders reach: ModernBERT-base 25 % on 8 H100, Ettin-150M
# 24 % on 4 H100, plain BERT-base 24 % on 8 A100 (mosaicml/examples@daddaef). These models have 110 M parameters and
# more: a small one leaves most of a GPU idle.
PUBLISHED_UTILISATION = 0.25
NUMBERS = (1, 4, 8)
# Below so many tokens a GPU and step, launching kernels takes longer than computing, and no share of the peak that
# others reached can be hoped for. The published runs above have 65,000 and more.
LEAST_TOKENS = 8192
# The rest is for CUDA itself, half-precision copies of the weights, buckets of gradients and fragments.
USABLE_MEMORY = 0.8


@dataclass(frozen=True)
class Gpu:
    """A GPU in a plan.

    flops: dense bf16 (T4: fp16) operations per second. memory: bytes. dollars: on demand, per GPU and hour.
    pattern: finds it in the name that CUDA gives it.
    """

    name: str
    flops: float
    memory: float
    dollars: float
    pattern: str
    has_bf16: bool = True


# Peaks and memory: NVIDIA's data sheets, dense (those of L4 and H100 print the double, with sparsity).
# Prices: on-demand list prices in US dollars, per GPU and hour, without tax, disk and traffic. They move: --price.
#   A100, H100: Lambda, instances of 8, lambda.ai/instances, read 2026-09-20.
#   H200: RunPod secure cloud, runpod.io/pricing, read 2026-10-07.
#   L4: AWS us-east-1, g6.xlarge, read 2026-09-26. T4: an assumption, what AWS has asked for g4dn.xlarge for years.
# Other providers ask a half (marketplaces) to three times (Azure) as much.
PRICES_AS_OF = "list prices of September and October 2026"
GPUS = (
    Gpu("A100 80 GB SXM", 312e12, 80e9, 2.79, r"\bA100\b"),
    Gpu("H100 80 GB SXM", 989e12, 80e9, 3.99, r"\bH100\b"),
    Gpu("H200 141 GB", 989e12, 141e9, 4.59, r"\bH200\b"),
    Gpu("L4 24 GB", 121e12, 24e9, 0.80, r"\bL4\b"),
    Gpu("T4 16 GB", 65e12, 16e9, 0.53, r"\bT4\b", has_bf16=False),
)
_BY_SHORT_NAME = {gpu.name.split()[0]: gpu for gpu in GPUS}


def hours(flops: float, peak: float, utilisation: float, number: int = 1) -> float:
    """Hours of `number` devices for so many operations, if they share the work without loss.

    Args:
        peak: operations per second of one device. utilisation: share of it that training reaches, above 0 to 1.
    """
    return flops / (peak * utilisation * number) / 3600


def parse_prices(texts: Sequence[str]) -> dict[str, float]:
    """`--price GPU=DOLLARS` -> dollars per hour by the name of the GPU in `GPUS`.

    Raises:
        InputError: for an unknown GPU, or what is no price.
    """
    prices = {}
    for text in texts:
        short, equals, dollars = text.partition("=")
        gpu = _BY_SHORT_NAME.get(short.strip().upper())
        if gpu is None:
            raise InputError(
                f"--price {text}: {short!r} is not a GPU of the table; it takes GPU=DOLLARS with one of"
                f" {', '.join(_BY_SHORT_NAME)}, such as H100=2.50"
            )
        if not equals or not re.fullmatch(r"[0-9]+(\.[0-9]+)?|\.[0-9]+", dollars.strip()):
            raise InputError(f"--price {text}: {dollars!r} is not dollars per GPU and hour; write {short}=2.50")
        prices[gpu.name] = float(dollars)
    return prices


def check_utilisation(utilisation: float | None) -> None:
    """Raise InputError unless it is None or a share above 0, at most 1."""
    # A NaN fails every comparison.
    if utilisation is not None and not 0 < utilisation <= 1:
        raise InputError(
            f"--utilisation is {utilisation}; it must be above 0, at most 1: the share of the peak that training"
            f" reaches, such as {PUBLISHED_UTILISATION}"
        )


def gpu_named(device: str) -> Gpu | None:
    """The GPU of the table that a device's name stands for; None for others and for CPUs."""
    return next((gpu for gpu in GPUS if re.search(gpu.pattern, device)), None)


def largest_micro_batch(gpu: Gpu, state_bytes: int, bytes_per_row: int, global_batch_size: int) -> int:
    """Most rows that a GPU takes at once, a divisor of the global batch; 0 if the states alone do not fit."""
    room = int((USABLE_MEMORY * gpu.memory - state_bytes) // bytes_per_row)
    return next((rows for rows in range(min(room, global_batch_size), 0, -1) if global_batch_size % rows == 0), 0)
