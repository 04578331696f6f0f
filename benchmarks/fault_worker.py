"""Pretrains a recipe with one fault in it, for fault_training.py: fault_worker.py RECIPE, with FAULT as JSON.

{"kind": "nan", "where": "loss" | "gradient" | "weight", "value": "nan" | "inf", "step": 3, "ranks": [0]}: before the
update of this step. {"kind": "stop" | "kill", "step": 3, "ranks": [1]}: the rank stops or kills itself.
"""

import json
import os
import signal
import sys

import torch

from recipe.cli import main
from recipe.pretraining.trainer import PreTrainer


def install(fault: dict) -> None:
    """Patch the trainer of this process."""
    if int(os.environ.get("RANK", "0")) not in fault.get("ranks", [0]) or not fault:
        return
    compute_loss, step_of_row = PreTrainer.compute_loss, fault["step"] - 1
    value = float(fault.get("value", "nan"))

    def faulty(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        if self.state.global_step == step_of_row:
            if fault["kind"] in ("stop", "kill"):
                os.kill(os.getpid(), signal.SIGSTOP if fault["kind"] == "stop" else signal.SIGKILL)
            elif fault["where"] == "weight":
                with torch.no_grad():
                    self.accelerator.unwrap_model(model).bert.embeddings.LayerNorm.weight[0] = value
            elif fault["where"] == "gradient":
                weight = self.accelerator.unwrap_model(model).bert.embeddings.LayerNorm.weight
                hook = weight.register_hook(lambda gradient: (hook.remove(), gradient * value)[1])
        loss = compute_loss(self, model, inputs, return_outputs, num_items_in_batch)
        return loss * value if self.state.global_step == step_of_row and fault.get("where") == "loss" else loss

    PreTrainer.compute_loss = faulty


if __name__ == "__main__":
    if os.environ.get("DUMP"):
        import faulthandler

        faulthandler.dump_traceback_later(30)
    install(json.loads(os.environ.get("FAULT", "{}")))
    main(["pretrain", *sys.argv[1:]])
