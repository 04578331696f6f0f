"""The stage "task" of a recipe on a made-up task whose entities are a fixed list of words: it must be learned."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_task import SENTENCES, encode_sentences, made_up_sentences, write_checkpoint, write_task
from made_up_texts import WORDS, write_texts
from transformers import AutoModelForTokenClassification, AutoTokenizer

from recipe.config import Recipe, TaskConfig, TrainingConfig
from recipe.errors import InputError
from recipe.records import write_recipe
from recipe.report.key_numbers import baseline_of
from recipe.report.model_card import write_model_card
from recipe.report.report import write_report
from recipe.tasks import catalog
from recipe.tasks.data.columns import count_entities
from recipe.tasks.experiments import experiment
from recipe.tasks.experiments.stage import finetune_task, summarize, task_inputs
from recipe.tasks.finetuning.inference import predict
from recipe.tasks.finetuning.settings import grid_of

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def task_folder(tmp_path_factory) -> Path:
    return write_task(tmp_path_factory.mktemp("made-up"))


@pytest.fixture
def recipe(tmp_path, task_folder) -> Recipe:
    return make_recipe(tmp_path / "run", task_folder)


@pytest.fixture(scope="module")
def done(tmp_path_factory, task_folder) -> Recipe:
    """A recipe whose stage has run; tests must not change its folder."""
    recipe = make_recipe(tmp_path_factory.mktemp("done") / "run", task_folder)
    finetune_task(recipe)
    return recipe


def make_recipe(run_dir: Path, task_folder: Path) -> Recipe:
    write_checkpoint(run_dir / "model")
    task = TaskConfig(
        name=str(task_folder),
        baselines=["random", "dictionary"],
        max_seq_length=12,
        learning_rate=[1e-2],
        batch_size=[16],
        num_train_epochs=6,
        seeds=[1, 2],
    )
    return Recipe(run_dir=str(run_dir), task=task, training=TrainingConfig(use_cpu=True))


def changed(recipe: Recipe, **values) -> Recipe:
    return replace(recipe, task=replace(recipe.task, **values))


def scores_of(recipe: Recipe) -> dict:
    return json.loads((recipe.folder / "task" / "scores.json").read_text())


def test_a_learnable_task_is_learned_and_everything_is_recorded(done, task_folder):
    scores = scores_of(done)
    assert scores["systems"]["pretrained"]["mean"] > 0.9
    names = ["pretrained", "random_initialisation", "dictionary", "dictionary_of_reliable_mentions"]
    assert list(scores["systems"]) == names
    assert (scores["task"], scores["task_type"], scores["score"]) == (task_folder.name, "ner", "f1")
    assert scores["counts"]["sentences"] == SENTENCES
    for split in ("devel", "test"):
        assert scores["counts"]["entities"][split] == count_entities(made_up_sentences(split))
    assert scores["settings"] == done.settings("task")
    for system in list(scores["systems"].values())[:2]:
        assert list(system) == ["mean", "deviation", "columns", "reasons", "test_evaluations", "runs"]
        assert [run["seed"] for run in system["runs"]] == done.task.seeds
        assert system["test_evaluations"] == 1
        for run in system["runs"]:
            assert run["seen"]["support"] + run["unseen"]["support"] == scores["counts"]["entities"]["test"]
            assert 0 <= run["f1"] <= 1
            assert 1 <= run["best_epoch"] <= 6


def test_predictions_agree_with_the_scores(done):
    gold = made_up_sentences("test")
    for run in scores_of(done)["systems"]["pretrained"]["runs"]:
        path = done.folder / "task" / "pretrained" / "predictions" / f"seed-{run['seed']}.tsv"
        blocks = [
            [line.split("\t") for line in block.split("\n") if line]
            for block in path.read_text(encoding="utf-8").split("\n\n")
            if block.strip("\n")
        ]
        assert [[row[0] for row in block] for block in blocks] == [sentence.words for sentence in gold]
        assert [[row[1] for row in block] for block in blocks] == [sentence.tags for sentence in gold]
        tags = [[[row[column] for row in block] for block in blocks] for column in (1, 2)]
        assert slow_f1(*tags) == pytest.approx(run["f1"])


def slow_f1(gold: list[list[str]], predicted: list[list[str]]) -> float:
    found = [slow_entities(gold), slow_entities(predicted)]
    return 2 * len(found[0] & found[1]) / (len(found[0]) + len(found[1]))


def slow_entities(sentences: list[list[str]]) -> set:
    entities = set()
    for number, tags in enumerate(sentences):
        for start, tag in enumerate(tags):
            if tag[0] == "B":
                stop = start + 1
                while stop < len(tags) and tags[stop] == "I" + tag[1:]:
                    stop += 1
                entities.add((number, start, stop, tag))
    return entities


def test_the_saved_model_is_the_best_and_a_standard_one(done):
    folder = done.folder / "task" / "pretrained" / "model"
    model, tokenizer = AutoModelForTokenClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    labels = ["O", "B-Chemical", "I-Chemical"]
    assert model.config.id2label == dict(enumerate(labels))
    assert model.config.label2id == {label: index for index, label in enumerate(labels)}
    split = encode_sentences(made_up_sentences("test"), tokenizer, 12)
    best = max(scores_of(done)["systems"]["pretrained"]["runs"], key=lambda run: run["devel_score"])
    assert split.score(predict(model, split.rows, 0))["f1"] == pytest.approx(best["f1"])


def test_a_rerun_trains_nothing_and_a_changed_setting_does(recipe, monkeypatch, capsys):
    recipe = changed(recipe, num_train_epochs=1, seeds=[3], baselines=[])
    finetune_task(recipe)
    trained, whole = [], experiment.train_once

    def spied(materials, settings, pretrained, seed):
        trained.append((settings.num_train_epochs, seed))
        return whole(materials, settings, pretrained, seed)

    monkeypatch.setattr(experiment, "train_once", spied)
    finetune_task(recipe)
    assert not trained
    finetune_task(changed(recipe, num_train_epochs=2))
    assert trained == [(2, 3)]
    assert scores_of(recipe)["systems"]["pretrained"]["test_evaluations"] == 2
    write_recipe(recipe.folder, recipe)
    write_report(recipe.folder)
    write_model_card(recipe.folder)
    assert "2 test evaluations" in (recipe.folder / "model" / "README.md").read_text()
    assert ">test evaluations<" in (recipe.folder / "report.html").read_text()


def test_random_initialisation_has_the_learning_rate_of_the_model_unless_it_has_its_own(recipe):
    for values, rate in (({}, 1e-2), ({"random_learning_rate": [0.5]}, 0.5)):
        config = changed(recipe, **values).task
        points = [grid_of(config, pretrained) for pretrained in (True, False)]
        assert [[point.learning_rate for point in grid] for grid in points] == [[1e-2], [rate]]


def test_a_part_of_an_epoch_and_of_the_examples(recipe):
    recipe = changed(recipe, num_train_epochs=0.5, seeds=[3], baselines=[], max_train_examples=40, max_test_examples=5)
    finetune_task(recipe)
    scores = scores_of(recipe)
    assert list(scores["systems"]) == ["pretrained"]
    assert scores["systems"]["pretrained"]["runs"][0]["best_epoch"] == 1
    assert scores["counts"]["sentences"] == {"train": 40, "devel": 24, "test": 5}
    assert scores["counts"]["entities"]["test"] == count_entities(made_up_sentences("test")[:5])
    assert baseline_of(scores) is None


@pytest.mark.parametrize(
    ("name", "baseline", "expected"),
    [
        ("pubmedqa", "majority", "accuracy on test"),
        ("hoc", "majority", "micro F1 over the labels of documents on test"),
        ("biosses", "shared_words", "Pearson"),
        ("ebm-nlp", "dictionary", "macro F1 over the types of words on test"),
        ("chemprot", "majority", "micro F1 over the relations on test"),
    ],
)
def test_any_task_type_runs_and_is_in_report_and_card(tmp_path, name, baseline, expected):
    run_dir = tmp_path / "run"
    write_checkpoint(run_dir / "model", WORDS)
    task = TaskConfig(
        name=name,
        data=str(write_texts(name, tmp_path / "data")),
        baselines=[baseline],
        max_seq_length=24,
        num_train_epochs=1,
        seeds=[1],
        max_train_examples=60,
    )
    recipe = Recipe(run_dir=str(run_dir), task=task, training=TrainingConfig(use_cpu=True))
    finetune_task(recipe)
    scores = scores_of(recipe)
    assert list(scores["systems"]) == ["pretrained", baseline]
    write_recipe(recipe.folder, recipe)
    write_report(recipe.folder)
    write_model_card(recipe.folder)
    page, card = (run_dir / "report.html").read_text(), (run_dir / "model" / "README.md").read_text()
    assert expected in page
    assert f", {baseline.replace('_', ' ')} |" in card
    assert f"type: {scores['hub_task']}" in card
    for column in scores["columns"]:
        assert f">{column.replace('.', ' ').replace('_', ' ').replace('f1', 'F1')}<" in page


def test_means_and_sample_deviation_of_the_runs():
    runs = [{"f1": 0.5, "seen": {"recall": 0.6}}, {"f1": 0.7, "seen": {"recall": 0.8}}]
    summary = summarize({"runs": runs}, "f1", ("seen.recall",))
    assert (summary["mean"], summary["columns"]) == (pytest.approx(0.6), {"seen.recall": pytest.approx(0.7)})
    assert summary["deviation"] == pytest.approx(0.2 / math.sqrt(2))
    assert summarize({"runs": runs[:1]}, "f1", ())["deviation"] is None, "of one run no deviation is known"


def test_what_is_missing_is_named(recipe, tmp_path):
    with pytest.raises(InputError, match=r"task\.name is null; set it"):
        finetune_task(changed(recipe, name=None))
    with pytest.raises(InputError, match=r"run `domain-bert pretrain` first"):
        finetune_task(replace(recipe, run_dir=str(tmp_path / "absent")))
    with pytest.raises(InputError, match=r"max_seq_length is 64, but .* has 32 positions"):
        finetune_task(changed(recipe, max_seq_length=64))
    with pytest.raises(InputError, match=r"task\.data is 'x', but task\.name is null"):
        changed(recipe, name=None, data="x")


def test_inputs_are_the_tasks_files_and_the_weights_of_baselines(recipe, task_folder):
    files = {f"{split}.tsv" for split in SENTENCES}
    assert {path.name for path in task_inputs(recipe)} == files
    with_checkpoint = changed(recipe, baselines=[str(recipe.folder / "model")])
    assert {path.name for path in task_inputs(with_checkpoint)} == {*files, "model.safetensors"}
    assert task_inputs(changed(recipe, name=None)) == []
    with pytest.raises(InputError, match="baseline 'oracle' is not known; it takes random, dictionary"):
        task_inputs(changed(recipe, baselines=["oracle"]))


def test_a_process_parses_a_task_once_and_sees_a_changed_file(recipe, task_folder, tmp_path, monkeypatch):
    folder = write_task(tmp_path)
    parsed, whole = [], catalog.read_checked
    monkeypatch.setattr(catalog, "read_checked", lambda *arguments: (parsed.append(1), whole(*arguments))[1])
    for _ in range(3):
        task_inputs(changed(recipe, name=str(folder)))
    assert len(parsed) == 1
    with open(folder / "test.tsv", "a") as file:
        file.write("\nzinc\tB-Chemical\n")
    task_inputs(changed(recipe, name=str(folder)))
    assert len(parsed) == 2


def test_several_processes_are_refused(recipe, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="one process"):
        finetune_task(recipe)
