import json

import pytest
from conftest import small_recipe, write_corpus

from recipe import pipeline as stages
from recipe.errors import InputError
from recipe.pipeline import run_all, run_stage

FIRST = ("corpus", "tokenizer", "pairs", "pretrain", "evaluate")


def run_first_stages(recipe) -> list[str]:
    """Run the stages and say which of them ran."""
    before = {name: record["finished"] + str(record["seconds"]) for name, record in stages._records(recipe).items()}
    ran = []
    calls = stages._function
    try:
        stages._function = lambda call: (ran.append(call), calls(call))[1]
        for name in FIRST:
            run_stage(recipe, name)
    finally:
        stages._function = calls
    assert set(before) <= set(stages._records(recipe))
    return [stage.name for stage in stages.STAGES if stage.call in ran]


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
    assert run_first_stages(changed(done, **{"corpus.validation_share": "0.3"}))[:2] == ["tokenizer", "pairs"], (
        "the split is made after cleaning"
    )
    assert run_first_stages(done)[:2] == ["tokenizer", "pairs"]


def test_a_changed_result_is_made_again(done):
    (done.folder / "model" / "model.safetensors").unlink()
    assert run_first_stages(done) == ["pretrain"], "the same weights come out, so nothing after it changes"


def test_changed_code_redoes_the_cheap_stages_only(done, monkeypatch):
    monkeypatch.setattr(stages, "code_hash", lambda module: f"other code of {module}")
    assert run_first_stages(done)[:3] == ["corpus", "tokenizer", "pairs"]


def test_a_stage_needs_the_ones_before_it(tmp_path, corpus_file):
    recipe = small_recipe(corpus_file, tmp_path / "run")
    with pytest.raises(InputError, match=r"run scripts/prepare_corpus.py first"):
        run_stage(recipe, "pretrain")
    assert not recipe.folder.exists()
    for name in FIRST[:3]:
        run_stage(recipe, name)
    with pytest.raises(
        InputError,
        match=r"pairs was made with pairs.max_seq_length 48 instead of 32; run scripts/build_pairs.py again",
    ):
        run_stage(small_recipe(corpus_file, recipe.folder, **{"pairs.max_seq_length": "32"}), "pretrain")


def test_pretraining_goes_on_without_the_corpus(tmp_path):
    recipe = small_recipe(write_corpus(tmp_path / "corpus.txt"), tmp_path / "run")
    for name in FIRST[:3]:
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
    assert set(json.loads((recipe.folder / "stages.json").read_text())["stages"]) == {*FIRST, "inspect"}
    evaluation = json.loads((recipe.folder / "evaluation.json").read_text())
    assert 0 < evaluation["mlm_loss"] < 10
    assert len(evaluation["examples"]) == 4
    for example in evaluation["examples"]:
        assert len(example["tokens"]) == len(example["masked"])
        assert {int(place) for place in example["guesses"]} >= {
            i for i, (a, b) in enumerate(zip(example["tokens"], example["masked"], strict=True)) if a != b
        }
