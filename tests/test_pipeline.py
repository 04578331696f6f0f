import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from conftest import ROOT, run_script, small_recipe, write_corpus

from recipe.cli import main
from recipe.config_file import load_recipe
from recipe.errors import InputError
from recipe.pipeline import STAGES, run_all, run_stage, write_results
from recipe.pipeline.stages import BY_NAME
from recipe.pretraining.run import checkpoint_folder
from recipe.records import read_records, recorded_recipe

DATA = ("corpus", "tokenizer", "tokens", "pairs")
FIRST = (*DATA, "pretrain", "evaluate")


def run_first_stages(recipe) -> list[str]:
    """Run the stages and say which of them ran."""
    ran = []

    def watched(stage):
        return dataclasses.replace(stage, run=lambda recipe: (ran.append(stage.name), stage.run(recipe)))

    with mock.patch.dict(BY_NAME, {name: watched(stage) for name, stage in BY_NAME.items()}):
        for name in FIRST:
            run_stage(recipe, name)
    return ran


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages")
    recipe = small_recipe(write_corpus(folder / "corpus.txt"), folder / "run")
    assert run_first_stages(recipe) == list(FIRST)
    return recipe


def changed(recipe, **overrides):
    return small_recipe(recipe.corpus.path[0], recipe.folder, **overrides)


def test_what_is_done_and_unchanged_is_skipped(done):
    assert run_first_stages(done) == []
    assert (
        run_first_stages(changed(done, **{"training.logging_steps": "2", "training.per_device_batch_size": "4"})) == []
    )


def test_a_change_redoes_what_depends_on_it(done):
    assert run_first_stages(changed(done, **{"masking.mlm_probability": "0.2"})) == ["pretrain", "evaluate"]
    assert run_first_stages(changed(done, **{"pairs.max_seq_length": "40"})) == ["pairs", "pretrain", "evaluate"]
    assert run_first_stages(done) == ["pairs", "pretrain", "evaluate"]


def test_other_bytes_behind_the_same_path_are_seen(done):
    path = done.corpus.path[0]
    write_corpus(type(done.folder)(path), seed=7)
    assert run_first_stages(done) == list(FIRST)


def test_the_tokenizer_follows_the_clean_text_not_the_files(done):
    # No document is that short, so the same ones come out.
    assert run_first_stages(changed(done, **{"corpus.min_document_words": "2"})) == ["corpus"]
    assert run_first_stages(done) == ["corpus"]
    assert run_first_stages(changed(done, **{"corpus.validation_share": "0.3"}))[:2] == ["tokenizer", "tokens"], (
        "the split is made after cleaning"
    )
    assert run_first_stages(done)[:2] == ["tokenizer", "tokens"]


def test_a_changed_result_is_made_again(done):
    (done.folder / "model" / "model.safetensors").unlink()
    assert run_first_stages(done) == ["pretrain"], "the same weights come out, so nothing after it changes"


def update(monkeypatch, name: str, **changes) -> None:
    """Change one of the stages, as an update of the package would change it."""
    for stage in STAGES:
        changed_stage = dataclasses.replace(stage, **changes) if stage.name == name else stage
        monkeypatch.setitem(BY_NAME, stage.name, changed_stage)


def test_an_update_redoes_nothing_but_a_stage_whose_version_was_raised(done, monkeypatch):
    field = dataclasses.fields(done.pairs)[0]
    help_text = {**field.metadata, "help": "other words, as an update brings them"}
    monkeypatch.setattr(field, "metadata", help_text)
    assert run_first_stages(done) == []
    update(monkeypatch, "tokenizer", version=1000)
    assert run_first_stages(done) == ["tokenizer"], "the same bytes came out, so nothing after it is redone"
    update(monkeypatch, "pairs", version=1000)
    assert run_first_stages(done) == ["tokenizer", "pairs"]
    monkeypatch.undo()
    assert run_first_stages(done) == ["pairs"]


def test_pretraining_goes_on_after_an_update_with_the_pairs_that_are_there(done, monkeypatch):
    update(monkeypatch, "pairs", version=1000)
    (done.folder / "evaluation.json").unlink()
    run_stage(done, "evaluate")
    assert (done.folder / "evaluation.json").is_file()


def test_a_stage_needs_the_ones_before_it(tmp_path, corpus_file):
    recipe = small_recipe(corpus_file, tmp_path / "run")
    with pytest.raises(InputError, match=r"run `domain-bert corpus` with the same recipe first"):
        run_stage(recipe, "pretrain")
    assert not recipe.folder.exists()
    for name in DATA:
        run_stage(recipe, name)
    with pytest.raises(
        InputError, match=r"pairs was made with pairs.max_seq_length 48 instead of 32; run `domain-bert pairs` again"
    ):
        run_stage(small_recipe(corpus_file, recipe.folder, **{"pairs.max_seq_length": "32"}), "pretrain")


