"""The page about several runs."""

import json
from dataclasses import replace

import pytest
from html_page import Page
from run_folder import make_recipe, training_record, write_run_files

from recipe.cli import main
from recipe.errors import InputError
from recipe.report.comparison import write_comparison


@pytest.fixture
def runs(tmp_path):
    """Three runs: one like the first with another rate and loss, one without any result."""
    first = make_recipe(tmp_path / "first" / "run")
    second = make_recipe(tmp_path / "second" / "run")
    second = replace(second, training=replace(second.training, learning_rate=1e-3))
    third = make_recipe(tmp_path / "third")
    write_run_files(first)
    write_run_files(second)
    write_run_files(third, "corpus/statistics.json")
    log = [
        line | {"eval_mlm_loss": line["eval_mlm_loss"] + 0.5} if "eval_mlm_loss" in line else line
        for line in training_record()["log_history"]
    ]
    (second.folder / "training.json").write_text(json.dumps(training_record() | {"log_history": log}))
    return [first.folder, second.folder, third.folder]


def page_of(path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def test_numbers_curves_and_differences_stand_side_by_side(runs, tmp_path):
    output = tmp_path / "comparison.html"
    write_comparison(runs, output)
    page = page_of(output)
    # As much of the path as tells them apart.
    assert "first/run, second/run, " in page.text
    assert "training.learning_rate 0.003 0.001 0.003" in page.text
    assert "run_dir" not in page.text
    assert page.tags.count("svg") == 2
    assert page.resources == []
    assert "first/run 1.59 M 3,000" in page.text
    # Where nothing has run there are dashes.
    assert "third – – – – – – – –" in page.text.replace(f"{tmp_path.name}/", "")
    assert str(tmp_path) not in output.read_text(encoding="utf-8")


def test_the_same_recipes_have_no_differences(runs, tmp_path):
    write_comparison([runs[0], runs[2]], tmp_path / "page.html")
    assert "their recipes are the same" in page_of(tmp_path / "page.html").text


def test_another_vocabulary_is_said(runs, tmp_path):
    write_comparison(runs[:2], tmp_path / "page.html")
    assert "do not compare" not in page_of(tmp_path / "page.html").text
    path = runs[1] / "tokenizer" / "statistics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"vocab_size": 30_522, "sha256": "0" * 64}))
    write_comparison(runs[:2], tmp_path / "page.html")
    assert "The vocabularies differ" in page_of(tmp_path / "page.html").text


def test_bad_calls_are_one_line(runs, tmp_path):
    with pytest.raises(InputError, match="named twice"):
        write_comparison([runs[0], runs[0]], tmp_path / "page.html")
    with pytest.raises(InputError, match="7 runs do not fit"):
        write_comparison([*runs, *runs, runs[0]], tmp_path / "page.html")
    with pytest.raises(InputError):
        write_comparison([runs[0], tmp_path], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_the_command_takes_several_runs(runs, tmp_path, capsys):
    main(["report", *map(str, runs), "--output", str(tmp_path / "page.html")])
    assert capsys.readouterr().out == f"report: {tmp_path / 'page.html'}\n"
    assert "third" in page_of(tmp_path / "page.html").text
