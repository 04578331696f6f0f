"""Fine-tuning on this card, in float32 and with dropout."""

import pytest
import torch
from made_up_task import write_checkpoint, write_task

from recipe.model.dropout import set_dropout
from recipe.model.layout import to_device
from recipe.tasks.data.columns import read_task
from recipe.tasks.finetuning.heads import collator_of
from recipe.tasks.finetuning.training import new_model, prepare
from recipe.tasks.types.ner import TASK_TYPE

pytestmark = pytest.mark.gpu


def test_gradients_with_dropout_are_those_of_the_loss(device, torch_kernels, tmp_path):
    """A step along the gradient changes the loss as the gradient says, while the same seed drops the same weights."""
    for name in ("task", "model"):
        (tmp_path / name).mkdir()
    write_task(tmp_path / "task")
    write_checkpoint(tmp_path / "model", num_hidden_layers=3, attention_probs_dropout_prob=0.5)
    materials = prepare(read_task(tmp_path / "task"), TASK_TYPE, tmp_path / "model", 16, device.type == "cpu")
    model = new_model(materials, pretrained=True).to(device).train()
    # Weights of the usual 0.02 let attention do next to nothing.
    for parameter in model.parameters():
        parameter.data.mul_(5 if parameter.dim() == 2 else 1)
    set_dropout(model, None)
    rows = materials.splits["train"].rows[:4]
    batch = to_device(collator_of(model, materials.tokenizer.pad_token_id)(rows), device)

    def loss() -> torch.Tensor:
        torch.manual_seed(3)
        return model(**batch).loss

    weights = [parameter for name, parameter in model.named_parameters() if "attention.self" in name]
    gradients = torch.autograd.grad(loss(), weights)
    size = torch.nn.utils.get_total_norm(gradients)
    found = []
    # To 0.05 ahead of the weights, and from there to 0.05 behind them.
    for step in (0.05, -0.1):
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.data.add_(gradient, alpha=step / float(size))
        found.append(float(loss().detach().double()))
    assert (found[0] - found[1]) / 0.1 == pytest.approx(float(size), rel=0.02)
