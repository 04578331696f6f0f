"""The user's files are never touched: an input among the run's own files is refused before anything is written."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from conftest import small_disk, small_recipe, write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import load, save_file

from recipe.errors import InputError
from recipe.files import explain_unwritable
from recipe.pipeline import STAGES, run_all, run_stage, write_results
from recipe.report import plots
from recipe.run_folder.ownership import FOLDERS, REPLACED, check_run_dir, refuse_around, refuse_foreign, refuse_own


def content_of(folder: Path) -> dict[str, bytes | str]:
    """Every file and link below a folder."""
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def in_corpus(folder: Path) -> str:
    return str(write_corpus(folder / "run" / "corpus" / "mine.txt"))


def by_a_glob(folder: Path) -> str:
    write_corpus(folder / "run" / "store" / "mine.txt")
    return str(folder / "run" / "*" / "*.txt")


def by_a_folder(folder: Path) -> str:
    (folder / "run" / "pairs" / "texts").mkdir()
    write_corpus(folder / "run" / "pairs" / "texts" / "mine.txt")
    return str(folder / "run" / "pairs" / "texts")


def by_a_link_to_it(folder: Path) -> str:
    write_corpus(folder / "run" / "model" / "mine.txt")
    (folder / "texts").mkdir()
    (folder / "texts" / "link.txt").symlink_to(folder / "run" / "model" / "mine.txt")
    return str(folder / "texts")


def by_a_link_in_it(folder: Path) -> str:
    (folder / "run" / "tokenizer" / "link.txt").symlink_to(write_corpus(folder / "elsewhere.txt"))
    return str(folder / "run" / "tokenizer" / "link.txt")


def through_a_linked_run(folder: Path) -> str:
    write_corpus(folder / "run" / "corpus" / "mine.txt")
    (folder / "other_name").symlink_to(folder / "run")
    return str(folder / "other_name" / "corpus" / "mine.txt")


def by_a_url(folder: Path) -> str:
    return f"file://{write_corpus(folder / 'run' / 'plots' / 'mine.txt')}"


def as_the_run_itself(folder: Path) -> str:
    write_corpus(folder / "run" / "mine.txt")
    return str(folder / "run")


def as_a_folder_around_the_run(folder: Path) -> str:
    write_corpus(folder / "mine.txt")
    return str(folder)


def by_a_deep_glob_around_the_run(folder: Path) -> str:
    write_corpus(folder / "mine.txt")
    return str(folder / "**" / "*.txt")


def as_a_data_set_in_it(folder: Path) -> str:
    (folder / "run" / "task" / "data").mkdir()
    write_corpus(folder / "run" / "task" / "data" / "train.txt")
    return f"hub:{folder / 'run' / 'task' / 'data'}?split=train"


def in_a_partial_folder(folder: Path) -> str:
    return str(write_corpus(folder / "run" / "corpus.partial" / "mine.txt"))


@pytest.mark.parametrize(
    "place",
    [
        in_corpus,
        by_a_glob,
        by_a_folder,
        by_a_link_to_it,
        by_a_link_in_it,
        through_a_linked_run,
        by_a_url,
        as_the_run_itself,
        as_a_folder_around_the_run,
        by_a_deep_glob_around_the_run,
        as_a_data_set_in_it,
        in_a_partial_folder,
    ],
)
@pytest.mark.parametrize("call", [run_all, lambda recipe: run_stage(recipe, "corpus")])
def test_a_corpus_among_the_files_of_the_run_is_refused_and_kept(tmp_path, place, call):
    for name in (*FOLDERS, "corpus.partial"):
        (tmp_path / "run" / name).mkdir(parents=True)
    recipe = small_recipe(place(tmp_path), tmp_path / "run")
    before = content_of(tmp_path)
    with pytest.raises(InputError, match=r"corpus\.path: .*run.*set --run_dir"):
        call(recipe)
    assert content_of(tmp_path) == before


def test_texts_of_the_users_own_inside_the_run_folder_are_fine(tmp_path):
    (tmp_path / "run" / "texts").mkdir(parents=True)
    corpus = write_corpus(tmp_path / "run" / "texts" / "mine.txt")
    run_stage(small_recipe(corpus, tmp_path / "run"), "corpus")
    assert corpus.is_file()
    assert (tmp_path / "run" / "corpus" / "sha256.json").is_file()


@pytest.mark.parametrize(
    ("key", "path", "more"),
    [
        ("tokenizer.path", "tokenizer", {}),
        ("training.init_from", "model", {}),
        ("training.init_from", "checkpoints/abc/checkpoint-5", {}),
        ("task.data", "task", {"task.name": "bc5-chem"}),
        ("task.baselines", "task/pretrained/model", {"task.name": "embedded:nero"}),
        ("corpus.decontaminate", "task", {}),
    ],
)
def test_other_inputs_among_the_files_of_the_run_are_refused(tmp_path, corpus_file, trained, key, path, more):
    shutil.copytree(trained.folder / "model", tmp_path / "run" / path)
    write_corpus(tmp_path / "run" / path / "test.txt")
    more = {"task.max_seq_length": "64", **more}
    recipe = small_recipe(corpus_file, tmp_path / "run", **{key: str(tmp_path / "run" / path)}, **more)
    before = content_of(tmp_path / "run")
    with pytest.raises(InputError, match=rf"^{key}: .*which a stage of this run writes and replaces"):
        run_all(recipe)
    assert content_of(tmp_path / "run") == before


def test_a_run_is_not_prepared_from_itself(prepared, corpus_file):
    recipe = small_recipe(corpus_file, prepared.folder, **{"corpus.prepared_from": str(prepared.folder / ".")})
    with pytest.raises(InputError, match="the run folder itself"):
        run_all(recipe)


@pytest.mark.parametrize("name", [*REPLACED, "corpus/inner"])
def test_a_folder_with_a_file_that_no_stage_wrote_is_not_replaced(tmp_path, corpus_file, name):
    (tmp_path / "run" / name).mkdir(parents=True)
    (tmp_path / "run" / name / "my notes.txt").write_text("mine")
    recipe = small_recipe(corpus_file, tmp_path / "run")
    call = write_results if name == "plots" else run_all
    with pytest.raises(InputError, match=r"(my notes\.txt|inner): no stage wrote this file"):
        call(recipe.folder if name == "plots" else recipe)
    assert content_of(tmp_path / "run") == {f"{name}/my notes.txt": b"mine"}


def test_a_file_that_was_added_to_a_finished_stage_stays(tmp_path):
    recipe = small_recipe(write_corpus(tmp_path / "corpus.txt"), tmp_path / "run")
    run_stage(recipe, "corpus")
    (recipe.folder / "corpus" / "mine.txt").write_text("mine")
    run_stage(recipe, "corpus")
    write_corpus(tmp_path / "corpus.txt", seed=9)
    with pytest.raises(InputError, match=r"mine\.txt: no stage wrote this file"):
        run_stage(recipe, "corpus")
    assert (recipe.folder / "corpus" / "mine.txt").read_text() == "mine"


def test_what_the_stages_and_the_report_write_is_known(trained):
    for stage in STAGES:
        refuse_foreign(trained.folder, stage.results)
    assert {f"{name}.png" for name in plots.CURVES} <= set(REPLACED["plots"])
    assert {path.name for path in trained.folder.iterdir() if path.is_dir()} <= set(FOLDERS)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda run: run.write_text("x"), "is a file, not a folder"),
        (lambda run: run.symlink_to(run.with_name("absent")), "is a link that leads nowhere"),
        (lambda run: run.symlink_to(run), "is a link that leads nowhere"),
        (lambda run: (run / "stages.json").mkdir(parents=True), "is a folder, but a stage writes a file"),
        (lambda run: (run.mkdir(), (run / "corpus").write_text("mine")), "is not a folder, but a stage writes into"),
        (lambda run: (run.mkdir(), (run / "model").symlink_to("absent")), "is not a folder, but a stage writes into"),
        (lambda run: (run.mkdir(), (run / "recipe.yaml").write_text("seed: 1\n")), "no stage wrote this file"),
        (lambda run: (run.mkdir(), (run / "report.html").write_text("mine")), "no stage wrote this file"),
        (lambda run: (run.mkdir(), (run / "training.json").symlink_to("absent")), "no stage wrote this file"),
    ],
)
def test_a_run_folder_that_cannot_serve_is_one_line(tmp_path, corpus_file, make, why):
    make(tmp_path / "run")
    before = content_of(tmp_path)
    for call in (run_all, lambda recipe: run_stage(recipe, "corpus")):
        with pytest.raises(InputError, match=why):
            call(small_recipe(corpus_file, tmp_path / "run"))
    (tmp_path / "empty.yaml").unlink()
    assert content_of(tmp_path) == before


@pytest.mark.parametrize(
    "name", ["x" * 300, "y/" * 3000, "a\0b", " ", "file.txt/run", "file.txt/deep/run", "loop/run", "dangling/run"]
)
def test_a_name_that_no_folder_can_have_is_one_line(tmp_path, name):
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    run = Path(name) if not name.strip() else tmp_path / name
    with pytest.raises(InputError, match="run_dir"):
        check_run_dir(run, name)


@settings(max_examples=60, deadline=None)
@given(
    run=st.lists(st.sampled_from(["a", "b", "corpus", "run", "."]), min_size=1, max_size=4),
    inner=st.lists(st.sampled_from(["x", "corpus", "texts", "."]), max_size=3),
    folder=st.sampled_from(FOLDERS),
)
def test_no_spelling_of_a_path_hides_that_it_is_the_runs_own(run, inner, folder):
    root = Path("/nowhere", *run)
    with pytest.raises(InputError, match=r"key: "):
        refuse_own(root, "key", [Path(root, "other", "..", folder, *inner)])
    beside = os.path.normpath(root) + "corpus"
    refuse_own(root, "key", [root / "texts", f"{beside}/{folder}", "s3://bucket/run/corpus"])


def test_a_pattern_beside_the_run_is_fine(tmp_path):
    (tmp_path / "texts").mkdir()
    refuse_around(tmp_path / "run", "key", [str(tmp_path / "texts"), str(tmp_path / "texts/**/*.txt"), "s3://b/**"])


@pytest.mark.parametrize("entry", ["~nobody-here/a.txt", "~nobody-here/**/*.txt", "hub:~nobody-here?split=train"])
def test_the_home_of_a_user_that_is_not_there_is_a_path_as_any_other(tmp_path, entry):
    refuse_around(tmp_path / "run", "corpus.path", [entry])


def test_a_disk_that_became_read_only_is_one_line(tmp_path):
    corpus = write_corpus(tmp_path / "corpus.txt")
    with small_disk(tmp_path / "disk", "16m"):
        for run in (tmp_path / "disk" / "run", tmp_path / "disk" / "run" / "deep"):
            recipe = small_recipe(corpus, tmp_path / "run")
            recipe.run_dir = str(run)
            run_stage(recipe, "corpus")
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        for run in (tmp_path / "disk" / "run", tmp_path / "disk" / "new" / "run"):
            recipe.run_dir = str(run)
            with pytest.raises(InputError, match=r"run_dir: .* cannot be written"):
                run_all(recipe)


def test_a_disk_that_is_full_when_a_model_is_written_is_one_line(tmp_path):
    """safetensors has an error of its own, which is no OSError."""
    disk = tmp_path / "disk"
    is_one_line = pytest.raises(InputError, match="disk: no space is left on this disk")
    with small_disk(disk, "1m"), is_one_line, explain_unwritable(disk):
        save_file({"weight": torch.zeros(1_000_000)}, disk / "model.safetensors")
    with pytest.raises(SafetensorError, match="header"), explain_unwritable(tmp_path):
        load(b"no header")


def test_a_right_that_is_missing_below_the_run_folder_is_one_line(tmp_path, corpus_file):
    recipe = small_recipe(corpus_file, tmp_path / "run")

    def denied(recipe):
        raise PermissionError(13, "Permission denied", str(recipe.folder / "corpus.partial"))

    with pytest.raises(InputError, match=r"run/corpus\.partial: cannot be written \(Permission denied\)"):
        run_stage(recipe, "corpus", denied)

    def denied_elsewhere(recipe):
        raise PermissionError(13, "Permission denied", f"{recipe.folder}2")

    with pytest.raises(PermissionError):
        run_stage(recipe, "corpus", denied_elsewhere)


def test_a_recipe_that_was_written_by_hand_stays(tmp_path, corpus_file):
    recipe = small_recipe(corpus_file, tmp_path / "run")
    run_stage(recipe, "corpus")
    run_stage(recipe, "tokenizer")
    (recipe.folder / "recipe.yaml").write_text("# mine\nseed: 1\n")
    with pytest.raises(InputError, match=r"recipe\.yaml: has comments"):
        run_stage(recipe, "tokens")


def test_a_file_beside_the_stores_stays_when_they_are_taken_over(tmp_path, prepared):
    overrides = {"corpus.prepared_from": str(prepared.folder), "corpus.path": "[]"}
    recipe = small_recipe(Path("x"), tmp_path / "run", **overrides)
    (tmp_path / "run" / "store").mkdir(parents=True)
    (tmp_path / "run" / "store" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"mine\.txt: no stage wrote this file"):
        run_all(recipe)
    assert (tmp_path / "run" / "store" / "mine.txt").read_text() == "mine"
