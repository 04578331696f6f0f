"""Bytes are compared with their sha256 where they are read: what can be made again is, the rest is refused."""

import json
import os
import random
import shutil
from pathlib import Path

import pytest
from conftest import small_recipe, write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from recipe.cli import main
from recipe.errors import InputError
from recipe.files import read_json, sha256_of_json, sha256_once
from recipe.pairs.dataset import build_pair_dataset, load_pairs
from recipe.pairs.passes import PairPasses
from recipe.pairs.sampling import PairRules
from recipe.pipeline import run_all, run_stage
from recipe.pretraining.evaluation import evaluate
from recipe.records import read_records
from recipe.report.run_files import read_run_files
from recipe.run_folder.integrity import damaged_files, require_intact, require_intact_folder
from recipe.tokens.store import open_token_store


@pytest.fixture
def run(tmp_path, trained):
    """A copy of a trained run that may be damaged."""
    shutil.copytree(trained.folder, tmp_path / "run")
    return small_recipe(trained.corpus.path[0], tmp_path / "run")


def flip(path: Path, place: int | None = None) -> Path:
    """Flip one bit."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place is None else place] ^= 1
    path.write_bytes(content)
    return path


def one(run, pattern: str) -> Path:
    return sorted(run.folder.glob(pattern))[0]


def test_the_record_names_every_file_of_a_stage(trained):
    recorded = {name for record in read_records(trained.folder).values() for name in record["files"]}
    there = {path.relative_to(trained.folder).as_posix() for path in trained.folder.rglob("*") if path.is_file()}
    told = {name for name in there - recorded if not name.startswith("checkpoints/") and not name.endswith(".lock")}
    assert told == {"stages.json", "inputs.json", "recipe.yaml", "progress.json", "events.jsonl"}
    assert any(name.endswith(".arrow") for name in recorded)


@pytest.mark.parametrize(
    ("pattern", "stage", "command"),
    [
        ("store/train/tokens.bin", "pretrain", "pairs"),
        ("store/validation/sentences.bin", "evaluate", "pairs"),
        ("store/train/store.json", "pretrain", "pairs"),
        ("store/train/sha256.json", "pretrain", "pairs"),
        ("pairs/**/*train*.arrow", "pretrain", "pairs"),
        ("pairs/**/dataset_info.json", "pretrain", "pairs"),
        ("pairs/statistics.json", "pretrain", "pairs"),
        ("tokenizer/tokenizer_config.json", "pretrain", "tokenizer"),
        ("tokenizer/vocab.txt", "tokens", "tokenizer"),
        ("tokenizer/tokenizer.json", "pairs", "tokenizer"),
        ("corpus/*.parquet", "tokenizer", "corpus"),
        ("model/model.safetensors", "evaluate", "pretrain"),
        ("model/tokenizer.json", "evaluate", "pretrain"),
    ],
)
@pytest.mark.parametrize("damage", [flip, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_damaged_file_is_refused_where_it_is_read_and_made_again_by_run(run, pattern, stage, command, damage):
    path = one(run, pattern)
    before = {name: (run.folder / name).read_bytes() for name in read_records(run.folder)["pairs"]["files"]}
    damage(path)
    with pytest.raises(
        InputError, match=rf"{path.name}: is (missing|not as it was written).*run `domain-bert {command}`"
    ):
        run_stage(run, stage)
    for name in ("corpus", "tokenizer", "tokens", "pairs", "pretrain"):
        run_stage(run, name)
    require_intact(run.folder, "corpus", "tokenizer", "tokens", "pairs", "pretrain")
    arrow = [name for name in before if name.endswith((".arrow", "statistics.json"))]
    assert {name: (run.folder / name).read_bytes() for name in arrow} == {name: before[name] for name in arrow}
    run_stage(run, stage)


def test_without_verify_files_only_absence_is_seen(run):
    recipe = small_recipe(run.corpus.path[0], run.folder, verify_files="false")
    flip(one(run, "pairs/**/*train*.arrow"), -20)
    run_stage(recipe, "pretrain")
    one(run, "pairs/**/*train*.arrow").unlink()
    with pytest.raises(InputError, match=r"arrow: is missing"):
        run_stage(recipe, "evaluate")


def test_ranks_share_the_comparison(run, monkeypatch):
    names = sorted(read_records(run.folder)["tokens"]["files"])
    flip(run.folder / names[1])
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, found in (("0", []), ("1", [run.folder / names[1]])):
        monkeypatch.setenv("RANK", rank)
        record = read_records(run.folder)["tokens"]
        assert damaged_files(run.folder, record, has_own_share=True) == found
        assert damaged_files(run.folder, record) == [run.folder / names[1]]


def test_the_models_of_a_run_are_compared_before_others_read_them(run):
    require_intact_folder(run.folder / "model")
    require_intact_folder(run.folder.parent)
    flip(run.folder / "model" / "config.json")
    next_phase = small_recipe(
        Path(run.corpus.path[0]), run.folder.parent / "next", **{"training.init_from": str(run.folder / "model")}
    )
    for call in (
        lambda: require_intact_folder(run.folder / "model"),
        lambda: require_intact(run.folder),
        lambda: run_all(next_phase),
    ):
        with pytest.raises(InputError, match=r"config\.json: is not as it was written"):
            call()
    assert not next_phase.folder.exists()


def test_what_is_taken_over_is_compared_first(run, tmp_path):
    flip(run.folder / "store" / "train" / "tokens.bin")
    overrides = {"corpus.prepared_from": str(run.folder), "corpus.path": "[]"}
    recipe = small_recipe(Path("x"), tmp_path / "next", **overrides)
    run_stage(recipe, "corpus")
    run_stage(recipe, "tokenizer")
    with pytest.raises(InputError, match=r"tokens\.bin: is not as it was written"):
        run_stage(recipe, "tokens")


def test_a_damaged_pass_is_made_again(tmp_path, prepared):
    store = open_token_store(prepared.folder / "store" / "train")
    passes = PairPasses(tmp_path, store, PairRules(45), 7)
    expected = passes.pairs(0).copy()
    for damage in (flip, lambda path: path.write_bytes(b""), lambda path: flip(path.with_suffix(".number"), 0)):
        damage(tmp_path / "00000.pairs")
        again = PairPasses(tmp_path, store, PairRules(45), 7)
        assert (again.pairs(0) == expected).all()
        assert again.number(0) == len(expected)


def test_rows_of_other_settings_that_were_damaged_are_not_used_again(tmp_path, prepared):
    text = write_corpus(tmp_path / "text.txt")
    arguments = {"tokenizer_folder": prepared.folder / "tokenizer", "folder": tmp_path / "rows", "max_seq_length": 48}
    expected = build_pair_dataset(text, **arguments)["train"].to_dict()
    for pattern in ("*train*.arrow", "dataset_info.json", "statistics.json", "sha256.json"):
        flip(next((tmp_path / "rows" / "pairs").rglob(pattern)))
        assert build_pair_dataset(text, **arguments)["train"].to_dict() == expected


DAMAGES = {
    "empty": b"",
    "half": b'{"stages": {"corpus": {"key": "ab"',
    "brackets": b"[" * 200_000,
    "list": b"[]",
    "object": b"{}",
    "null": b"null",
    "binary": bytes(range(256)),
    "stages are a list": b'{"stages": [1]}',
    "a stage is text": b'{"stages": {"corpus": "x"}}',
    "a record lacks its settings": b'{"stages": {"corpus": {"key": "x"}}}',
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("command", ["run", "status", "report", "verify", "clean", "pretrain"])
def test_a_damaged_record_is_one_line_in_every_command(run, capsys, damage, command):
    (run.folder / "stages.json").write_bytes(DAMAGES[damage])
    config = run.folder.parent / "config.yaml"
    config.write_text(run.to_yaml())
    with pytest.raises(SystemExit) as ended:
        main([command, str(config if command in ("run", "pretrain") else run.folder)])
    said = capsys.readouterr()
    assert ended.value.code == (1 if command == "verify" else 2)
    assert "stages.json" in (said.out if command == "verify" else said.err)
    assert said.err.count("\n") == (0 if command == "verify" else 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 7))
def test_no_flipped_bit_of_the_records_is_believed(trained, tmp_path_factory, place, bit):
    folder = tmp_path_factory.mktemp("flip")
    content = bytearray((trained.folder / "stages.json").read_bytes())
    content[place % len(content)] ^= 1 << bit
    (folder / "stages.json").write_bytes(content)
    try:
        found = read_records(folder)
    except InputError:
        return
    assert found == read_records(trained.folder), "only white space or the word sha256 itself may differ"


@pytest.mark.parametrize("name", ["inputs.json", "progress.json", "run.lock.json", "events.jsonl"])
@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b'{"a": 1}', b"\xff", b"null"])
def test_a_damaged_note_stops_nothing(run, capsys, name, content):
    (run.folder / name).write_bytes(content)
    run_stage(run, "corpus")
    assert "skipped" in capsys.readouterr().out
    stages = {key: value for key, value in read_records(run.folder).items() if key != "pretrain"}
    (run.folder / "stages.json").write_text(json.dumps({"stages": stages}))
    main(["status", str(run.folder)])


def test_a_report_of_numbers_that_changed_is_refused(run):
    path = run.folder / "evaluation.json"
    path.write_text(path.read_text().replace("0.", "1.", 1))
    with pytest.raises(InputError, match=r"evaluation\.json: is not as it was written.*`domain-bert evaluate`"):
        read_run_files(run.folder)


def test_a_run_of_an_older_version_is_taken_as_it_is(run):
    stages = read_records(run.folder)
    for record in stages.values():
        del record["files"]
    (run.folder / "stages.json").write_text(json.dumps({"stages": stages}))
    run_stage(run, "evaluate")
    main(["verify", str(run.folder)])
    flip(run.folder / "model" / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors: is not as it was written"):
        run_stage(run, "evaluate")


def test_arrow_rows_that_cannot_be_read_are_one_line_without_a_record(run):
    one(run, "pairs/**/*train*.arrow").write_bytes(b"no arrow")
    with pytest.raises(InputError, match=r"the rows there cannot be read"):
        load_pairs(run)
    one(run, "pairs/**/dataset_info.json").write_bytes(b"{")
    with pytest.raises(InputError, match=r"the rows there cannot be read"):
        evaluate(run)


def test_a_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100)
    first = sha256_once(path)
    monkeypatch.setattr("recipe.files.sha256_of_file", lambda path: "read again")
    os.rename(path, tmp_path / "b")
    assert sha256_once(tmp_path / "b") in (first, "read again")
    os.utime(tmp_path / "b", ns=(1, 1))
    assert sha256_once(tmp_path / "b") == "read again"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b"\xff\xfe", b"[" * 200_000])
def test_what_is_no_json_object_is_one_line(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json: .*; do this$"):
        read_json(tmp_path / "a.json", "do this")


def test_a_damaged_model_of_the_task_is_trained_again(tmp_path):
    draw = random.Random(3)
    (tmp_path / "task").mkdir()
    for split in ("train", "devel", "test"):
        rows = "\n\n".join(f"{draw.choice(['zinc', 'lead'])}\tB-X\nfever\tO" for _ in range(12))
        (tmp_path / "task" / f"{split}.tsv").write_text(rows + "\n")
    more = {
        "task.name": str(tmp_path / "task"),
        "task.baselines": "[]",
        "task.seeds": "1",
        "task.num_train_epochs": "1",
    }
    recipe = small_recipe(write_corpus(tmp_path / "c.txt"), tmp_path / "run", **more, **{"task.max_seq_length": "16"})
    stages = ("corpus", "tokenizer", "tokens", "pairs", "pretrain", "task")
    for name in stages:
        run_stage(recipe, name)
    path = recipe.folder / "task" / "pretrained" / "model" / "model.safetensors"
    before = path.read_bytes()
    evaluations = (recipe.folder / "task" / "pretrained" / "test_evaluations.json").read_bytes()
    flip(path)
    with pytest.raises(InputError, match=r"model\.safetensors: is not as it was written"):
        require_intact_folder(path.parent)
    run_stage(recipe, "task")
    assert path.read_bytes() == before
    assert evaluations[:100] == (path.parents[1] / "test_evaluations.json").read_bytes()[:100]
    assert sha256_of_json(read_records(recipe.folder)["task"]["files"])
