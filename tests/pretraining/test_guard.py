import json
import os
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from conftest import ROOT
from injection import Inject
from small_run import run_folder_of

from recipe.errors import InputError
from recipe.model.bert import load_model
from recipe.pretraining import run as pretraining_run
from recipe.pretraining.checkpoints import all_finite, newest_complete_checkpoint, write_manifest
from recipe.pretraining.guard import EXIT_STATUS, Guard, Preempted, explain_lost_rank
from recipe.pretraining.run import checkpoint_folder, make_trainer, save_model
from recipe.processes import processes_asked_for
from recipe.records import write_recipe


def trained(trainer):
    """Train as the stage does: a bad last step is found too."""
    trainer.train()
    trainer.end_if_not_finite()


@pytest.mark.parametrize("logging", ["1", "50"])
@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("where", ["weight", "gradient"])
@pytest.mark.parametrize("step", [1, 2, 5])
def test_a_bad_number_changes_no_weight_and_ends_the_run(prepared, corpus_file, tmp_path, where, value, step, logging):
    """Before a save step (2), at it, and at the last step."""
    recipe = run_folder_of(
        prepared, tmp_path / "run", corpus_file, **{"training.save_steps": "2", "training.logging_steps": logging}
    )
    trainer = make_trainer(recipe)
    trainer.add_callback(Inject(where, float(value), step))
    with pytest.raises(InputError, match=rf"^step {step + 1}: the (loss|gradient) is not finite.*last checkpoint"):
        trained(trainer)
    kept = newest_complete_checkpoint(checkpoint_folder(recipe))
    assert (kept is None) == (step < 2)
    if kept is not None:
        assert all_finite(load_model(kept).state_dict().values())
    if where == "gradient":
        assert all_finite(trainer.model.parameters()), "the update was applied"


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_so_many_bad_steps_are_skipped_as_the_recipe_allows(prepared, corpus_file, tmp_path, capsys, limit):
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file, **{"training.max_skipped_steps": str(limit)})
    trainer = make_trainer(recipe)
    for step in (1, 3):
        trainer.add_callback(Inject("gradient", float("nan"), step))
    if limit < 2:
        with pytest.raises(InputError, match=rf"^step {(2, 4)[limit]}: the gradient is not finite"):
            trained(trainer)
    else:
        trained(trainer)
        losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
        assert np.isfinite(losses).all()
        found = capsys.readouterr().out
        assert "the update was skipped (1 of 2 allowed)" in found
        assert "the update was skipped (2 of 2 allowed)" in found


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_skipped_step_leaves_weights_and_moments_as_they_were(prepared, corpus_file, tmp_path, optimizer):
    overrides = {"training.max_skipped_steps": "1", "training.optimizer": optimizer}
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file, **overrides)
    trainer, seen = make_trainer(recipe), []

    class Watch(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, model=None, optimizer=None, **kwargs):
            moments = [value for entry in optimizer.optimizer.state.values() for value in entry.values()]
            seen.append([tensor.clone() for tensor in (*model.parameters(), *moments)])

    trainer.add_callback(Inject("gradient", float("nan"), 2))
    trainer.add_callback(Watch())
    trainer.train()
    assert all(torch.equal(one, other) for one, other in zip(seen[1], seen[2], strict=True))
    assert not all(torch.equal(one, other) for one, other in zip(seen[2], seen[3], strict=True))


def test_no_model_with_a_bad_weight_is_written(prepared, corpus_file, tmp_path):
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file)
    trainer = make_trainer(recipe)
    with torch.no_grad():
        trainer.model.cls.predictions.bias[3] = float("inf")
    with pytest.raises(InputError, match="a weight of the model is not finite"):
        save_model(trainer, recipe.folder / "model")
    assert not (recipe.folder / "model").exists()
    with pytest.raises(InputError, match="a weight or a moment of the optimizer is not finite"):
        trainer.end_if_not_finite()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT])
