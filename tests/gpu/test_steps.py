"""Whole training steps of a small model on this card."""

import pytest
import torch
import transformers
from injection import Inject
from torch._dynamo.utils import counters

from recipe.errors import InputError
from recipe.pretraining.checkpoints import all_finite, newest_complete_checkpoint
from recipe.pretraining.run import checkpoint_folder, make_trainer

pytestmark = pytest.mark.gpu

LOGGED = ("loss", "mlm_loss", "nsp_loss", "grad_norm")


class At(transformers.TrainerCallback):
    """Calls at the end of some steps."""

    def __init__(self, **calls) -> None:
        self._calls = {int(name.removeprefix("step_")): call for name, call in calls.items()}

    def on_step_end(self, args, state, control, **kwargs):
        if call := self._calls.get(state.global_step):
            call(control)


def lines_of(trainer) -> list[dict]:
    return [line for line in trainer.state.log_history if "loss" in line]


@pytest.mark.parametrize(
    ("attention_dropout", "is_compiled"), [(0.0, False), (0.1, False), pytest.param(0.0, True, marks=pytest.mark.slow)]
)
def test_no_step_waits_for_the_device(recipe_of, device, no_waits, attention_dropout, is_compiled):
    """Batches, forward and backward, clipping, optimizer, schedule and flags, as the Trainer does them."""
    if is_compiled and device.type == "cpu":
        pytest.skip("operators of a compiled program cannot be watched on a CPU")
    recipe = recipe_of(
        "run",
        training__attention_dropout=attention_dropout,
        training__torch_compile=is_compiled,
        training__global_batch_size=16,
        training__dataloader_num_workers=2,
        training__logging_steps=100,
    )
    trainer = make_trainer(recipe)
    ended = []
    # The last step is logged and saved, which waits.
    trainer.add_callback(At(step_3=lambda _: no_waits.start(), step_9=lambda _: (no_waits.end(), ended.append(True))))
    trainer.train()
    trainer.end_if_not_finite()
    assert ended
    assert trainer.state.global_step == 10


def test_a_number_that_is_read_within_a_step_is_found(recipe_of, no_waits):
    trainer = make_trainer(recipe_of("run", training__logging_steps=100))

    class Reads(transformers.TrainerCallback):
        def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
            if state.global_step == 5:
                model.cls.predictions.bias.grad.sum().item()

    trainer.add_callback(Reads())
    trainer.add_callback(At(step_3=lambda _: no_waits.start(), step_9=lambda _: no_waits.end()))
    with pytest.raises((RuntimeError, AssertionError), match=r"synchroniz|_local_scalar_dense"):
        trainer.train()


@pytest.mark.slow
def test_programs_are_compiled_for_the_first_batches_only(recipe_of):
    torch._dynamo.reset()
    counters.clear()
    seen = []
    trainer = make_trainer(recipe_of("run", training__torch_compile=True, training__logging_steps=100))

    def note(control) -> None:
        seen.append(counters["stats"]["unique_graphs"])

    trainer.add_callback(At(step_3=note, step_9=note))
    trainer.train()
    assert seen[0] > 0
    assert seen[0] == seen[1]


@pytest.mark.slow
def test_compiled_parts_compute_the_same_loss(recipe_of):
    found = []
    for is_compiled in (False, True):
        torch._dynamo.reset()
        recipe = recipe_of(
            f"run-{is_compiled}",
            training__torch_compile=is_compiled,
            training__dropout=0,
            training__max_steps=3,
            training__logging_steps=1,
        )
        trainer = make_trainer(recipe)
        trainer.train()
        found.append([[line[name] for name in LOGGED] for line in lines_of(trainer)])
    assert len(found[0]) == 3
    for eager, compiled in zip(*found, strict=True):
        assert eager == pytest.approx(compiled, rel=0.01), "more than the noise of bfloat16"


def test_a_run_that_goes_on_is_the_run_that_would_have_been(recipe_of, device):
    """Not bit for bit: kernels of GPUs add gradients in any order."""
    settings = {"training__logging_steps": 1, "training__save_steps": 3, "training__max_steps": 8}
    whole = make_trainer(recipe_of("whole", **settings))
    whole.train()
    recipe = recipe_of("stopped", **settings)
    trainer = make_trainer(recipe)
    trainer.add_callback(At(step_4=lambda control: setattr(control, "should_training_stop", True)))
    trainer.train()
    resumed = make_trainer(recipe)
    resumed.train(resume_from_checkpoint=str(newest_complete_checkpoint(checkpoint_folder(recipe))))
    ours, expected = lines_of(resumed), lines_of(whole)
    assert [line["step"] for line in ours] == [line["step"] for line in expected]
    assert ours[-1]["tokens_seen"] == expected[-1]["tokens_seen"]
    for one, other in zip(ours, expected, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=0.01 if device.type == "cuda" else 1e-6)


@pytest.mark.parametrize("step", [2, 9])
def test_a_bad_step_changes_no_weight_and_ends_the_run_one_boundary_later(recipe_of, device, step):
    """On a GPU a step reads the flags of the one before, so that it need not wait; at the end the host waits."""
    trainer = make_trainer(recipe_of("run", training__logging_steps=100))
    before: list[torch.Tensor] = []

    def keep(control) -> None:
        before.extend(each.detach().clone() for each in trainer.model.parameters())

    trainer.add_callback(Inject("gradient", float("nan"), step))
    trainer.add_callback(At(**{f"step_{step}": keep}))
    with pytest.raises(InputError, match=rf"^step {step + 1}: the gradient is not finite"):
        trainer.train()
    late = 1 if device.type == "cuda" and step < 8 else 0
    assert trainer.state.global_step == step + 1 + late
    assert all_finite(trainer.model.parameters())
    assert all(torch.equal(one, other) for one, other in zip(before, trainer.model.parameters(), strict=True))
