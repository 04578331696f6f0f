"""Cross-entropy over the vocabulary in chunks of rows: the logits of all masked tokens never exist at once."""

from typing import Any

import torch
from torch.nn.functional import cross_entropy

# The label of what is not predicted.
IGNORED = -100
# A chunk is large enough for fast matrix products; the columns of the vocabulary are taken in blocks, in which a
# product over few states is twice as fast.
ROWS_PER_CHUNK = 256
COLUMNS_PER_BLOCK = 2048


def vocabulary_loss(
    states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Cross-entropy of `states @ weight.T + bias` against the targets.

    Args:
        states: shape (tokens, hidden). weight: shape (vocabulary, hidden). bias: shape (vocabulary,).
        targets: int64, shape (tokens,).

    Returns:
        The summed loss; at how many tokens the prediction is right; the predictions, None while gradients are wanted.
    """
    # On CPUs the gradients are computed along with the loss, chunk by chunk: a quarter less time than with all logits.
    if states.device.type == "cpu" and states.dtype == weight.dtype and not torch.compiler.is_compiling():
        return _VocabularyLoss.apply(states, weight, bias, targets, torch.is_grad_enabled())  # type: ignore
    logits = torch.nn.functional.linear(states, weight, bias).float()
    predictions = logits.argmax(-1)
    loss = cross_entropy(logits, targets, reduction="sum")
    return loss, (predictions == targets).sum(), None if torch.is_grad_enabled() else predictions


class _VocabularyLoss(torch.autograd.Function):
    """Forward leaves the gradients for backward, which scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        targets: torch.Tensor,
        with_gradients: bool,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        chunks = -(-len(states) // ROWS_PER_CHUNK) or 1
        size = -(-len(states) // chunks)
        loss, correct = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.int64)
        gradients = None
        if with_gradients:
            gradients = torch.empty_like(states), torch.zeros_like(weight), torch.zeros_like(bias)
        predictions = None if with_gradients else torch.empty_like(targets)
        # Two buffers serve all chunks: to allocate them anew would cost as much as the softmax.
        buffers = [states.new_empty(size, len(weight)) for _ in range(2)]
        for start in range(0, len(states), size or 1):
            chunk, wanted = states[start : start + size], targets[start : start + size, None]
            logits, probabilities = (buffer[: len(chunk)] for buffer in buffers)
            for column in range(0, len(weight), COLUMNS_PER_BLOCK):
                block = slice(column, column + COLUMNS_PER_BLOCK)
                torch.addmm(bias[block], chunk, weight[block].t(), out=logits[:, block])
            torch.softmax(logits, 1, out=probabilities)
            at_targets = probabilities.gather(1, wanted)
            loss += _losses(logits, at_targets, wanted).sum(dtype=torch.float64)
            if gradients is not None:
                correct += _number_right(logits, probabilities, at_targets, wanted)
                _add_gradients(gradients, start, chunk, weight, probabilities, wanted)
            elif predictions is not None:
                predictions[start : start + size] = logits.argmax(1)
        if predictions is not None:
            correct = (predictions == targets).sum()
        ctx.save_for_backward(*(gradients or ()))
        ctx.mark_non_differentiable(correct, *([] if predictions is None else [predictions]))
        return loss.to(states.dtype), correct, predictions

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return (*(gradient.mul_(upstream[0]) for gradient in ctx.saved_tensors), None, None)


def _number_right(
    logits: torch.Tensor, probabilities: torch.Tensor, at_targets: torch.Tensor, wanted: torch.Tensor
) -> torch.Tensor:
    """At how many targets the logit is the first of the largest ones."""
    # argmax is slow, so it is taken only of the rows in which the target's probability is the largest one.
    may_be = torch.nonzero((at_targets == probabilities.amax(1, keepdim=True))[:, 0])[:, 0]
    return (logits[may_be].argmax(1) == wanted[may_be, 0]).sum()


def _losses(logits: torch.Tensor, at_targets: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each row, shape (rows, 1)."""
    # The logarithm of the probability, but for the few rows in which that is too small for a float.
    losses = -at_targets.log()
    vanished = torch.nonzero(at_targets[:, 0] < torch.finfo(at_targets.dtype).tiny)[:, 0]
    losses[vanished] = (logits[vanished].logsumexp(1, keepdim=True) - logits[vanished].gather(1, wanted[vanished])).to(
        losses.dtype
    )
    return losses


def _add_gradients(
    gradients: tuple[torch.Tensor, ...],
    start: int,
    chunk: torch.Tensor,
    weight: torch.Tensor,
    probabilities: torch.Tensor,
    wanted: torch.Tensor,
) -> None:
    of_states, of_weight, of_bias = gradients
    of_logits = probabilities.scatter_add_(1, wanted, torch.full_like(wanted, -1, dtype=probabilities.dtype))
    torch.mm(of_logits, weight, out=of_states[start : start + len(chunk)])
    of_weight.addmm_(of_logits.t(), chunk)
    # As a matrix product it takes both cores; a sum down the columns takes one.
    of_bias.add_((of_logits.new_ones(1, len(chunk)) @ of_logits)[0])
