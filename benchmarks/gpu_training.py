"""One training of benchmarks/gpu.py: our Trainer on made-up rows, of which some epochs are timed and some profiled."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import training_rows
import transformers
from gpu_device import Activity, half_precision, synchronize
from training import bert_config, our_trainer, training_arguments
from transformers import TrainerCallback

from recipe.model.bert import BertForPreTraining
from recipe.model.dropout import set_dropout
from recipe.model.layer import compile_parts
from recipe.pretraining.precision import precision_name
from recipe.pretraining.trainer import PreTrainer

# BERT's 30,522 entries, rounded up to a multiple of 8 as the recipe does.
VOCABULARY = 30_528


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    rows: rows of a micro-batch by their greatest length. accumulation: micro-batches of a step. epoch: steps of one.
    warm_up, measured, profiled: epochs, one part after the other. repeats: calls of an attention kernel.
    """

    rows: dict[int, int]
    accumulation: int
    epoch: int
    warm_up: int
    measured: int
    profiled: int
    repeats: int

    @property
    def steps(self) -> tuple[int, int, int]:
        """The last step of the warm-up, of what is measured, and of what is profiled."""
        # Whole epochs: rows of like length share a batch, so a part of an epoch may have the short ones only.
        warm = self.epoch * self.warm_up
        last = warm + self.epoch * self.measured
        return warm, last, last + self.epoch * self.profiled


@dataclass(frozen=True)
class Setting:
    """One row of the table: layers and width, greatest length in tokens, dropout, "eager" or "compiled"."""

    model: tuple[int, int]
    length: int
    dropout: float
    mode: str

    @property
    def columns(self) -> dict[str, Any]:
        """As in a row of the results."""
        layers, width = self.model
        return {"model": f"{layers}x{width}", "length": self.length, "dropout": self.dropout, "mode": self.mode}


def trained(setting: Setting, sizes: Sizes, device: torch.device, ends_at: float) -> Iterable[dict[str, Any]]:
    """A row of the results; none if the time was over before a step was measured.

    Args:
        ends_at: time.monotonic() at which training stops.
    """
    torch.compiler.reset()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    trainer = trainer_of(setting, sizes, device)
    watch = Watch(trainer, sizes.steps, ends_at)
    trainer.add_callback(watch)
    trainer.train()
    trainer.end_if_not_finite()
    if watch.line is not None:
        yield {
            **setting.columns,
            "rows": trainer.args.per_device_train_batch_size,
            "precision": precision_name(trainer.args),
            "tokens_per_second": watch.line["tokens_per_second"],
            "data_wait_share": watch.line["data_wait_share"],
            "flops": watch.line["gemm_utilization"] * trainer.throughput.peak,
            "peak": trainer.throughput.peak,
            "peak_memory_gb": torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else None,
            "idle_share": watch.idle_share,
            "steps": watch.steps,
        }


def trainer_of(setting: Setting, sizes: Sizes, device: torch.device) -> PreTrainer:
    """Our Trainer as `recipe.pretraining.run.make_trainer` makes it, on made-up rows with the lengths of abstracts."""
    on_gpu, dtype = device.type == "cuda", half_precision(device)
    micro = sizes.rows[setting.length]
    bert = BertForPreTraining(bert_config(*setting.model, setting.dropout, VOCABULARY))
    set_dropout(bert, setting.dropout)
    for layer in bert.bert.encoder.layer:
        layer.attention.self.dropout.p = 0.0
    arguments = training_arguments(
        micro,
        sizes.steps[-1],
        gradient_accumulation_steps=sizes.accumulation,
        use_cpu=not on_gpu,
        bf16=dtype == torch.bfloat16,
        fp16=dtype == torch.float16,
        # As configs/pubmed-base-128.yaml.
        dataloader_num_workers=4 if on_gpu else 0,
    )
    # One process drives one device, as in the recipe.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    rows = training_rows.made_up_rows(setting.length, micro * sizes.accumulation * sizes.epoch, 1)
    trainer = our_trainer(bert, training_rows.table(rows), arguments)
    if setting.mode == "compiled":
        compile_parts(bert.bert, bert.cls.predictions)
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


class Watch(TrainerCallback):
    """Takes the line of the log over the measured steps alone, then profiles some more; stops when the time is over.

    line: None until a step was measured. steps: so many were. idle_share: None if the device was not profiled.
    """

    def __init__(self, trainer: PreTrainer, steps: tuple[int, int, int], ends_at: float) -> None:
        self._trainer, self._ends_at = trainer, ends_at
        self._warm, self._last, self._end = steps
        self._activity = Activity(trainer.args.device)
        self.line: dict[str, float] | None = None
        self.steps, self.idle_share = 0, None

    def on_step_end(self, args, state, control, **kwargs) -> None:
        step, is_over = state.global_step, time.monotonic() > self._ends_at
        if step <= self._warm:
            if step == self._warm:
                synchronize(args.device)
                self._trainer.throughput.restart()
            control.should_training_stop = is_over
        elif self.line is None and (step == self._last or is_over):
            synchronize(args.device)
            self.line, self.steps = self._trainer.throughput.line(), step - self._warm
            control.should_training_stop = is_over
            # Afterwards, since a profiler slows what it watches.
            if not is_over:
                self._activity.start()
        elif step == self._end:
            self.idle_share = self._activity.idle_share()
