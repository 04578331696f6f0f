"""What a person sees while a model trains: short aligned lines, and a progress bar on a terminal only."""

import sys
import time
from pathlib import Path

from transformers import ProgressCallback

from recipe.files import write_json
from recipe.formatting import duration, fixed, percent

# A model that learned nothing has the loss of token frequencies.
DIVERGED = 3
HEADING = "    step     loss      MLM      NSP   tokens/s   time left"


class TrainingLines(ProgressCallback):
    """Prints a line for each log of the Trainer and keeps the last one in RUN/progress.json for the command status.

    Args:
        frequency_loss: nats per token of a model that knows token frequencies alone; a loss far above it is a warning.
    """

    def __init__(self, run: Path, frequency_loss: float, warmup_steps: float) -> None:
        super().__init__()
        self._run, self._began = run, (0, 0.0)
        self._most, self._warmup, self._warning = DIVERGED * frequency_loss, warmup_steps, ""

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self._began = state.global_step, time.monotonic()
        if state.is_world_process_zero:
            print(HEADING, flush=True)
            # In a file every update of a bar would be a line of its own.
            if sys.stderr.isatty():
                super().on_train_begin(args, state, control, **kwargs)

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if self.training_bar is not None:
            super().on_step_end(args, state, control, **kwargs)

    def on_train_end(self, args, state, control, **kwargs) -> None:
        if self._warning:
            print(self._warning, flush=True)
        if self.training_bar is not None:
            super().on_train_end(args, state, control, **kwargs)

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        logs = logs or {}
        if not state.is_world_process_zero:
            return
        if "eval_nsp_loss" in logs:
            mlm, nsp = _loss(logs, "eval_mlm_loss"), _loss(logs, "eval_nsp_loss")
            accuracy = percent(logs.get("eval_nsp_balanced_accuracy"))
            line = f"{state.global_step:8,}  validation {mlm:>6} {nsp:>8}   NSP balanced accuracy {accuracy}"
        elif "nsp_loss" in logs:
            # The time left is counted from this start: a run that was resumed may be on another machine now.
            first, started = self._began
            done = max(1, state.global_step - first)
            left = (time.monotonic() - started) / done * (state.max_steps - state.global_step)
            line = (
                f"{state.global_step:8,} {logs['loss']:8.3f} {_loss(logs, 'mlm_loss'):>8} {logs['nsp_loss']:8.3f}"
                f" {logs['tokens_per_second']:10,.0f}   {duration(left)}"
            )
            progress = {"step": state.global_step, "max_steps": state.max_steps, "seconds_left": left}
            progress |= {name: logs.get(name) for name in ("mlm_loss", "nsp_loss", "tokens_per_second")}
            write_json(self._run / "progress.json", {**progress, "time": time.time()})
            if not self._warning and state.global_step > self._warmup and (logs.get("mlm_loss") or 0) > self._most:
                self._warning = (
                    f"pretrain: warning: the MLM loss was {logs['mlm_loss']:.1f} at step {state.global_step:,}, more"
                    f" than {DIVERGED} times that of token frequencies alone: training diverged; lower"
                    " training.learning_rate"
                )
                line = f"{line}\n{self._warning}"
        else:
            return
        if self.training_bar is not None:
            self.training_bar.write(line)
        else:
            print(line, flush=True)


def _loss(logs: dict, name: str) -> str:
    # A dash where no token was masked.
    return fixed(logs.get(name), 3)