def test_pretraining_goes_on_without_the_corpus(tmp_path):
    recipe = small_recipe(write_corpus(tmp_path / "corpus.txt"), tmp_path / "run")
    for name in DATA:
        run_stage(recipe, name)
    (tmp_path / "corpus.txt").unlink()
    run_stage(recipe, "pretrain")
    assert (recipe.folder / "model" / "config.json").is_file()


def test_the_second_phase_starts_from_the_first(tmp_path, corpus_file, trained):
    overrides = {
        "tokenizer.path": str(trained.folder / "tokenizer"),
        "training.init_from": str(trained.folder / "model"),
        "pairs.max_seq_length": "64",
    }
    recipe = small_recipe(corpus_file, tmp_path / "run", **overrides)
    for name in FIRST:
        run_stage(recipe, name)
    first_losses = [
        next(
            line["mlm_loss"]
            for line in json.loads((run.folder / "training.json").read_text())["log_history"]
            if "mlm_loss" in line
        )
        for run in (trained, recipe)
    ]
    assert first_losses[1] < first_losses[0] - 0.01, "the second phase does not start where the first ended"
    assert (recipe.folder / "tokenizer" / "tokenizer.json").read_bytes() == (
        trained.folder / "tokenizer" / "tokenizer.json"
    ).read_bytes()


def test_run_all_writes_report_card_and_recipe(tmp_path, corpus_file):
    recipe = small_recipe(corpus_file, tmp_path / "run")
    run_all(recipe)
    assert (recipe.folder / "report.html").stat().st_size > 10_000
    assert "fill-mask" in (recipe.folder / "model" / "README.md").read_text()
    assert set(read_records(recipe.folder)) == {*FIRST, "inspect"}


# Keys that were never used, as a careless report command line would name them.
NEVER_USED = {"training.learning_rate": "1e-5", "masking.mlm_probability": "0.4", "seed": "7"}


def test_the_report_tells_what_was_used_whatever_is_planned(done):
    run_first_stages(done)
    (done.folder / "recipe.yaml").write_text(changed(done, **NEVER_USED).to_yaml())
    assert "mlm_probability: 0.4" in (done.folder / "recipe.yaml").read_text()
    write_results(done.folder)
    card, page = (done.folder / "model" / "README.md").read_text(), (done.folder / "report.html").read_text()
    for text in (card, page):
        assert "1e-05" not in text
        assert "40 %" not in text
        assert "mlm_probability: 0.4" not in text
    assert "peak 0.001" in card
    assert "15 % of the tokens" in card
    assert recorded_recipe(done.folder).settings("seed", "training", "masking") == done.settings(
        "seed", "training", "masking"
    )


def test_the_report_script_takes_keys_of_the_hub_only(done):
    refused = run_script("report", str(done.folder), "--training.learning_rate=1e-5")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "unknown argument --training.learning_rate; it takes --output, --hub.repo" in refused.stderr
    told = run_script("report", str(done.folder), "--hub.domain=made-up words")
    assert told.returncode == 0, told.stderr
    assert "A BERT of made-up words" in (done.folder / "report.html").read_text()
    assert load_recipe(done.folder / "recipe.yaml").hub.domain == "made-up words"


def test_recipe_yaml_keeps_what_is_planned_until_it_is_done(tmp_path, corpus_file):
    recipe = small_recipe(corpus_file, tmp_path / "run")
    run_stage(recipe, "corpus")
    run_stage(small_recipe(corpus_file, tmp_path / "run", **{"training.max_steps": "9"}), "tokenizer")
    written = load_recipe(recipe.folder / "recipe.yaml")
    assert written.training.max_steps == 9
    assert written == dataclasses.replace(
        small_recipe(corpus_file, recipe.folder, **{"training.max_steps": "9"}), run_dir=str(recipe.folder)
    )