def test_a_signal_saves_after_the_step_and_the_rest_is_the_run_that_would_have_been(
    prepared, corpus_file, tmp_path, capsys, number
):
    whole = run_folder_of(prepared, tmp_path / "whole", corpus_file)
    pretraining_run.pretrain(whole)
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file, **{"training.save_steps": "100"})

    class Signal(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 4:
                os.kill(os.getpid(), number)

    make = pretraining_run.make_trainer

    def with_signal(*arguments):
        trainer = make(*arguments)
        trainer.add_callback(Signal())
        return trainer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretraining_run, "make_trainer", with_signal)
        with pytest.raises(SystemExit) as ended:
            pretraining_run.pretrain(recipe)
    assert ended.value.code == EXIT_STATUS == 85
    assert newest_complete_checkpoint(checkpoint_folder(recipe)).name == "checkpoint-4"
    assert f"{signal.Signals(number).name}: a checkpoint was saved" in capsys.readouterr().out
    assert not (recipe.folder / "model").exists()
    pretraining_run.pretrain(recipe)
    one, other = (load_model(each.folder / "model").state_dict() for each in (whole, recipe))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_control_c_reaches_loader_processes_too_and_saves(prepared, corpus_file, tmp_path):
    keys = {"training.save_steps": "100", "training.dataloader_num_workers": "1"}
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file, **keys)
    write_recipe(recipe.folder, recipe)
    # A terminal sends it to all processes of the group.
    code = f"""
import os, signal, transformers
from pathlib import Path
from recipe.config_file import load_recipe
from recipe.pretraining import run
class Stop(transformers.TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 4:
            os.killpg(0, signal.SIGINT)
make = run.make_trainer
def with_stop(*arguments):
    trainer = make(*arguments)
    trainer.add_callback(Stop())
    return trainer
run.make_trainer = with_stop
run.pretrain(load_recipe(Path({str(recipe.folder / "recipe.yaml")!r})))
"""
    command, environment = [sys.executable, "-c", code], {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, start_new_session=True
    )
    assert ran.returncode == EXIT_STATUS, ran.stderr[-2000:]
    assert "SIGINT: a checkpoint was saved" in ran.stdout
    assert "Traceback" not in ran.stderr
    assert newest_complete_checkpoint(checkpoint_folder(recipe)).name == "checkpoint-4"


def test_a_second_signal_ends_at_once_and_the_same_one_twice_does_not(tmp_path):
    code = (
        "import os, signal, sys, time; from pathlib import Path; from recipe.pretraining.guard import Guard\n"
        f"with Guard(Path({str(tmp_path)!r}), 0, 1, 600) as guard:\n"
        "    os.kill(os.getpid(), signal.SIGTERM); os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print(guard.reason, flush=True); time.sleep(1.2); os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.stdout == "SIGTERM\n"
    assert ran.returncode == -signal.SIGTERM


def test_handlers_are_as_before_after_training(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with Guard(tmp_path, 0, 1, 600) as guard:
        assert signal.getsignal(signal.SIGTERM) != before
        assert guard.reason == ""
    assert signal.getsignal(signal.SIGTERM) == before


def beat(folder, rank, **values):
    (folder / "heartbeats").mkdir(exist_ok=True)
    text = {"step": 7, "phase": "in a step", "time": time.time(), "host": f"node{rank}", "pid": 100 + rank, **values}
    (folder / "heartbeats" / f"rank-{rank}.json").write_text(json.dumps(text))


@pytest.mark.parametrize(
    ("odd", "named"),
    [
        ({"time": time.time() - 90}, "rank 1 (node1, process 101) was last heard of in a step after step 7"),
        ({"step": 6}, "rank 1 (node1, process 101) is behind in a step after step 6"),
        ({"phase": "reading rows"}, "rank 1 (node1, process 101) is busy reading rows after step 7"),
        ({}, "all ranks are alive after step 7"),
    ],
)
def test_the_rank_that_hangs_is_named(tmp_path, odd, named):
    guard = Guard(tmp_path, 0, 3, 60)
    for rank in range(3):
        beat(tmp_path, rank, **(odd if rank == 1 else {}))
    assert named in guard.slow_ranks()
    found = explain_lost_rank(RuntimeError("[gloo] Timed out waiting 60000ms for recv operation"), guard, 60)
    assert named in str(found)
    assert explain_lost_rank(RuntimeError("mat1 and mat2 shapes cannot be multiplied"), guard, 60) is None


def test_heartbeats_that_are_damaged_or_absent_are_no_error(tmp_path):
    guard = Guard(tmp_path, 0, 2, 60)
    assert guard.slow_ranks() == "no rank left a heartbeat"
    beat(tmp_path, 0)
    (tmp_path / "heartbeats" / "rank-1.json").write_text("{")
    assert "alive" in guard.slow_ranks()


def test_a_failed_save_is_removed_and_training_goes_on_while_an_older_checkpoint_stands(
    prepared, corpus_file, tmp_path, monkeypatch, capsys
):
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file, **{"training.save_steps": "2"})
    trainer = make_trainer(recipe)
    save = transformers.Trainer._save_checkpoint

    def failing(self, model, trial):
        # At step 6: what the failed save left takes no room.
        assert not (checkpoint_folder(recipe) / "checkpoint-4").exists()
        save(self, model, trial)
        if self.state.global_step == 4:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(transformers.Trainer, "_save_checkpoint", failing)
    trainer.train()
    assert "step 4: no checkpoint could be written" in capsys.readouterr().out
    folder = checkpoint_folder(recipe)
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint-2", "checkpoint-6"]


@pytest.mark.parametrize("free", [0, 10**12])
def test_without_room_for_the_first_checkpoint_the_run_ends_in_one_line(
    prepared, corpus_file, tmp_path, monkeypatch, free
):
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file, **{"training.save_steps": "2"})
    trainer = make_trainer(recipe)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=free))
    if free:
        trainer.train()
        return
    with pytest.raises(InputError, match=r"step 2: no checkpoint could be written.*none from before; free some space"):
        trainer.train()
    assert not list(checkpoint_folder(recipe).iterdir())


