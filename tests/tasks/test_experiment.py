"""The protocol end to end on a made-up task: choice on devel, resume, shards, test evaluations, baselines."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT, run_script
from made_up_task import SENTENCES, made_up_sentences, write_checkpoint, write_task

from recipe.config import TaskConfig
from recipe.errors import InputError
from recipe.tasks.data.columns import count_entities
from recipe.tasks.experiments import experiment
from recipe.tasks.experiments.command import finetune, make_plan, slug
from recipe.tasks.experiments.results import system_title
from recipe.tasks.experiments.runs import System

pytestmark = pytest.mark.usefixtures("one_thread")
SETTINGS = {
    "learning_rate": "1e-2,1e-5",
    "random_learning_rate": "1e-2",
    "batch_size": "16",
    "seeds": "1,2",
    "num_train_epochs": "3",
    "max_seq_length": "12",
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "task").mkdir()
    return {"model": str(write_checkpoint(folder / "checkpoint")), "task": str(write_task(folder / "task"))}


def run(inputs: dict, output: Path, overrides: dict | None = None, **options) -> None:
    defaults = {"data": None, "protocol": "quick", "baseline": [], "shard": None, "reuse_test": False, "use_cpu": True}
    finetune(**{**inputs, **defaults, "output": output, "overrides": {**SETTINGS, **(overrides or {})}, **options})


@pytest.fixture(scope="module")
def done(inputs, tmp_path_factory) -> Path:
    """A finished experiment with two baselines; tests must not change it."""
    output = tmp_path_factory.mktemp("done") / "out"
    run(inputs, output, baseline=["random", "dictionary"])
    return output


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_setting_that_is_best_on_devel_is_chosen_and_all_seeds_are_run(done):
    result = read(done / "pretrained" / "result.json")
    assert result["chosen"] == {"learning_rate": 0.01, "batch_size": 16}
    by_setting = result["devel_by_setting"]
    assert by_setting["learning rate 0.01, batch 16"] > 0.8 > by_setting["learning rate 1e-05, batch 16"]
    assert [one["seed"] for one in result["runs"]] == [1, 2]
    assert result["test_evaluations"] == 1
    for one in result["runs"]:
        assert (
            one["support"]
            == count_entities(made_up_sentences("test"))
            == one["seen"]["support"] + one["unseen"]["support"]
        )
        assert {"f1", "conlleval", "per_type", "devel_score", "best_epoch", "epochs", "seconds"} <= set(one)


def test_models_are_kept_only_where_they_are_wanted(done):
    assert (done / "pretrained" / "model" / "model.safetensors").is_file()
    assert not list(done.glob("*/runs/*/model"))
    # Two points of the grid with one seed, and the second seed of the chosen one; the baseline has one point.
    assert len(list((done / "pretrained" / "runs").iterdir())) == 3
    assert len(list((done / "random_initialisation" / "runs").iterdir())) == 2


def test_predictions_hold_every_word_of_the_input(done):
    for seed in (1, 2):
        text = (done / "pretrained" / "predictions" / f"seed-{seed}.tsv").read_text(encoding="utf-8")
        blocks = [[line.split("\t") for line in block.split("\n") if line] for block in text.split("\n\n") if block]
        assert [[row[0] for row in block] for block in blocks] == [
            sentence.words for sentence in made_up_sentences("test")
        ]
        assert [[row[1] for row in block] for block in blocks] == [
            sentence.tags for sentence in made_up_sentences("test")
        ]


def test_baselines_are_in_the_same_table(done, inputs):
    lines = (done / "table.md").read_text().splitlines()
    assert lines[0].startswith("task: strict IOB2 entity F1 on test")
    systems = {line.split(" | ")[0].strip("| ") for line in lines[4:] if line.startswith("|")}
    assert systems == {
        "pretrained",
        f"random initialisation of {inputs['model']}",
        "dictionary",
        "dictionary of reliable mentions",
    }
    assert read(done / "dictionary" / "result.json")["runs"][0]["f1"] > 0.9
    # Training has all mentions of this task, so no system has such a recall.
    assert lines[4].split(" | ")[5] == "–"
    assert {f"{system}: no unseen recall, since no gold entity is unseen" for system in systems} <= {*lines}


def test_what_is_done_is_not_done_again(done, inputs, tmp_path, monkeypatch):
    shutil.copytree(done, tmp_path / "out")
    monkeypatch.setattr(experiment, "train_once", None)
    monkeypatch.setattr(experiment, "score_split", None)
    run(inputs, tmp_path / "out")
    # More seeds, a new selection: only the third seed is trained.
    trained = []

    def stop(*arguments):
        trained.append(arguments[-1])
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "train_once", stop)
    with pytest.raises(KeyboardInterrupt):
        run(inputs, tmp_path / "out", {"seeds": "1,2,3"}, reuse_test=True)
    assert trained == [3]


def test_the_test_split_is_evaluated_once_unless_a_flag_allows_it(done, inputs, tmp_path):
    shutil.copytree(done, tmp_path / "out")
    with pytest.raises(InputError, match=r"out/pretrained: test was evaluated on .* --reuse_test"):
        run(inputs, tmp_path / "out", {"learning_rate": "1e-2"})
    assert read(tmp_path / "out" / "pretrained" / "result.json") == read(done / "pretrained" / "result.json")
    run(inputs, tmp_path / "out", {"learning_rate": "1e-2"}, reuse_test=True)
    assert read(tmp_path / "out" / "pretrained" / "result.json")["test_evaluations"] == 2
    run(inputs, tmp_path / "out", {"learning_rate": "1e-2"})
    assert read(tmp_path / "out" / "pretrained" / "result.json")["test_evaluations"] == 2
    assert "pretrained (2 test evaluations)" in (tmp_path / "out" / "table.md").read_text()


def test_a_stopped_experiment_goes_on(done, inputs, tmp_path, monkeypatch):
    whole = experiment.train_once

    def stops_at_the_second_seed(*arguments):
        if arguments[-1] == 2:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(experiment, "train_once", stops_at_the_second_seed)
    with pytest.raises(KeyboardInterrupt):
        run(inputs, tmp_path / "out")
    assert not (tmp_path / "out" / "pretrained" / "test_evaluations.json").exists()
    monkeypatch.setattr(experiment, "train_once", whole)
    run(inputs, tmp_path / "out")
    found, expected = (read(output / "pretrained" / "result.json") for output in (tmp_path / "out", done))
    for result in (found, expected):
        for one in result["runs"]:
            del one["seconds"]
    assert found == expected


def test_shards_divide_the_runs(done, inputs, tmp_path, capsys):
    run(inputs, tmp_path / "out", shard="2/2")
    assert "runs of other shards are missing" in capsys.readouterr().out
    run(inputs, tmp_path / "out", shard="1/2")
    assert "runs of other shards are missing" in capsys.readouterr().out
    run(inputs, tmp_path / "out", shard="2/2")
    assert not (tmp_path / "out" / "pretrained" / "test_evaluations.json").exists(), "only shard 1 evaluates test"
    run(inputs, tmp_path / "out", shard="1/2")
    found, expected = (read(output / "pretrained" / "result.json")["runs"] for output in (tmp_path / "out", done))
    assert [one["f1"] for one in found] == [one["f1"] for one in expected]


def test_two_ranks_divide_the_runs_and_wait_for_each_other(done, inputs, tmp_path):
    overrides = [f"--{name}={value}" for name, value in SETTINGS.items()]
    command = [
        sys.executable,
        str(ROOT / "scripts" / "finetune.py"),
        "--protocol=quick",
        "--use_cpu",
        f"--output={tmp_path / 'out'}",
        *overrides,
    ]
    command += [f"--{name}={value}" for name, value in inputs.items()]
    ranks = [
        {**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1"}
        | {"MASTER_PORT": "29500"}
        for rank in (0, 1)
    ]
    processes = [
        subprocess.Popen(command, env=rank, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for rank in ranks
    ]
    printed = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    trained = [out.count(": devel f1 ") for out, _ in printed]
    assert sum(trained) == 3
    assert min(trained) >= 1
    found, expected = (read(output / "pretrained" / "result.json")["runs"] for output in (tmp_path / "out", done))
    assert [one["f1"] for one in found] == [one["f1"] for one in expected]


def test_the_comparison_of_two_systems(done):
    found = run_script("compare", str(done / "pretrained"), str(done / "random_initialisation"), "--samples", "500")
    assert found.returncode == 0, found.stderr
    assert f"500 paired samples of {SENTENCES['test']} sentences and 2 x 2 seeds" in found.stdout
    refused = run_script("compare", str(done), str(done / "pretrained"))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "contains no result.json" in refused.stderr


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--learning_rate=fast",), "--learning_rate is 'fast'; it takes a number"),
        (("--learning_rate=1e-5,1e-5",), "one or more different numbers"),
        (("--seeds=1.5",), "--seeds is 1.5; it takes a whole number"),
        (("--num_train_epochs=0",), "num_train_epochs is 0"),
        (("--protocol=blurp",), "--protocol is 'blurp'; it takes one of blurb, small, quick"),
        (("--task=bc5-chm",), "did you mean bc5-chem?"),
        (("--baseline=oracle",), "baseline 'oracle' is not known; it takes random, dictionary"),
        (("--baseline=random", "--baseline=random"), "name a system twice"),
        (("--shard=3/2",), "--shard is '3/2'"),
        (("--max_seq_length=64",), "has 32 positions"),
        (("--model=absent",), "absent/config.json: is missing"),
    ],
)
def test_bad_options_are_refused_in_one_line_before_torch_is_imported(inputs, tmp_path, options, part):
    words = [
        f"--{name}={value}"
        for name, value in {**inputs, "output": str(tmp_path / "out"), "max_seq_length": "12"}.items()
    ]
    done = run_script("finetune", *words, *options, PYTHONPROFILEIMPORTTIME="1")
    lines = done.stderr.splitlines()
    imported = {line.split("|")[-1].strip() for line in lines if line.startswith("import time:")}
    (line,) = [line for line in lines if not line.startswith("import time:")]
    assert done.returncode == 2
    assert line.startswith("error: ")
    assert part in line
    assert "recipe.tasks.catalog" in imported, "the imports were not seen"
    assert not imported & {"torch", "transformers", "datasets", "evaluate"}
    assert not (tmp_path / "out").exists()


def test_broken_weights_are_refused(inputs, tmp_path):
    shutil.copytree(inputs["model"], tmp_path / "checkpoint")
    (tmp_path / "checkpoint" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(InputError, match="contains no weights that load"):
        run({**inputs, "model": str(tmp_path / "checkpoint")}, tmp_path / "out")


def test_a_path_has_a_short_name():
    assert [slug(path) for path in ("runs/demo/model", "./bert", "random:/data/my bert/", "model")] == [
        "demo-model",
        "bert",
        "random-my_bert",
        "model",
    ]


def test_a_random_initialisation_is_called_so_as_model_and_as_baseline(inputs):
    config = TaskConfig(name=inputs["task"], baselines=[], max_seq_length=12)
    plan = make_plan(f"random:{inputs['model']}", config)
    assert plan.systems == [System("random_initialisation", Path(inputs["model"]), False)]
    result = {"system": "random_initialisation", "pretrained": False, "checkpoint": "runs/demo/model"}
    assert system_title(result) == "random initialisation of runs/demo/model"
    with pytest.raises(InputError, match="name a system twice"):
        make_plan(f"random:{inputs['model']}", replace(config, baselines=["random"]))
