"""In which numbers a run computes: as the recipe says, or the faster of float32 and bfloat16 on this device."""

import os
import shutil
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from transformers import TrainingArguments

from recipe.config import ModelConfig, Recipe
from recipe.errors import InputError
from recipe.model.bert import BertForPreTraining, bert_config
from recipe.model.cross_entropy import IGNORED
from recipe.model.dropout import set_dropout
from recipe.pretraining.checkpoints import recorded_precision
from recipe.pretraining.masking import flat_batch
from recipe.processes import exchange, is_first_process

FLOAT32, BFLOAT16, FLOAT16 = "float32", "bfloat16", "float16"
# Less is within the noise of the measurement, and float32 is the safer choice.
_WORTH_IT = 1.3
_TOKENS, _ROUNDS = 1024, 3
_MEASURABLE = 0.02


def precision_of(recipe: Recipe, checkpoints: Path) -> str:
    """The precision that a run computes in; with training.bf16 null it is measured, unless a checkpoint says it.

    Args:
        checkpoints: folder of the run's checkpoints, if it has some.

    Raises:
        InputError: if the device cannot do what the recipe asks for.
    """
    training = recipe.training
    _refuse_what_is_missing(recipe)
    if training.fp16:
        return FLOAT16
    if training.bf16 is not None:
        return BFLOAT16 if training.bf16 else FLOAT32
    if _has_gpu(recipe):
        return BFLOAT16 if torch.cuda.get_device_capability() >= (8, 0) else FLOAT32
    # A run that goes on stays what it was, also on another machine.
    return recorded_precision(checkpoints) or _measured(recipe)


def precision_name(arguments: TrainingArguments) -> str:
    """The precision of a trainer's arguments."""
    return BFLOAT16 if arguments.bf16 else FLOAT16 if arguments.fp16 else FLOAT32


def _measured(recipe: Recipe) -> str:
    """The faster one on rank 0, for all ranks."""
    found = FLOAT32
    if is_first_process() and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        gain = bfloat16_gain(recipe.model, recipe.tokenizer.vocab_size)
        found = BFLOAT16 if gain > _WORTH_IT else FLOAT32
        print(
            f"pretrain: training.bf16 is null: on this CPU bfloat16 is {gain:.2f} x as fast as float32, so {found} is"
            " used",
            flush=True,
        )
    return exchange(found, recipe.training.ddp_timeout)[0]


def bfloat16_gain(model: ModelConfig, vocab_size: int) -> float:
    """Time in float32 / time in bfloat16 of a forward and backward pass of two layers and the head; 1 if too short."""
    few = replace(model, num_hidden_layers=min(model.num_hidden_layers, 2), vocab_size=vocab_size)
    bert = BertForPreTraining(bert_config(few, vocab_size, 0))
    set_dropout(bert, 0.0)
    length = min(128, model.max_position_embeddings)
    lengths = np.full(_TOKENS // length, length)
    ids = np.arange(lengths.sum()) % vocab_size
    # As many as are masked.
    labels = np.where(np.arange(len(ids)) % 20 < 3, ids, IGNORED)
    batch = flat_batch(ids, np.zeros_like(ids), labels, lengths, np.zeros(len(lengths), np.int64))
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for is_half in (False, True) * _ROUNDS:
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
            loss = bert(**batch).loss
        loss.backward()
        seconds[is_half].append(time.perf_counter() - started)
    # What takes no time cannot be measured on a machine that does other things, too.
    return min(seconds[False]) / min(seconds[True]) if min(seconds[False]) > _MEASURABLE else 1.0


def _has_gpu(recipe: Recipe) -> bool:
    return torch.cuda.is_available() and not recipe.training.use_cpu


def _refuse_what_is_missing(recipe: Recipe) -> None:
    """One line instead of a traceback out of torch or transformers."""
    training, has_gpu = recipe.training, _has_gpu(recipe)
    generation = torch.cuda.get_device_capability()[0] if has_gpu else 0
    new_enough = "a GPU of 2020 or later (compute capability 8)"
    if has_gpu:
        cannot_compile, compiler = generation < 7 or not find_spec("triton"), "a GPU of 2017 or later and triton"
    else:
        compilers = os.environ.get("CXX", "g++"), "clang++"
        cannot_compile, compiler = not any(map(shutil.which, compilers)), "a C++ compiler"
    wanted = {
        "tf32": (training.tf32 and generation < 8, new_enough),
        "bf16": (training.bf16 and has_gpu and generation < 8, new_enough),
        "fp16": (training.fp16 and not has_gpu, "a GPU"),
        # torch compresses only what NCCL sends.
        "compress_gradients": (training.compress_gradients and not has_gpu, "GPUs"),
        "torch_compile": (training.torch_compile and cannot_compile, compiler),
    }
    for name, (is_missing, needed) in wanted.items():
        if is_missing:
            device = torch.cuda.get_device_name() if has_gpu else "the CPU"
            raise InputError(f"training.{name} needs {needed}, but training runs on {device}; set it to false")
