"""Every task type of BLURB from its files to the table: a made-up rule, baselines, predictions, comparison."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_up_task import build_tokenizer, write_checkpoint
from made_up_texts import SIZES, WORDS, write_texts
from transformers import AutoModelForSequenceClassification, DistilBertConfig, DistilBertModel

from recipe.errors import InputError
from recipe.tasks.catalog import TASK_TYPES, read_named_task, task_table
from recipe.tasks.experiments.command import finetune
from recipe.tasks.experiments.comparison import compare

pytestmark = pytest.mark.usefixtures("one_thread")
SETTINGS = {
    "learning_rate": "3e-3",
    "random_learning_rate": "3e-3",
    "batch_size": "16",
    "seeds": "1,2",
    "num_train_epochs": "5",
    "max_seq_length": "24",
}
# A score that nothing but the rule gives; the baseline that each task type has.
AIMS = {
    "chemprot": (0.9, "majority"),
    "gad": (0.9, "majority"),
    "biosses": (0.9, "shared_words"),
    "hoc": (0.9, "majority"),
    "pubmedqa": (0.8, "majority"),
    "ebm-nlp": (0.9, "dictionary"),
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    # [CLS] of a model whose weights are as small as BERT's first ones learns nothing from a few hundred texts.
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "model", WORDS, initializer_range=0.2)


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def run(name: str, checkpoint: Path, folder: Path, baselines: list[str], **overrides: str) -> Path:
    data = write_texts(name, folder / "data")
    options = {"protocol": "quick", "shard": None, "reuse_test": False, "use_cpu": True}
    finetune(
        str(checkpoint),
        name,
        data,
        baseline=baselines,
        output=folder / "out",
        overrides={**SETTINGS, **overrides},
        **options,
    )
    return folder / "out"


@pytest.mark.parametrize("name", AIMS)
def test_a_rule_is_learned_and_every_example_is_scored_once(name, checkpoint, tmp_path, capsys):
    aim, baseline = AIMS[name]
    output = run(name, checkpoint, tmp_path, [baseline], num_train_epochs="14" if name == "hoc" else "5")
    task_type = TASK_TYPES[task_table()[name].type]
    result, of_baseline = (read(output / system / "result.json") for system in ("pretrained", baseline))
    assert [run["seed"] for run in result["runs"]] == [1, 2]
    assert min(run[task_type.score] for run in result["runs"]) > aim
    assert_units_add_up_to_the_score(output / "pretrained", result, task_type)
    assert_units_add_up_to_the_score(output / baseline, of_baseline, task_type)
    assert task_type.metric in (output / "table.md").read_text()
    found = compare([output / "pretrained"], [output / baseline], samples=200)
    assert f"of {SIZES['test']} {task_type.unit} and 2 x 1 seeds" in found.line()
    assert found.scores[0] == pytest.approx(np.mean([run[task_type.score] for run in result["runs"]]))
    assert "the paper counts" in capsys.readouterr().out


def assert_units_add_up_to_the_score(folder: Path, result: dict, task_type) -> None:
    for run in result["runs"]:
        units = task_type.units((folder / "predictions" / f"seed-{run['seed']}.tsv").read_text(encoding="utf-8"))
        assert len(units) == SIZES["test"]
        assert task_type.score_of(units.sum(0)) == pytest.approx(run[task_type.score], abs=1e-9)


def test_random_initialisation_is_a_baseline_and_the_model_is_a_standard_one(checkpoint, tmp_path):
    output = run("pubmedqa", checkpoint, tmp_path, ["random"], seeds="1")
    assert not read(output / "random_initialisation" / "result.json")["pretrained"]
    model = AutoModelForSequenceClassification.from_pretrained(output / "pretrained" / "model")
    assert model.config.architectures == ["BertForSequenceClassification"]
    assert model.config.problem_type == "single_label_classification"
    assert model.config.id2label == {0: "yes", 1: "no", 2: "maybe"}


def test_what_is_truncated_is_counted_printed_and_kept(checkpoint, tmp_path, capsys):
    output = run("bioasq", checkpoint, tmp_path, [], seeds="1", max_seq_length="16", num_train_epochs="1")
    (result,) = read(output / "pretrained" / "result.json")["runs"]
    assert 0 < result["truncated"] < SIZES["test"] == result["support"]
    assert (
        f" / {result['truncated']} texts (train / devel / test) are longer than 16 tokens and were truncated"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize("name", ["ddi", "bioasq"])
def test_the_other_tasks_of_a_type_are_read(name, tmp_path):
    named = read_named_task(name, write_texts(name, tmp_path / "data"))
    assert list(next(iter(named.task.counts().values())).values()) == list(SIZES.values())
    assert {*named.task.labels} >= {example.gold for example in named.task.test}


def test_the_length_of_the_table_is_taken_unless_one_is_named(checkpoint, tmp_path):
    data = write_texts("bioasq", tmp_path / "data")
    options = {
        "protocol": "quick",
        "shard": None,
        "reuse_test": False,
        "use_cpu": True,
        "baseline": [],
        "output": tmp_path / "out",
    }
    with pytest.raises(InputError, match=r"max_seq_length is 512, but .* has 32 positions"):
        finetune(str(checkpoint), "bioasq", data, overrides={}, **options)
    assert not (tmp_path / "out").exists()


def test_another_architecture_without_segments_is_fine_tuned_too(tmp_path):
    tokenizer = build_tokenizer(WORDS)
    sizes = {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 32}
    DistilBertModel(DistilBertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    output = run("bioasq", tmp_path / "model", tmp_path, [], seeds="1", num_train_epochs="1")
    (result,) = read(output / "pretrained" / "result.json")["runs"]
    assert result["support"] == SIZES["test"]
