"""`PreTrainer`: exact loss under accumulation and ranks, batches by step, exact sums over ranks."""

import time
from collections.abc import Iterator
from typing import Any

import torch
from accelerate.utils import DDPCommunicationHookType
from torch.utils.data import DataLoader
from transformers import TrainerCallback

from recipe.model.bert import SUMS, metrics_of
from recipe.model.layout import to_device
from recipe.pretraining.guarded_trainer import GuardedTrainer
from recipe.pretraining.rows import rows_by_epoch
from recipe.pretraining.sampler import StepSampler
from recipe.pretraining.throughput import Throughput, counts_of, matmul_peak
from recipe.rng import torch_seed


class PreTrainer(GuardedTrainer):
    """Trains `recipe.model.bert.BertForPreTraining` on rows of `NextSentencePairs`.

    The loss of an optimizer step is the sum of the MLM cross-entropy over the masked tokens of the whole step (all
    micro-batches and ranks), divided by their number, plus the same for NSP over its pairs; so are its gradients.

    Args:
        train_dataset: a `datasets.Dataset` of such rows, or `recipe.pretraining.rows.FreshRows`.
        seed: where order, masks and dropout start. group_by_length: see `StepSampler`.
        compress_gradients: send them between ranks in bfloat16. eval_collator: for validation; None: data_collator.
        The rest as for `GuardedTrainer`; args.max_steps must be set, args.remove_unused_columns must be False.
    """

    def __init__(
        self,
        *,
        seed: int,
        group_by_length: bool,
        compress_gradients: bool = False,
        eval_collator: Any = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        # The stock Trainer multiplies loss and gradients of this model by accumulation x ranks. With this flag it
        # leaves the division by the number of items to `compute_loss`.
        self.model_accepts_loss_kwargs = True
        self._seed, self._group_by_length = seed, group_by_length
        self._eval_collator = eval_collator or self.data_collator
        if self.args.world_size > 1:
            # Gradients lie in the buckets that are sent, instead of being copied there.
            self.accelerator.ddp_handler.gradient_as_bucket_view = True
            if compress_gradients:
                self.accelerator.ddp_handler.comm_hook = DDPCommunicationHookType.BF16
        self._sums = torch.zeros(len(SUMS), dtype=torch.float64, device=self.args.device)
        self._tokens_seen: torch.Tensor | int = 0
        half = torch.float16 if self.args.fp16 else torch.bfloat16
        peak = matmul_peak(self.args.device, half if self.args.fp16 or self.args.bf16 else torch.float32)
        self.throughput = Throughput(arguments["model"].config, self.sum_over_ranks(torch.tensor(peak)).item())
        self.add_callback(_StepState(self))

    def get_train_dataloader(self) -> DataLoader:
        """This rank's micro-batches from the present step on."""
        rows = rows_by_epoch(self.train_dataset)
        self.step_sampler = StepSampler(
            rows,
            self.global_batch_size,
            self.args.per_device_train_batch_size,
            self.args.max_steps,
            self._seed,
            self._group_by_length,
            self.args.process_index,
            self.args.world_size,
        )
        # Not prepared by Accelerate, whose sampler would shard the rows a second time. The workers are a whole step
        # ahead, since all its micro-batches are taken before it begins.
        return self._loader(rows, self.step_sampler, self.data_collator, self.args.gradient_accumulation_steps)

    def get_batch_samples(
        self, epoch_iterator: Iterator, num_batches: int, device: torch.device
    ) -> tuple[list, torch.Tensor]:
        """The micro-batches of a step, and its (masked tokens, pairs) over all micro-batches and ranks."""
        started = time.perf_counter()
        self.guard.step, self.guard.phase = self.state.global_step, "reading rows"
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        self.guard.phase = "in a step"
        waited = time.perf_counter() - started
        counts = self.sum_at_boundary(torch.stack([counts_of(batch) for batch in batches]).sum(0))
        # All of a step at once: indexes of 8,192 rows are 25 MB.
        batches = [to_device(batch, device) for batch in batches]
        self.throughput.add(counts, waited)
        masked_tokens, pairs, tokens, *_ = counts.unbind()
        # Of many ranks it is on the device: to read a number there would make the host wait at every step.
        self._tokens_seen = tokens + self._tokens_seen
        return batches, torch.stack([masked_tokens.clamp(min=1), pairs])

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The share of the step's loss that comes from this micro-batch."""
        masked_tokens, pairs = num_items_in_batch
        outputs = model(**inputs, masked_tokens_in_step=masked_tokens, pairs_in_step=pairs)
        # A step that is skipped is not logged either.
        self._sums += torch.where(self.note_loss(outputs.loss), outputs.sums, 0.0)
        # Times the ranks, since DDP takes the mean of their gradients where the sum is wanted.
        loss = outputs.loss * self.args.world_size
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add both losses and accuracies, tokens seen and speed."""
        if "loss" in logs:
            logs |= metrics_of(self.sum_over_ranks(self._sums)) | self.throughput.line()
            self._sums.zero_()
        self.settle_tokens_seen()
        pairs_seen = self.state.global_step * self.global_batch_size
        logs |= {"tokens_seen": self.state.num_input_tokens_seen, "pairs_seen": pairs_seen}
        if hasattr(self, "step_sampler"):
            # The Trainer takes the whole run for one epoch.
            self.state.epoch = self.step_sampler.epochs_at(self.state.global_step)
        super().log(logs, start_time)

    def settle_tokens_seen(self) -> None:
        """Put the tokens of the steps since the last call into the state, which is logged and saved."""
        self.state.num_input_tokens_seen += int(self._tokens_seen)
        self._tokens_seen = 0

    def row_ids(self, step: int, rank: int) -> list[int]:
        """The row_id of the rows that a rank saw in a step."""
        return self.step_sampler.row_ids(step, rank)

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix: str = "eval") -> dict[str, float]:
        """Metrics over the validation pairs with fixed masks: exact sums over ranks, each pair scored once."""
        rows = rows_by_epoch(self.eval_dataset if eval_dataset is None else eval_dataset)
        # Sorted by length, each rank every n-th pair; epoch 0 always, so that the masks stay.
        order = (-rows.lengths()).argsort(kind="stable")[self.args.process_index :: self.args.world_size]
        size = self.args.per_device_eval_batch_size
        batches = [[(0, int(index)) for index in order[start : start + size]] for start in range(0, len(order), size)]
        model = self.accelerator.unwrap_model(self.model)
        loader = self._loader(rows, batches, self._eval_collator)
        sums = self.sum_over_ranks(evaluation_sums(model, loader, self.args.device))
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in metrics_of(sums).items()}
        if (loss := metrics.get(f"{metric_key_prefix}_mlm_loss")) is not None:
            metrics[f"{metric_key_prefix}_perplexity"] = float(torch.tensor(loss).exp())
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _loader(self, rows: Any, batch_sampler: Any, collator: Any, ahead: int = 1) -> DataLoader:
        """A loader whose workers prepare two batches each, `ahead` together at least, before they are asked for."""
        workers = self.args.dataloader_num_workers
        return DataLoader(
            rows,
            batch_sampler=batch_sampler,
            collate_fn=collator,
            num_workers=workers,
            prefetch_factor=max(2, -(-ahead // workers)) if workers else None,
            pin_memory=self.args.device.type == "cuda",
        )


@torch.no_grad()
def evaluation_sums(model: torch.nn.Module, batches, device: torch.device, on_outputs=None) -> torch.Tensor:
    """Added-up `PreTrainingOutput.sums` of the batches, with dropout off; the model keeps the mode in which it was.

    Args:
        on_outputs: called with each batch and its outputs.
    """
    was_training = model.training
    model.eval()
    total = torch.zeros(len(SUMS), dtype=torch.float64, device=device)
    for batch in batches:
        outputs = model(**to_device(batch, device))
        total += outputs.sums
        if on_outputs is not None:
            on_outputs(batch, outputs)
    model.train(was_training)
    return total


class _StepState(TrainerCallback):
    """What makes a run the same after a resume, and the clock."""

    def __init__(self, trainer: PreTrainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        # A checkpoint brings the steps between logs, validations and checkpoints of the session before.
        state.compute_steps(args, state.max_steps)
        self._trainer.step_sampler.first_step = state.global_step
        self._trainer.throughput.restart()

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        # Dropout starts anew at each step: the state of the generator that a checkpoint holds is not that of the step,
        # since the Trainer collates batches before it loads it.
        torch.manual_seed(torch_seed(self._trainer._seed, "dropout", state.global_step, args.process_index))

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if control.should_save:
            self._trainer.settle_tokens_seen()
        self._trainer.throughput.stop()

    def on_evaluate(self, args, state, control, **kwargs) -> None:
        self._trainer.throughput.resume()

    def on_save(self, args, state, control, **kwargs) -> None:
        self._trainer.throughput.resume()
