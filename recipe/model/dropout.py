"""Dropout that costs a third of torch's on CPUs, and its setting for a whole model."""

from typing import Any

import torch

STEPS = 1 << 16


def set_dropout(model: torch.nn.Module, probability: float | None) -> None:
    """Let all dropouts of the model drop `probability` while it trains; None: each as much as before."""
    # On the modules, not in the config: config.json keeps the values that are meant for fine-tuning.
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, torch.nn.Dropout):
                setattr(parent, name, Dropout(child.p if probability is None else probability))


class Dropout(torch.nn.Dropout):
    """`torch.nn.Dropout` by `drop`."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return drop(values, self.p) if self.training else values


def drop(values: torch.Tensor, probability: float) -> torch.Tensor:
    """Set each value to zero with `probability` (on CPUs a multiple of 1/65,536) and scale the others up."""
    if not probability:
        return values
    # On CPUs other than Intel's, torch draws one Bernoulli number after another, 4.6 ns each; four 16-bit draws from
    # one 64-bit number take 1.3 ns.
    if values.device.type != "cpu" or torch.compiler.is_compiling():
        return torch.nn.functional.dropout(values, probability)
    return _Drop.apply(values, round(probability * STEPS))  # type: ignore[no-any-return,no-untyped-call]


class _Drop(torch.autograd.Function):
    """Drops a value where its 16-bit draw lies below `dropped` of 65,536."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, dropped: int) -> torch.Tensor:
        draws = torch.empty(-(-values.numel() // 4), dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
        kept = (draws.view(torch.int16)[: values.numel()] >= dropped - STEPS // 2).view(values.shape)
        ctx.save_for_backward(kept)
        ctx.scale = STEPS / (STEPS - dropped)
        return torch.ops.aten.native_dropout_backward(values, kept, ctx.scale)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return torch.ops.aten.native_dropout_backward(gradients[0], *ctx.saved_tensors, ctx.scale), None
