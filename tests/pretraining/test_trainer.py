"""Real trainings of a tiny model; dropout 0 where losses of different splits of a batch are compared."""

import inspect
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import transformers
from conftest import ROOT, small_recipe
from small_run import run_folder_of
from torch.nn.functional import cross_entropy

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.files import read_json
from recipe.model.bert import load_model
from recipe.pairs.dataset import load_pairs
from recipe.pipeline import run_all
from recipe.pretraining.checkpoints import newest_complete_checkpoint
from recipe.pretraining.evaluation import evaluate
from recipe.pretraining.rows import PairRows
from recipe.pretraining.run import (
    checkpoint_folder,
    make_collator,
    make_trainer,
    pretrain,
    save_model,
    training_arguments,
)
from recipe.pretraining.sampler import StepSampler

NO_DROPOUT = {"training.dropout": "0", "training.eval_steps": "6"}


def history(recipe: Recipe) -> list[dict]:
    return json.loads((recipe.folder / "training.json").read_text())["log_history"]


LOGGED = ("step", "loss", "mlm_loss", "nsp_loss", "grad_norm")


def losses(recipe: Recipe) -> list[tuple]:
    return [
        (line["step"], line["loss"], line["mlm_loss"], line["nsp_loss"], line["grad_norm"])
        for line in history(recipe)
        if "loss" in line
    ]


@pytest.fixture(scope="module")
def whole_run(prepared, corpus_file, tmp_path_factory) -> Recipe:
    recipe = run_folder_of(prepared, tmp_path_factory.mktemp("whole") / "run", corpus_file, **NO_DROPOUT)
    pretrain(recipe)
    return recipe


def weights(recipe: Recipe) -> dict[str, torch.Tensor]:
    return load_model(recipe.folder / "model").state_dict()


@pytest.mark.parametrize("micro_batch", ["4", "2", "1"])
def test_accumulation_changes_neither_loss_nor_gradient(prepared, corpus_file, whole_run, tmp_path, micro_batch):
    recipe = run_folder_of(
        prepared, tmp_path / "run", corpus_file, **{**NO_DROPOUT, "training.per_device_batch_size": micro_batch}
    )
    pretrain(recipe)
    for one, other in zip(losses(whole_run), losses(recipe), strict=True):
        assert one == pytest.approx(other, rel=1e-5)
    for name, tensor in weights(recipe).items():
        torch.testing.assert_close(tensor, weights(whole_run)[name], atol=2e-5, rtol=1e-3)


def test_a_device_whose_memory_is_too_small_is_one_line(prepared, corpus_file, tmp_path, monkeypatch):
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file, **{"training.per_device_batch_size": "4"})

    def out_of_memory(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. GPU 0 has ...")

    monkeypatch.setattr("recipe.model.bert.states_at", out_of_memory)
    with pytest.raises(
        InputError, match=r"step 1: 4 rows of up to .* tokens .*\(CUDA out of memory\).*_size to 2, which"
    ):
        pretrain(recipe)


@pytest.mark.parametrize(
    ("key", "needed"),
    [
        ("tf32", "a GPU of 2020 or later"),
        ("fp16", "a GPU"),
        ("torch_compile", r"a C\+\+ compiler"),
        ("compress_gradients", "GPUs"),
    ],
)
def test_what_the_device_lacks_is_one_line(prepared, corpus_file, tmp_path, monkeypatch, key, needed):
    monkeypatch.setenv("PATH", str(tmp_path))
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file, **{f"training.{key}": "true"})
    with pytest.raises(InputError, match=f"training.{key} needs {needed}.*training runs on the CPU; set it to false"):
        make_trainer(recipe)


def test_validation_while_training_takes_pairs_evenly_spread(prepared, corpus_file, tmp_path):
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file, **{"training.eval_pairs": "5"})
    everything = load_pairs(recipe)["validation"]["row_id"]
    shown = make_trainer(recipe).eval_dataset["row_id"]
    assert [everything[index] for index in np.linspace(0, len(everything) - 1, 5).astype(int).tolist()] == list(shown)


@pytest.mark.parametrize(("own", "expected"), [("null", 0.3), ("0", 0.0), ("0.2", 0.2)])
def test_attention_may_have_a_dropout_of_its_own(prepared, corpus_file, tmp_path, own, expected):
    changes = {"training.dropout": "0.3", "training.attention_dropout": own}
    model = make_trainer(run_folder_of(prepared, tmp_path / "run", corpus_file, **changes)).model
    for layer in model.bert.encoder.layer:
        assert (layer.attention.self.dropout.p, layer.output.dropout.p) == (expected, 0.3)


