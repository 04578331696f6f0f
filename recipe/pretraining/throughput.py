"""Training throughput: tokens per second, share of the measured matrix product, and waiting for data."""

import time
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import BertConfig

# What is counted for every step, summed over micro-batches and ranks.
COUNTS = ("masked_tokens", "pairs", "tokens", "squared_lengths")


def counts_of(batch: dict[str, Any]) -> torch.Tensor:
    """`COUNTS` of a micro-batch, int64, shape (4,), on the host."""
    # Shapes and runs are known on the host, wherever the tensors are.
    squared = sum(number * length**2 for number, _, length in batch["runs"])
    return torch.tensor((len(batch["targets"]), len(batch["next_sentence_label"]), len(batch["input_ids"]), squared))


def training_flops(config: BertConfig, masked_tokens: float, tokens: float, squared_lengths: float) -> float:
    """Floating-point operations that the stock model needs for real tokens, forward and backward."""
    # All layers count in full, also the last one, most of which is left out, and the vocabulary at masked tokens only:
    # so leaving work out cannot raise the figure. Backward takes twice the operations of forward.
    width, inner = config.hidden_size, config.intermediate_size
    layer = tokens * (8 * width**2 + 4 * width * inner) + 4 * squared_lengths * width
    head = masked_tokens * (2 * width**2 + 2 * width * config.vocab_size)
    return 3 * (config.num_hidden_layers * layer + head)


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Best rate of a square matrix product of this dtype on this device, operations per second, measured now."""
    # Square, and large enough that its speed is that of the arithmetic, not of the memory.
    size, rounds = (8192, 10) if device.type == "cuda" else (1024, 5)
    one, other = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    times = []
    for _ in range(rounds):
        started = _now(device)
        torch.mm(one, other)
        times.append(_now(device) - started)
    return 2 * size**3 / min(times)


@dataclass
class Throughput:
    """Counts and times between two lines of the log.

    peak: operations per second of all devices together.
    """

    config: BertConfig
    peak: float
    _total: torch.Tensor = field(default_factory=lambda: torch.zeros(len(COUNTS), dtype=torch.int64))
    _waited: float = 0.0
    _started: float = field(default_factory=time.perf_counter)
    _stopped: float = 0.0

    def add(self, counts: torch.Tensor, waited: float) -> None:
        """A step's `COUNTS`, and how long this process waited for its batches, in seconds."""
        self._total = self._total.to(counts.device) + counts
        self._waited += waited

    def stop(self) -> None:
        """What follows is no training, until `resume`."""
        self._stopped = time.perf_counter()

    def resume(self) -> None:
        """Leave the time since `stop` out."""
        self._started += time.perf_counter() - self._stopped
        self.stop()

    def line(self) -> dict[str, float]:
        """The figures since the last line; begins anew."""
        masked, _, tokens, squared = self._total.tolist()
        seconds = max(time.perf_counter() - self._started, 1e-9)
        found = {
            "tokens_per_second": round(tokens / seconds, 1),
            "gemm_utilization": training_flops(self.config, masked, tokens, squared) / seconds / self.peak,
            "data_wait_share": self._waited / seconds,
        }
        self.restart()
        return found

    def restart(self) -> None:
        """Forget what was counted."""
        self._total, self._waited = torch.zeros_like(self._total), 0.0
        self._started = self._stopped = time.perf_counter()


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
