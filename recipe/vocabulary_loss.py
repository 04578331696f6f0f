"""Cross-entropy over the vocabulary in chunks of rows: neither the logits nor their gradients of all masked tokens are ever held at once."""

from typing import Any

import torch
from torch.nn.functional import cross_entropy

# The logits of a chunk, 128 x 30,522 x 4 bytes, stay in the cache of a CPU from one pass over them to the next.
ROWS_PER_CHUNK = 128


def vocabulary_loss(states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum of the cross-entropy of `states @ weight.T + bias` against the targets, and how many targets have the largest logit.

    On CPUs the gradients are computed along with the loss, chunk by chunk (a quarter less time than with all logits at once); elsewhere as torch does.

    Args:
        states: shape (tokens, hidden). weight: shape (vocabulary, hidden). bias: shape (vocabulary,). targets: int64, shape (tokens,).
    """
    if states.device.type == "cpu" and states.dtype == weight.dtype:
        return _VocabularyLoss.apply(states, weight, bias, targets, torch.is_grad_enabled())  # type: ignore[no-any-return,no-untyped-call]
    logits = torch.nn.functional.linear(states, weight, bias).float()
    return cross_entropy(logits, targets, reduction="sum"), (logits.argmax(-1) == targets).sum()


class _VocabularyLoss(torch.autograd.Function):
    """Forward leaves the gradients for backward, which scales them."""

    @staticmethod
    def forward(
        ctx: Any, states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, targets: torch.Tensor, with_gradients: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        chunks = -(-len(states) // ROWS_PER_CHUNK) or 1
        size = -(-len(states) // chunks)
        loss, number_right = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.int64)
        gradients = (torch.empty_like(states), torch.zeros_like(weight), torch.zeros_like(bias)) if with_gradients else None
        buffer = states.new_empty(size, len(weight))
        for start in range(0, len(states), size or 1):
            chunk, wanted = states[start : start + size], targets[start : start + size, None]
            logits = torch.addmm(bias, chunk, weight.t(), out=buffer[: len(chunk)])
            at_targets = logits.gather(1, wanted)
            largest, best = logits.max(1, keepdim=True)
            number_right += (best == wanted).sum()
            sums = logits.sub_(largest).exp_().sum(1, keepdim=True)
            loss += (sums.log() + largest - at_targets).sum(dtype=torch.float64)
            if gradients is not None:
                _add_gradients(gradients, start, chunk, weight, logits.mul_(1 / sums), wanted)
        ctx.save_for_backward(*(gradients or ()))
        ctx.mark_non_differentiable(number_right)
        return loss.to(states.dtype), number_right

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return (*(gradient.mul_(upstream[0]) for gradient in ctx.saved_tensors), None, None)


def _add_gradients(
    gradients: tuple[torch.Tensor, ...], start: int, chunk: torch.Tensor, weight: torch.Tensor, probabilities: torch.Tensor, wanted: torch.Tensor
) -> None:
    of_states, of_weight, of_bias = gradients
    of_logits = probabilities.scatter_add_(1, wanted, torch.full_like(wanted, -1, dtype=probabilities.dtype))
    torch.mm(of_logits, weight, out=of_states[start : start + len(chunk)])
    of_weight.addmm_(of_logits.t(), chunk)
    # As a matrix product it takes both cores; a sum down the columns takes one.
    of_bias.add_((of_logits.new_ones(1, len(chunk)) @ of_logits)[0])
