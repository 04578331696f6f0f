"""A bad number in a training step."""

import torch
import transformers


class Inject(transformers.TrainerCallback):
    """Put a value into a weight, or into its gradient while it is computed, in the step that follows `step`."""

    def __init__(self, where: str, value: float, step: int) -> None:
        self._where, self._value, self._step = where, value, step

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        if state.global_step != self._step:
            return
        weight = model.bert.embeddings.LayerNorm.weight
        if self._where == "weight":
            with torch.no_grad():
                weight[0] = self._value
        else:
            hook = weight.register_hook(lambda gradient: (hook.remove(), gradient * self._value)[1])