def test_validation_masks_at_a_share_of_its_own(prepared, corpus_file, tmp_path):
    """Runs with other shares of masked tokens see the same validation."""
    shares = {"masking.mlm_probability": "0.4", "masking.eval_mlm_probability": "0.1"}
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file, **NO_DROPOUT, **shares)
    pretrain(recipe)
    evaluate(recipe)
    tokens = load_pairs(recipe)["validation"]["input_ids"]
    maskable = sum(len(row) - 3 for row in tokens)
    masked = json.loads((recipe.folder / "evaluation.json").read_text())["masked_tokens"]
    assert masked / maskable == pytest.approx(0.1, abs=0.03)
    trainer = make_trainer(recipe)
    metrics = trainer.evaluate()
    batch = make_collator(recipe, trainer.processing_class, for_validation=True)(trainer.eval_dataset.to_list())
    model = load_model(recipe.folder / "model").eval()
    assert len(batch["targets"]) < 0.13 * maskable
    trainer.model.load_state_dict(model.state_dict())
    metrics = trainer.evaluate()
    with torch.no_grad():
        sums = model(**batch).sums
    assert metrics["eval_mlm_loss"] == pytest.approx((sums[0] / sums[1]).item(), rel=1e-5)


def test_files_that_a_killed_run_left_are_not_published(prepared, corpus_file, tmp_path):
    trainer = make_trainer(run_folder_of(prepared, tmp_path / "run", corpus_file))
    stale = tmp_path / "run" / "model.partial"
    stale.mkdir()
    (stale / "notes.txt").write_text("left by another run")
    save_model(trainer, tmp_path / "run" / "model")
    assert not (tmp_path / "run" / "model" / "notes.txt").exists()
    assert not stale.exists()


def test_the_private_corners_of_the_trainer_are_as_we_use_them():
    """A release of transformers that changes one of them silently gives another loss."""
    parameters = inspect.signature(transformers.Trainer.get_batch_samples).parameters
    assert list(parameters) == ["self", "epoch_iterator", "num_batches", "device"]
    assert "num_items_in_batch" in inspect.signature(transformers.Trainer.compute_loss).parameters
    assert "model_accepts_loss_kwargs" in inspect.getsource(transformers.Trainer)
    assert "_n_gpu" in inspect.getsource(transformers.TrainingArguments)


def test_trackers_get_the_name_of_the_run_folder(prepared, tmp_path, corpus_file, monkeypatch):
    recipe = run_folder_of(prepared, tmp_path / "my-run", corpus_file)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    arguments = training_arguments(recipe)
    assert (arguments.run_name, arguments.project, os.environ["WANDB_PROJECT"]) == (
        "my-run",
        "domain-bert",
        "domain-bert",
    )
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    training_arguments(recipe)
    assert os.environ["WANDB_PROJECT"] == "mine"


