"""A Trainer that no bad number, full disk or signal takes further than its last good checkpoint."""

import shutil
from abc import abstractmethod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import Trainer

from recipe.errors import InputError
from recipe.pretraining.checkpoints import (
    MANIFEST,
    all_finite,
    checkpoints_in,
    remove_old_checkpoints,
    room_is_missing,
    write_manifest,
)
from recipe.pretraining.guard import Guard, Preempted, StepFlags
from recipe.run_folder.events import log_event


class GuardedTrainer(Trainer):
    """A Trainer whose checkpoints are complete and finite.

    A step whose loss or gradient is not finite changes no weight: the optimizer skips it on the device. More than
    `max_skipped_steps` of them end the run. A signal ends it with a checkpoint, on all ranks after the same step.

    Args:
        guard: what tells of signals. fingerprint: settings and data, for the manifests of checkpoints.
        The rest as for `Trainer`.
    """

    def __init__(
        self, *, guard: Guard, fingerprint: dict[str, Any], max_skipped_steps: int = 0, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self.guard, self._flags, self._fingerprint = guard, StepFlags(), fingerprint
        self._max_skipped_steps, self._told_skipped, self._saved_step = max_skipped_steps, 0, -1
        # On the device, so that no step waits for them: whether the loss of this step is bad, how many steps were
        # skipped, whether they are too many, and of the first that was: the step, and whether its loss was bad here.
        device = self.args.device
        self._loss_is_bad = torch.zeros((), dtype=torch.bool, device=device)
        self._skipped, self._is_over = (torch.zeros((), dtype=torch.int64, device=device) for _ in range(2))
        self._bad_step = torch.full((2,), -1, dtype=torch.int64, device=device)

    @abstractmethod
    def row_ids(self, step: int, rank: int) -> list[int]:
        """The rows that a rank saw in a step, for a message."""

    @abstractmethod
    def settle_tokens_seen(self) -> None:
        """Bring the state up to date before it is saved."""

    @property
    def global_batch_size(self) -> int:
        """Rows of an optimizer step over all ranks."""
        return self.args.per_device_train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size

    def sum_over_ranks(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of a tensor over all ranks; each must call it."""
        if self.args.world_size == 1:
            return values
        return self.accelerator.reduce(values.to(self.args.device).clone(), reduction="sum")

    def sum_at_boundary(self, counts: torch.Tensor) -> torch.Tensor:
        """Sum int64 counts over ranks before a step; ends the run if a flag of any rank says so.

        Args:
            counts: on the host. Of one rank they stay there; the sums of many are on the device.
        """
        flags = self._own_flags()
        if self.args.world_size > 1:
            # One reduction for the counts of this step and the flags of the one before.
            here = counts.pin_memory() if self.args.device.type == "cuda" else counts
            both = torch.cat([here.to(self.args.device, non_blocking=True), flags])
            counts, flags = self.sum_over_ranks(both).tensor_split([len(counts)])
        self._end_if(*self._flags.read(flags))
        return counts

    def note_loss(self, loss: torch.Tensor) -> torch.Tensor:
        """Whether a micro-batch's loss is finite, as a tensor; remembered until the optimizer's step."""
        is_finite = torch.isfinite(loss.detach())
        self._loss_is_bad |= ~is_finite
        return is_finite

    def training_step(self, model, inputs, num_items_in_batch=None) -> torch.Tensor:
        """The micro-batch's share of the logged loss: nothing if it is not finite."""
        loss = super().training_step(model, inputs, num_items_in_batch)
        return torch.where(torch.isfinite(loss), loss, torch.zeros_like(loss))

    def create_optimizer(self, *arguments: Any) -> torch.optim.Optimizer:
        """The optimizer, which skips updates that are not finite."""
        is_new = self.optimizer is None
        optimizer = super().create_optimizer(*arguments)
        if is_new:
            optimizer.register_step_pre_hook(self._skip_if_not_finite)
        return optimizer

    def _skip_if_not_finite(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        gradients = [
            each.grad for group in optimizer.param_groups for each in group["params"] if each.grad is not None
        ]
        # In float16 gradients overflow at times, as the loss scaling expects: it skips the update itself.
        is_bad = self._loss_is_bad.clone()
        if not self.args.fp16:
            is_bad |= ~torch.isfinite(torch.nn.utils.get_total_norm(gradients))
        self._skipped += is_bad
        is_over = self._skipped > self._max_skipped_steps
        here = torch.stack([torch.full_like(self._skipped, self.state.global_step), self._loss_is_bad.long()])
        self._bad_step = torch.where(is_over & (self._is_over == 0), here, self._bad_step)
        # Once there are too many, no later step changes a weight either, until the host has seen it.
        self._is_over |= is_over
        self._loss_is_bad.zero_()
        # The fused optimizers of torch leave everything as it is where this is 1, without a word to the host.
        found = (is_bad | self._is_over.bool()).float()
        optimizer.found_inf = torch.maximum(found, optimizer.found_inf) if self.args.fp16 else found  # type: ignore

    def _own_flags(self) -> torch.Tensor:
        """Steps skipped; whether they are too many; whether a signal came: int64, shape (3,)."""
        signalled = torch.full_like(self._skipped, bool(self.guard.reason))
        return torch.stack([self._skipped, self._is_over, signalled])

    def _end_if(self, skipped: int, is_over: int, signalled: int) -> None:
        """End the run, on all ranks at the same step, if a flag says so."""
        if is_over:
            raise self._bad_numbers()
        skipped //= self.args.world_size
        if skipped > self._told_skipped:
            self._told_skipped = skipped
            log_event(self.guard.run, "fault", stage="pretrain", step=self.state.global_step, error="step skipped")
            if self.is_world_process_zero():
                print(
                    f"pretrain: step {self.state.global_step}: the loss or gradient was not finite, the update was"
                    f" skipped ({skipped} of {self._max_skipped_steps} allowed)",
                    flush=True,
                )
        if signalled:
            if self.state.global_step > self._saved_step:
                self.settle_tokens_seen()
                self._save_checkpoint(self.model, None)  # type: ignore[arg-type]
            raise Preempted(self.guard.reason)

    def end_if_not_finite(self) -> None:
        """Wait for the device; end the run if a step was bad or a weight is not finite. Called before a save."""
        skipped, is_over, _ = self.sum_over_ranks(self._own_flags()).tolist()
        self._end_if(skipped, is_over, 0)
        moments = [value for state in self._state_of_optimizer() for value in state.values()]
        tensors = [*self.accelerator.unwrap_model(self.model).parameters(), *moments]
        bad = torch.full_like(self._skipped, not all_finite(each for each in tensors if torch.is_tensor(each)))
        if self.sum_over_ranks(bad).item():
            raise InputError(
                f"step {self.state.global_step}: a weight or a moment of the optimizer is not finite, so nothing was"
                f" saved; {self._remedy()}"
            )

    def end_if_signalled(self) -> None:
        """End a run whose last step is done, if a signal came: the model is written when it is started again."""
        self.guard.step = self.state.global_step
        signalled = self.sum_over_ranks(self._own_flags()).tolist()[-1]
        self._end_if(0, 0, signalled)

    def _state_of_optimizer(self) -> list[dict]:
        optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
        return list(optimizer.state.values()) if optimizer is not None else []

    def _bad_numbers(self) -> InputError:
        """Which step and rank, and which rows; every rank calls it."""
        found = self._bad_step
        if self.args.world_size > 1:
            found = self.accelerator.gather(found.unsqueeze(0)).reshape(-1, 2)
        steps, losses = found.reshape(-1, 2).T.tolist()
        step = max(steps)
        ranks = [rank for rank, bad in enumerate(losses) if bad]
        if not ranks:
            return InputError(f"step {step + 1}: the gradient is not finite on any rank; {self._remedy()}")
        ids = self.row_ids(step, ranks[0])
        rows = ", ".join(map(str, ids[:8])) + (", ..." if len(ids) > 8 else "")
        names = ", ".join(map(str, ranks))
        return InputError(
            f"step {step + 1}: the loss is not finite on rank {names} (row_id {rows} of the pairs); {self._remedy()}"
        )

    def _remedy(self) -> str:
        return (
            f"the last checkpoint is from before. Lower training.learning_rate (now {self.args.learning_rate:g}),"
            " lengthen training.warmup_share, switch training.bf16 and fp16 off, or set training.max_skipped_steps"
        )

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Write a checkpoint that is complete and finite, then remove older ones; a full disk only delays it."""
        self.end_if_not_finite()
        parent, kept = Path(str(self.args.output_dir)), self.args.save_total_limit
        folder = parent / f"checkpoint-{self.state.global_step}"
        problem = ""
        if self.is_world_process_zero():
            parameters = sum(each.numel() for each in self.accelerator.unwrap_model(self.model).parameters())
            problem = room_is_missing(parent, parameters)
        if not self._any_rank(problem):
            try:
                # The stock Trainer would remove older ones before this one has its manifest.
                self.args.save_total_limit = None
                super()._save_checkpoint(model, trial)
            except (OSError, RuntimeError, SafetensorError) as error:
                problem = " ".join(str(error).split())[:150]
            finally:
                self.args.save_total_limit = kept
        # Every rank writes the state of its generators, so the manifest waits for all of them.
        is_failed = self._any_rank(problem)
        if self.is_world_process_zero() and not is_failed:
            try:
                write_manifest(folder, self._about())
                remove_old_checkpoints(parent, folder, kept or 1)
            except OSError as error:
                problem = str(error)
        if is_failed or self._any_rank(problem):
            self._give_up(folder, problem)
        else:
            self._saved_step = self.state.global_step
            log_event(self.guard.run, "save", stage="pretrain", step=self.state.global_step)

    def _give_up(self, folder: Path, problem: str) -> None:
        """Remove what a failed save left; go on if an older checkpoint stands, else end the run."""
        if self.is_world_process_zero():
            shutil.rmtree(folder, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        message = f"step {self.state.global_step}: no checkpoint could be written to {folder.parent}" + (
            f" ({problem})" if problem else ""
        )
        if not any((path / MANIFEST).is_file() for path in checkpoints_in(folder.parent)):
            raise InputError(f"{message}, and there is none from before; free some space and run again")
        if self.is_world_process_zero():
            print(f"pretrain: warning: {message}; training goes on, the last one is from before", flush=True)
            log_event(self.guard.run, "fault", stage="pretrain", step=self.state.global_step, error=message)

    def _about(self) -> dict[str, Any]:
        step = self.state.global_step
        return {"step": step, "rows_seen": step * self.global_batch_size, **self._fingerprint}

    def _any_rank(self, problem: str) -> bool:
        return bool(self.sum_over_ranks(torch.full_like(self._skipped, bool(problem))).item())
