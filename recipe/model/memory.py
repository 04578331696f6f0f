"""Sizes that no memory of this machine can hold are refused before anything is built."""

import os
from pathlib import Path

from recipe.config import ModelConfig, Recipe
from recipe.errors import InputError

# Weights, gradients and the two moments of Adam, in float32.
BYTES_PER_PARAMETER = 16
# Below this, no machine that runs this package is asked for its memory, which takes the import of torch.
_SMALL = 2 * 10**9


def parameters_of(model: ModelConfig, vocab_size: int) -> int:
    """The number of parameters of `BertForPreTraining` of these sizes; the decoder shares the embedding table."""
    width, inner = model.hidden_size, model.intermediate_size
    embeddings = (vocab_size + model.max_position_embeddings + 2 + 2) * width
    attention, feed_forward = 4 * (width + 1) * width, (width + 1) * inner + (inner + 1) * width
    layers = model.num_hidden_layers * (attention + feed_forward + 2 * 2 * width)
    pooler_and_next_sentence = (width + 1) * width + 2 * (width + 1)
    masked_head = (width + 1) * width + 2 * width + vocab_size
    return embeddings + layers + pooler_and_next_sentence + masked_head


def activation_bytes(recipe: Recipe) -> int:
    """A lower bound of what one batch of one device keeps for the backward pass."""
    training, model = recipe.training, recipe.model
    rows = min(training.per_device_batch_size, training.global_batch_size)
    # Per token and layer: input, query, key, value, context, and twice what dropout and LayerNorm keep; the
    # feed-forward layer before and after its activation function.
    numbers = model.num_hidden_layers * (10 * model.hidden_size + 2 * model.intermediate_size)
    return rows * recipe.pairs.max_seq_length * numbers * (2 if training.fp16 or training.bf16 is not False else 4)


def require_memory(recipe: Recipe) -> None:
    """Compare what training needs with the memory of the GPU, or of the machine where there is none.

    Raises:
        InputError: if it cannot fit; the message has the numbers.
    """
    parameters = parameters_of(recipe.model, recipe.model.vocab_size or recipe.tokenizer.vocab_size)
    state, batch = parameters * BYTES_PER_PARAMETER, activation_bytes(recipe)
    if state + batch < _SMALL:
        return
    there, what = _memory(recipe.training.use_cpu)
    if state + batch > there:
        rows = min(recipe.training.per_device_batch_size, recipe.training.global_batch_size)
        fitting = int((there - state) / (batch / rows))
        remedy = "model.num_hidden_layers, model.hidden_size or model.vocab_size"
        if fitting > 0:
            fitting = next(number for number in range(fitting, 0, -1) if rows % number == 0)
            remedy = f"training.per_device_batch_size to {fitting:,}, or pairs.max_seq_length"
        raise InputError(
            f"the model has {parameters:,} parameters, which need {_gb(state)} for weights, gradients and Adam, and a"
            f" batch of {rows:,} x {recipe.pairs.max_seq_length:,} tokens needs {_gb(batch)} or more, but {what} has"
            f" {_gb(there)}; lower {remedy}"
        )


def _memory(use_cpu: bool) -> tuple[int, str]:
    """Bytes, and whose they are."""
    if not use_cpu:
        import torch

        if torch.cuda.is_available():
            return torch.cuda.get_device_properties(0).total_memory, f"the GPU ({torch.cuda.get_device_name(0)})"
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # A container may have less than its machine.
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            found = min(found, int(Path(path).read_text()))
        except (OSError, ValueError):  # absent, or "max"
            continue
    return found, "this machine"


def _gb(number: int) -> str:
    return f"{number / 1e9:,.1f} GB"