def test_a_second_phase_takes_over_what_the_first_prepared(tmp_path, corpus_file, trained):
    overrides = {
        "corpus.prepared_from": str(trained.folder),
        "corpus.path": "[]",
        "training.init_from": str(trained.folder / "model"),
        "pairs.max_seq_length": "64",
    }
    recipe = small_recipe(corpus_file, tmp_path / "run", **overrides)
    run_all(recipe)
    for name in ("corpus/sha256.json", "tokenizer/tokenizer.json", "store/train/tokens.bin"):
        assert os.path.samefile(recipe.folder / name, trained.folder / name), "it was copied or made again"
    told = recorded_recipe(recipe.folder)
    assert told.corpus.path == trained.corpus.path
    assert told.corpus.validation_share == trained.corpus.validation_share
    assert run_first_stages(recipe) == []
    with pytest.raises(InputError, match=r"seed is 5, but .* was prepared with seed 1.*set seed to 1"):
        run_all(small_recipe(corpus_file, tmp_path / "other", **overrides, seed="5"))
    with pytest.raises(InputError, match=r"corpus.prepared_from: the stage corpus is not done in"):
        run_all(small_recipe(corpus_file, tmp_path / "other", **{**overrides, "corpus.prepared_from": str(tmp_path)}))
    with pytest.raises(InputError, match=r"corpus.prepared_from takes .*; remove corpus.path and tokenizer.path"):
        run_all(small_recipe(corpus_file, tmp_path / "other", **{**overrides, "corpus.path": "other.txt"}))
    evaluation = json.loads((recipe.folder / "evaluation.json").read_text())
    assert 0 < evaluation["mlm_loss"] < 10
    assert len(evaluation["examples"]) == 4
    for example in evaluation["examples"]:
        assert len(example["tokens"]) == len(example["masked"])
        assert {int(place) for place in example["guesses"]} >= {
            i for i, (a, b) in enumerate(zip(example["tokens"], example["masked"], strict=True)) if a != b
        }


def test_a_longer_run_says_that_it_begins_anew_and_replaces_the_model(done, capsys):
    longer = changed(done, **{"training.max_steps": "8"})
    run_stage(longer, "pretrain")
    found = capsys.readouterr().out
    assert "pretrain: is done again, since training.max_steps is 8, not 6; its results are replaced" in found
    assert "training begins at step 0. To keep the model that is there, set --run_dir to another folder" in found
    run_stage(done, "pretrain")


def test_the_steps_of_log_and_checkpoints_may_change_when_a_run_is_resumed(done, capsys):
    (done.folder / "model" / "config.json").unlink()
    later = changed(done, **{"training.logging_steps": "2", "training.eval_steps": "2", "training.save_steps": "2"})
    checkpoints = checkpoint_folder(done)
    shutil.rmtree(checkpoints / "checkpoint-6")
    run_stage(later, "pretrain")
    assert "resumes from" in capsys.readouterr().out
    training = json.loads((done.folder / "training.json").read_text())
    log, before = training["log_history"], training["seconds_before_resume"]
    assert read_records(done.folder)["pretrain"]["seconds"] >= round(training["seconds"], 1) > before > 0
    resumed = [line for line in log if line["step"] > 3]
    assert [line["step"] for line in resumed if "loss" in line] == [4, 6]
    assert [line["step"] for line in resumed if "eval_mlm_loss" in line] == [4, 6]
    assert {path.name for path in checkpoints.glob("checkpoint-*")} == {"checkpoint-4", "checkpoint-6"}


@pytest.mark.parametrize(
    ("names", "why"), [(["nowhere"], "which nobody knows"), (["tensorboard", "clearml"], "clearml is not installed")]
)
def test_a_reporter_that_cannot_be_used_is_one_line_before_torch_is_imported(tmp_path, corpus_file, names, why):
    overrides = [f"--run_dir={tmp_path / 'run'}", f"--corpus.path={corpus_file}", "--training.report_to"]
    ran = run_script("run_recipe", str(ROOT / "configs/demo.yaml"), *overrides, f"[{', '.join(names)}]")
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert f"training.report_to names {names[-1]!r}" in ran.stderr
    assert why in ran.stderr
    arguments = ["run", "demo", *overrides, f"[{', '.join(names)}]"]
    code = f"import sys; from recipe.cli import main\ntry: main({arguments!r})\nexcept SystemExit: pass\n"
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


def test_a_language_that_nobody_knows_is_found_before_the_first_stage(tmp_path, corpus_file):
    for key, value in (("corpus.language", "german"), ("hub.language", "xx")):
        recipe = small_recipe(corpus_file, tmp_path / "run", **{key: value})
        with pytest.raises(InputError, match=f"{key} is '{value}'"):
            run_all(recipe)
    assert not (tmp_path / "run").exists()


def test_a_run_folder_may_be_named_from_where_one_stands_and_lie_behind_a_link(tmp_path, corpus_file, monkeypatch):
    """As in the recipes that come with the package: runs/demo."""
    (tmp_path / "big_disk").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "runs").symlink_to(tmp_path / "big_disk")
    monkeypatch.chdir(tmp_path / "here")
    for run in ("run", "runs/demo", "./runs/other"):
        recipe = small_recipe(corpus_file, Path(run), **{"tokenizer.vocab_size": "200"})
        run_all(recipe)
        assert main(["verify", run]) is None
        run_all(recipe)
        assert (recipe.folder / "report.html").is_file()
