import json
import shutil
from collections import Counter

import pytest
from conftest import run_script, small_recipe, write_corpus

from recipe.report.inspection import inspect, inspect_run, markdown, table_of, task_texts
from recipe.report.plots import fertility_figure, png_of
from recipe.tokenizer.folder import load_tokenizer


@pytest.fixture
def task(tmp_path):
    folder = tmp_path / "drugs"
    folder.mkdir()
    for name in ("train", "devel", "test"):
        (folder / f"{name}.tsv").write_text("abc\tB-Drug\nabc\tI-Drug\nmouse\tO\n.\tO\n\n")
    return folder


def test_words_of_entities_are_counted_apart(task):
    texts = task_texts(str(task))
    assert dict(texts["drugs: all words"]) == {"abc": 6, "mouse": 3}
    assert dict(texts["drugs: entities"]) == {"abc": 6}


def test_command_puts_tokenizers_side_by_side(prepared, task, tmp_path):
    other = tmp_path / "other" / "tokenizer"
    shutil.copytree(prepared.folder / "tokenizer", other)
    text = write_corpus(tmp_path / "text.txt", documents=5)
    arguments = ("--text", str(text), "--task", str(task), "--beside", str(other), "--output", str(tmp_path / "out"))
    done = run_script("inspect_tokenizer", str(prepared.folder / "tokenizer"), *arguments)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "out" / "fertility.json").read_text())["rows"]
    assert [row["text"] for row in rows] == [
        name for name in ("text.txt", "drugs: all words", "drugs: entities") for _ in range(2)
    ]
    assert {row["tokenizer"] for row in rows} == {"other/tokenizer", f"{prepared.folder.name}/tokenizer"}
    assert rows[0]["pieces_per_word"] == rows[1]["pieces_per_word"] > 1
    assert (tmp_path / "out" / "fertility.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "out" / "fertility.md").read_text().startswith(markdown(rows))
    assert f"| {table_of(rows)[0][4]} |" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--text FILES or --task FOLDER"),
        (("--text", "absent.txt"), "absent.txt"),
        (("--task", "absent"), "absent"),
        (("--beside", "absent", "--text", "x"), "absent"),
    ],
)
def test_bad_arguments_are_one_line(prepared, arguments, message):
    done = run_script("inspect_tokenizer", str(prepared.folder / "tokenizer"), *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_a_run_leaves_its_fertility_beside_another_tokenizer(prepared, corpus_file, task, tmp_path):
    recipe = small_recipe(
        corpus_file,
        tmp_path / "run",
        **{
            "tokenizer.compare_with": str(prepared.folder / "tokenizer"),
            "task.name": str(task),
            "task.max_seq_length": "32",
        },
    )
    for name in ("corpus", "tokenizer"):
        shutil.copytree(prepared.folder / name, recipe.folder / name)
    inspect_run(recipe)
    rows = json.loads((recipe.folder / "fertility.json").read_text())["rows"]
    assert [(row["text"], row["tokenizer"]) for row in rows[:3]] == [
        ("validation text", "this"),
        ("validation text", "tokenizer"),
        ("drugs: all words", "this"),
    ]
    assert len(rows) == 6


def test_rows_of_texts_without_words_are_left_out(prepared):
    assert inspect({"this": load_tokenizer(prepared.folder / "tokenizer")}, {"empty": Counter()}) == []


def test_plot_of_one_row(prepared, task):
    rows = inspect({"this": load_tokenizer(prepared.folder / "tokenizer")}, task_texts(str(task)))
    assert png_of(fertility_figure(rows)).startswith(b"\x89PNG")