def test_logged_loss_of_the_first_step_is_that_of_the_stock_model_on_the_whole_batch(prepared, corpus_file, tmp_path):
    recipe = run_folder_of(
        prepared, tmp_path / "run", corpus_file, **{**NO_DROPOUT, "training.per_device_batch_size": "2"}
    )
    trainer = make_trainer(recipe)
    stock = transformers.BertForPreTraining(trainer.model.config)
    stock.load_state_dict(trainer.model.state_dict())
    rows = next(iter(StepSampler(PairRows(trainer.train_dataset), 8, 8, 6, recipe.seed, True, 0, 1)))
    batch = make_collator(recipe, trainer.processing_class, padding_free=False)(
        [{**trainer.train_dataset[index], "epoch": epoch} for epoch, index in rows]
    )
    stock.eval()
    with torch.no_grad():
        out = stock(**{name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")})
        expected = (
            cross_entropy(out.prediction_logits.flatten(0, 1), batch["labels"].flatten()),
            cross_entropy(out.seq_relationship_logits, batch["next_sentence_label"]),
        )
    trainer.train()
    first = next(line for line in trainer.state.log_history if line["step"] == 1)
    assert (first["mlm_loss"], first["nsp_loss"]) == pytest.approx([value.item() for value in expected], rel=1e-5)
    assert first["loss"] == pytest.approx(sum(value.item() for value in expected), rel=1e-5)


def test_log_has_both_losses_accuracies_tokens_and_speed(whole_run):
    line = next(line for line in history(whole_run) if line.get("step") == 3 and "loss" in line)
    names = {
        "loss",
        "mlm_loss",
        "nsp_loss",
        "mlm_accuracy",
        "nsp_accuracy",
        "nsp_balanced_accuracy",
        "learning_rate",
        "grad_norm",
    }
    assert names | {
        "tokens_seen",
        "pairs_seen",
        "tokens_per_second",
        "gemm_utilization",
        "data_wait_share",
        "epoch",
    } <= set(line)
    assert 0 < line["gemm_utilization"] < 1
    assert 0 < line["data_wait_share"] < 1
    assert line["loss"] == pytest.approx(line["mlm_loss"] + line["nsp_loss"], rel=1e-5)
    assert line["pairs_seen"] == 24
    evaluation = [line for line in history(whole_run) if "eval_mlm_loss" in line]
    assert evaluation[-1]["eval_perplexity"] == pytest.approx(2.718281828 ** evaluation[-1]["eval_mlm_loss"], rel=1e-4)


@pytest.mark.parametrize(
    ("schedule", "shares"),
    [
        ("linear", [0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]),
        ("constant_with_warmup", [0, 0.5, 1, 1, 1, 1, 1, 1, 1, 1]),
        ("warmup_stable_decay", [0, 0.5, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25]),
    ],
)
def test_learning_rate_follows_the_schedule(prepared, corpus_file, tmp_path, schedule, shares):
    settings = {
        "training.lr_scheduler_type": schedule,
        "training.warmup_share": "0.2",
        "training.decay_share": "0.4",
        "training.max_steps": "10",
    }
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file, **NO_DROPOUT, **settings)
    pretrain(recipe)
    assert [line["learning_rate"] / 1e-3 for line in history(recipe) if "loss" in line] == pytest.approx(shares)


def test_decay_spares_biases_and_layer_norms(prepared, corpus_file, tmp_path):
    trainer = make_trainer(run_folder_of(prepared, tmp_path / "run", corpus_file, **{"training.weight_decay": "0.01"}))
    decayed, spared = sorted(trainer.create_optimizer().param_groups, key=lambda group: -group["weight_decay"])
    names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.01, 0)
    assert {id(parameter) for group in (decayed, spared) for parameter in group["params"]} == set(names)
    assert all("bias" in names[id(parameter)] or "LayerNorm" in names[id(parameter)] for parameter in spared["params"])
    assert not any(
        "bias" in names[id(parameter)] or "LayerNorm" in names[id(parameter)] for parameter in decayed["params"]
    )


def test_a_run_that_goes_on_reads_no_row_of_the_steps_before(prepared, corpus_file, tmp_path, monkeypatch):
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file, **NO_DROPOUT)
    trainer = make_trainer(recipe)
    trainer.add_callback(_StopAfter(4))
    trainer.train()
    read = []
    fetch = PairRows.__getitems__
    monkeypatch.setattr(PairRows, "__getitems__", lambda rows, places: read.extend(places) or fetch(rows, places))
    trainer = make_trainer(recipe)
    trainer.train(resume_from_checkpoint=str(newest_complete_checkpoint(checkpoint_folder(recipe))))
    steps = list(StepSampler(PairRows(trainer.train_dataset), 8, 8, 6, recipe.seed, True, 0, 1))
    validation = [(0, index) for index in range(len(trainer.eval_dataset))]
    assert sorted(read) == sorted([place for batch in steps[3:] for place in batch] + validation)


@pytest.mark.parametrize(
    ("workers", "refresh", "optimizer"),
    [("0", "false", "adamw"), ("2", "false", "muon"), ("0", "true", "muon"), ("2", "true", "adamw")],
)
def test_a_run_that_goes_on_is_the_run_that_would_have_been(
    prepared, corpus_file, tmp_path, workers, refresh, optimizer
):
    """Bit for bit, with dropout: losses, weights. The second run is stopped after the checkpoint of step 3, in epoch 2
    of small epochs.
    """
    overrides = {
        "pairs.refresh_every_epoch": refresh,
        "training.optimizer": optimizer,
        "training.global_batch_size": "64",
        "training.dataloader_num_workers": workers,
        "training.per_device_batch_size": "4",
        "training.dropout": "0.1",
        "training.eval_steps": "6",
    }
    whole = run_folder_of(prepared, tmp_path / "whole", corpus_file, **overrides)
    pretrain(whole)
    stopped = run_folder_of(prepared, tmp_path / "stopped", corpus_file, **overrides)
    trainer = make_trainer(stopped)
    trainer.add_callback(_StopAfter(4))
    trainer.train()
    assert not (stopped.folder / "model").exists()
    pretrain(stopped)
    assert losses(stopped)[-3:] == losses(whole)[-3:]
    assert all(torch.equal(tensor, weights(whole)[name]) for name, tensor in weights(stopped).items())
    assert [line["tokens_seen"] for line in history(stopped) if "loss" in line][-1] == [
        line["tokens_seen"] for line in history(whole) if "loss" in line
    ][-1]
    before = [read_json(recipe.folder / "training.json")["seconds_before_resume"] for recipe in (whole, stopped)]
    first = [line for line in history(stopped) if line["step"] <= 3 and "loss" in line]
    assert before[0] == 0.0
    assert first[0]["tokens_seen"] / first[0]["tokens_per_second"] <= before[1] < 600


