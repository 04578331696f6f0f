"""What benchmarks/gpu.py asks of the device itself: which card, its attention kernels alone, how long it is idle."""

import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from training import bert_config

from recipe.model.attention import KERNELS, Rows, by_runs, candidates, kernel_for
from recipe.planning.hardware import gpu_named


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has computed everything; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def half_precision(device: torch.device) -> torch.dtype:
    """What the recipe trains in: bfloat16 on GPUs of 2020 and later, float16 on older ones, float32 on CPUs."""
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16


def card(device: torch.device) -> dict[str, Any]:
    """Name, memory, and the peak of the data sheet in operations per second, None for a card that is not in
    recipe/planning/hardware.py.
    """
    if device.type != "cuda":
        return {"gpu": "no GPU, a rehearsal on the CPU", "memory_gb": None, "data_sheet": None, "cuda": None}
    name = torch.cuda.get_device_name(device)
    known = gpu_named(name)
    return {
        "gpu": name,
        "memory_gb": torch.cuda.get_device_properties(device).total_memory / 1e9,
        "data_sheet": known.flops if known else None,
        "cuda": torch.version.cuda,
    }


def attention_kernels(
    model: tuple[int, int], lengths: list[int], repeats: int, device: torch.device
) -> Iterable[dict[str, Any]]:
    """Milliseconds of each attention kernel that may run here, in one layer on rows of these lengths, without
    dropout; whether it is the one that training takes.
    """
    lengths = sorted(lengths)
    rows = Rows.of_all(
        torch.tensor([0, *lengths]).cumsum(0).int().to(device), [(1, tokens, tokens) for tokens in lengths]
    )
    config, dtype = bert_config(*model, dropout=0.0), half_precision(device)
    shape = (sum(lengths), config.num_attention_heads, config.hidden_size // config.num_attention_heads)
    names = []
    if device.type == "cuda":
        names = candidates(dtype, False, shape[-1], torch.cuda.get_device_capability(device))
    chosen = kernel_for(device, dtype, False, shape[-1])
    for name, kernel in [*((name, KERNELS[name]) for name in names), ("runs of rows", by_runs)]:
        states = [torch.randn(shape, device=device, dtype=dtype, requires_grad=True) for _ in range(3)]
        upstream = torch.randn(shape, device=device, dtype=dtype)

        def forward(kernel=kernel, states=states) -> torch.Tensor:
            return kernel(*states, rows, 0.0)

        def both(kernel=kernel, states=states, upstream=upstream) -> Any:
            return torch.autograd.grad(kernel(*states, rows, 0.0), states, upstream)

        yield {
            "tokens": shape[0],
            "kernel": name,
            "is_chosen": kernel is chosen,
            "forward_ms": 1e3 * seconds_of(forward, repeats, device),
            "both_ms": 1e3 * seconds_of(both, repeats, device),
        }


def seconds_of(call: Callable[[], Any], repeats: int, device: torch.device) -> float:
    """Seconds of one call: the median of three rounds of so many, one after another without a wait."""
    call()
    times = []
    for _ in range(3):
        synchronize(device)
        started = time.perf_counter()
        for _ in range(repeats):
            call()
        synchronize(device)
        times.append((time.perf_counter() - started) / repeats)
    return statistics.median(times)


class Activity:
    """The share of a stretch of time in which the device runs no kernel, by torch's profiler."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._started = device, 0.0
        self._profile: profile | None = None

    def start(self) -> None:
        """Begin the stretch."""
        # Of a GPU only its own events: to write down operators of the host as well would slow the host.
        activity = ProfilerActivity.CUDA if self._device.type == "cuda" else ProfilerActivity.CPU
        try:
            self._profile = profile(activities=[activity])
            self._profile.start()
        except RuntimeError:
            self._profile = None
        synchronize(self._device)
        self._started = time.perf_counter()

    def idle_share(self) -> float | None:
        """End the stretch; None where no kernel was seen, since the driver lets nobody look."""
        if self._profile is None:
            return None
        synchronize(self._device)
        seconds = time.perf_counter() - self._started
        self._profile.stop()
        kind = DeviceType.CUDA if self._device.type == "cuda" else DeviceType.CPU
        spans = [
            (event.time_range.start, event.time_range.end)
            for event in self._profile.events() or []
            if event.device_type == kind and is_kernel(event)
        ]
        # The profiler's times are microseconds.
        return 1 - covered(spans) / 1e6 / seconds if spans else None


def is_kernel(event: Any) -> bool:
    """Whether an event of the profiler is a kernel, not a copy, a fill or a stretch that somebody gave a name."""
    return not getattr(event, "is_user_annotation", False) and not event.name.startswith(("Memcpy", "Memset"))


def covered(spans: list[tuple[float, float]]) -> float:
    """Length of the union of some stretches; kernels of several streams overlap."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
