"""`domain-bert verify` and `domain-bert clean`, and what a run that begins anew says."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import small_recipe

from recipe.cli import main
from recipe.errors import InputError
from recipe.maintenance.clean import needless
from recipe.maintenance.verify import parts_of
from recipe.pipeline import run_stage
from recipe.pretraining.run import checkpoint_folder


def status_of(*arguments: object) -> int:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture
def run(tmp_path, trained):
    shutil.copytree(trained.folder, tmp_path / "run")
    return small_recipe(Path(trained.corpus.path[0]), tmp_path / "run")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


PARTS = ("corpus", "tokenizer", "store/train", "store", "pairs", "model", "checkpoints")


@pytest.mark.parametrize("name", ["", *PARTS])
def test_verify_takes_a_run_and_every_folder_of_it(run, name, capsys):
    folder = run.folder / name
    assert status_of("verify", folder) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{folder}: intact"
    damaged = sorted(
        path for path in folder.rglob("*") if path.suffix in (".parquet", ".bin", ".arrow", ".safetensors")
    )
    flip((damaged or [folder / "vocab.txt"])[0])
    assert status_of("verify", folder) == 1
    assert "damaged" in capsys.readouterr().out


def test_verify_of_a_checkpoint_and_of_a_run_names_each_part(run, capsys):
    checkpoint = next((run.folder / "checkpoints").glob("*/checkpoint-6"))
    assert status_of("verify", checkpoint) == 0
    flip(next(checkpoint.glob("optimizer*")))
    assert status_of("verify", checkpoint) == 1
    (run.folder / "recipe.yaml").write_text("{")
    parts = {part.name: part.is_intact for part in parts_of(run.folder)}
    assert [name for name, is_intact in parts.items() if not is_intact] == [
        "recipe.yaml",
        checkpoint.relative_to(run.folder).as_posix(),
    ]
    assert parts.keys() > {"stages.json", "corpus", "tokenizer", "tokens", "pairs", "pretrain", "evaluate"}


def test_verify_refuses_what_has_no_record(tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "absent"):
        assert status_of("verify", path) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_other_settings_are_said_with_their_size_and_cleaned(run, capsys):
    first = checkpoint_folder(run)
    other = small_recipe(Path(run.corpus.path[0]), run.folder, **{"training.learning_rate": "2e-3"})
    run_stage(other, "pretrain")
    said = capsys.readouterr().out
    assert "pretrain: begins at step 0, since training.learning_rate is 0.002, not 0.001. Checkpoints of other" in said
    assert f"`domain-bert clean {run.folder}` removes them" in said
    run_stage(other, "pretrain")
    assert "begins at step 0" not in capsys.readouterr().out
    assert [path for path, _ in needless(run.folder)] == [first]
    assert status_of("clean", run.folder) == 0
    assert first.is_dir(), "without --yes it only lists"
    assert f"checkpoints/{first.name}: checkpoints of other settings" in capsys.readouterr().out
    assert status_of("clean", run.folder, "--yes") == 0
    assert not first.exists()
    assert checkpoint_folder(other).is_dir()
    assert list(needless(run.folder)) == []


def test_an_interrupted_run_with_other_settings_is_said_too(run, capsys):
    stages = json.loads((run.folder / "stages.json").read_text())["stages"]
    del stages["pretrain"], stages["evaluate"]
    (run.folder / "stages.json").write_text(json.dumps({"stages": stages}))
    run_stage(
        small_recipe(Path(run.corpus.path[0]), run.folder, seed="1", **{"masking.mlm_probability": "0.2"}), "pretrain"
    )
    assert "begins at step 0, since masking.mlm_probability is 0.2, not 0.15" in capsys.readouterr().out


def test_clean_finds_what_was_left_and_nothing_of_the_user(run):
    left = [run.folder / "corpus.partial", run.folder / "store" / "train.blocks", run.folder / "model.partial"]
    left.append(run.folder / "passes" / f"pairs-{'0' * 24}")
    left.append(run.folder / "pairs" / "next_sentence_pairs" / f"pairs-{'a' * 24}")
    mine = [run.folder / "checkpoints" / "best", run.folder / "passes" / "mine", run.folder / "pairs" / "mine"]
    mine += [run.folder / "mine.partial", run.folder / "corpus" / "mine", run.folder / "checkpoints" / "0123456789ab"]
    for folder in (*left, *mine):
        folder.mkdir(parents=True)
        (folder / "file.txt").write_text("x")
    assert {path for path, _ in needless(run.folder)} == set(left)
    assert status_of("clean", run.folder, "--yes") == 0
    assert not any(path.exists() for path in left)
    assert all((path / "file.txt").is_file() for path in mine)


def test_clean_keeps_the_passes_in_use(tmp_path, prepared):
    shutil.copytree(prepared.folder, tmp_path / "run")
    recipe = small_recipe(Path(prepared.corpus.path[0]), tmp_path / "run", **{"pairs.refresh_every_epoch": "true"})
    run_stage(recipe, "pairs")
    run_stage(recipe, "pretrain")
    (kept,) = [path for path in (recipe.folder / "passes").iterdir() if path.is_dir()]
    assert kept not in {path for path, _ in needless(recipe.folder)}
    run_stage(prepared.__class__(**{**vars(prepared), "run_dir": str(recipe.folder)}), "pairs")
    assert kept in {path for path, _ in needless(recipe.folder)}


def test_an_edited_tokenizer_config_is_not_mixed_into_a_resumed_run(run, capsys):
    (run.folder / "model" / "config.json").unlink()
    path = run.folder / "tokenizer" / "tokenizer_config.json"
    path.write_text(path.read_text().replace("true", "false"))
    config = run.folder.parent / "config.yaml"
    config.write_text(run.to_yaml())
    assert status_of("pretrain", config) == 2
    assert "tokenizer_config.json: is not as it was written" in capsys.readouterr().err
    assert status_of("run", config) == 0
    assert "tokenizer_config.json is not as it was written; its results are replaced" in capsys.readouterr().out


def test_a_given_tokenizer_that_was_edited_is_not_mixed_into_checkpoints(tmp_path, prepared, capsys):
    shutil.copytree(prepared.folder / "tokenizer", tmp_path / "given")
    corpus = Path(prepared.corpus.path[0])
    recipe = small_recipe(corpus, tmp_path / "run", **{"tokenizer.path": str(tmp_path / "given")})
    stages = ("corpus", "tokenizer", "tokens", "pairs", "pretrain")
    for name in stages:
        run_stage(recipe, name)
    path = tmp_path / "given" / "tokenizer_config.json"
    before = path.read_text()
    path.write_text(before.replace("512", "256").replace("64", "63"))
    assert path.read_text() != before
    for name in stages[:-1]:
        run_stage(recipe, name)
    with pytest.raises(InputError, match=r"were trained with another tokenizer/tokenizer_config\.json; put the old"):
        run_stage(recipe, "pretrain")
    path.write_text(before)
    capsys.readouterr()
    for name in stages:
        run_stage(recipe, name)
    assert "pretrain: done and unchanged, skipped" in capsys.readouterr().out


def test_checkpoints_whose_note_is_damaged_stay(run):
    other = small_recipe(Path(run.corpus.path[0]), run.folder, **{"training.learning_rate": "2e-3"})
    run_stage(other, "pretrain")
    note = checkpoint_folder(run) / "settings.json"
    note.write_text(note.read_text().replace("0.001", "0.003"))
    assert list(needless(run.folder)) == []
    assert status_of("verify", run.folder) == 1
    (checkpoint_folder(other) / "settings.json").write_text("[" * 100_000)
    assert list(needless(run.folder)) == []
    (run.folder / "model" / "config.json").unlink()
    run_stage(other, "pretrain")


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"\xff", b"[]", b"{a: {b: {", b"seed: x"])
@pytest.mark.parametrize("command", ["status", "report", "verify", "clean"])
def test_a_damaged_recipe_is_no_traceback(run, capsys, content, command):
    (run.folder / "recipe.yaml").write_bytes(content)
    assert status_of(command, run.folder) == (0 if not content else 1 if command == "verify" else 2)
    assert capsys.readouterr().err.count("\n") <= 1