class _StopAfter(transformers.TrainerCallback):
    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step >= self._step
        return control


def test_evaluation_scores_each_pair_once_with_the_same_masks_each_time(prepared, corpus_file, tmp_path):
    recipe = run_folder_of(
        prepared, tmp_path / "run", corpus_file, **{"training.eval_pairs": "7", "training.per_device_batch_size": "2"}
    )
    trainer = make_trainer(recipe)
    assert len(trainer.eval_dataset) == 7
    first, second = trainer.evaluate(), trainer.evaluate()
    assert {name: first[name] for name in first if name.startswith("eval_mlm")} == {
        name: second[name] for name in second if name.startswith("eval_mlm")
    }
    batch = make_collator(recipe, trainer.processing_class)(trainer.eval_dataset.to_list())
    with torch.no_grad():
        assert first["eval_mlm_loss"] + first["eval_nsp_loss"] == pytest.approx(
            trainer.model.eval()(**batch).loss.item(), rel=1e-5
        )


def test_a_diverged_run_stops_with_one_line_and_keeps_its_checkpoint(prepared, corpus_file, tmp_path):
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file, **{"training.save_steps": "2"})
    trainer = make_trainer(recipe)
    trainer.add_callback(_BreakAfter(3))
    with pytest.raises(
        InputError, match=r"step 4: the loss is not finite on rank 0 \(row_id .*Lower training.learning_rate"
    ):
        trainer.train()
    kept = newest_complete_checkpoint(checkpoint_folder(recipe))
    assert kept is not None
    assert kept.name == "checkpoint-2"
    assert all(torch.isfinite(tensor).all() for tensor in load_model(kept).state_dict().values())


class _BreakAfter(transformers.TrainerCallback):
    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_end(self, args, state, control, model=None, **kwargs):
        if state.global_step == self._step:
            with torch.no_grad():
                model.bert.embeddings.LayerNorm.weight[0] = float("nan")


@pytest.mark.slow
@pytest.mark.parametrize("batch", [("16", "16"), ("16", "4")])
def test_two_processes_give_the_losses_of_one(tmp_path, corpus_file, batch):
    """`torchrun --nproc_per_node 2 scripts/pretrain.py` at the same global batch, dropout 0: within 1e-4 at every
    step.
    """
    settings = {
        "training.global_batch_size": batch[0],
        "training.per_device_batch_size": batch[1],
        "training.max_steps": "20",
        **NO_DROPOUT,
    }
    recipe = small_recipe(corpus_file, tmp_path / "one", **settings)
    run_all(recipe)
    shutil.copytree(recipe.folder, tmp_path / "two")
    for name in ("model", "checkpoints", "training.json", "evaluation.json"):
        path = tmp_path / "two" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    config = tmp_path / "two.yaml"
    config.write_text(recipe.to_yaml())
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node",
        "2",
        "--master_port",
        "29617",
        "scripts/pretrain.py",
        str(config),
    ]
    command += [f"--run_dir={tmp_path / 'two'}", "--training.max_steps=20", "--training.use_cpu=true"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "pretrain: 2 process(es)" in done.stdout
    other = small_recipe(corpus_file, tmp_path / "two", **settings)
    assert len(losses(other)) == 20
    for one, two in zip(losses(recipe), losses(other), strict=True):
        assert one == pytest.approx(two, abs=1e-4)
    evaluations = [
        [line["eval_mlm_loss"] for line in history(run) if "eval_mlm_loss" in line] for run in (recipe, other)
    ]
    assert evaluations[0] == pytest.approx(evaluations[1], abs=1e-4)