def test_with_one_checkpoint_kept_there_always_is_one(prepared, corpus_file, tmp_path, monkeypatch):
    recipe = run_folder_of(
        prepared, tmp_path / "run", corpus_file, **{"training.save_steps": "1", "training.save_total_limit": "1"}
    )
    trainer, complete = make_trainer(recipe), []
    write = "recipe.pretraining.guarded_trainer.write_manifest"

    def watched(folder, about):
        complete.append(newest_complete_checkpoint(folder.parent))
        original(folder, about)

    from recipe.pretraining.checkpoints import write_manifest as original

    monkeypatch.setattr(write, watched)
    trainer.train()
    assert [path and path.name for path in complete] == [None, *(f"checkpoint-{step}" for step in range(1, 6))]
    assert [path.name for path in checkpoint_folder(recipe).iterdir()] == ["checkpoint-6"]


def test_a_loss_far_above_that_of_token_frequencies_is_said(prepared, corpus_file, tmp_path, capsys):
    settings = {"training.learning_rate": "10", "training.warmup_share": "0", "training.max_steps": "6"}
    trainer = make_trainer(run_folder_of(prepared, tmp_path / "run", corpus_file, **settings))
    trainer.train()
    found = capsys.readouterr().out
    assert found.count("pretrain: warning: the MLM loss was") == 2, "once when it happens, once at the end"
    assert "training diverged; lower training.learning_rate" in found


@pytest.mark.parametrize(
    ("words", "config", "expected"),
    [
        (["accelerate", "launch", "--cpu", "--num_processes", "2", "x.py"], None, 2),
        (["accelerate", "launch", "--num_processes=4", "x.py"], None, 4),
        (["accelerate", "launch", "--config_file", "CONFIG", "x.py"], "num_processes: 8\n", 8),
        (["accelerate", "launch", "--config_file", "CONFIG", "x.py"], "[", 0),
        (["bash"], None, 0),
    ],
)
def test_what_the_launcher_was_asked_for(tmp_path, monkeypatch, words, config, expected):
    if config is not None:
        (tmp_path / "config.yaml").write_text(config)
        words = [str(tmp_path / "config.yaml") if word == "CONFIG" else word for word in words]
    monkeypatch.setattr("recipe.processes.Path.read_text", _cmdline(words))
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert processes_asked_for() == expected
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION")
    assert processes_asked_for() == 0


def _cmdline(words):
    from pathlib import Path

    read = Path.read_text
    return lambda path, *rest: "\0".join(words) if str(path).startswith("/proc") else read(path, *rest)


def test_preempted_is_no_error_of_input():
    assert not issubclass(Preempted, InputError)


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return (open, (str(self._path), "w"))


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_code_in_a_checkpoint_is_not_run(prepared, corpus_file, tmp_path, name):
    recipe = run_folder_of(prepared, tmp_path / "run", corpus_file, **{"training.save_steps": "2"})
    pretraining_run.pretrain(recipe)
    shutil.rmtree(checkpoint_folder(recipe) / "checkpoint-6")
    newest = checkpoint_folder(recipe) / "checkpoint-4"
    torch.save(Evil(tmp_path / "was_run"), newest / name)
    # Whoever can write a state can write its manifest.
    write_manifest(newest, {})
    with pytest.raises(InputError, match="contains code instead of a state, which was not run"):
        pretraining_run.pretrain(recipe)
    assert not (tmp_path / "was_run").exists()
