"""The report: one file that loads nothing, says what was measured, names what has not run and cannot be broken by the
text of a corpus.
"""

import base64
import json
import re

import pytest
from html_page import Page
from run_folder import (
    corpus_statistics,
    evaluation_record,
    make_recipe,
    task_scores,
    tokenizer_statistics,
    write_run_files,
)

from recipe.errors import InputError
from recipe.formatting import compact, count, duration, points
from recipe.records import write_recipe
from recipe.report.plots import CURVES
from recipe.report.report import write_report

PLOTS = {
    "mlm_loss",
    "mlm_accuracy",
    "nsp_loss",
    "nsp_accuracy",
    "learning_rate",
    "cleaning",
    "pair_lengths",
    "label_balance",
    "fertility",
    "task_scores",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The report of a run in which every stage has run."""
    recipe = make_recipe(tmp_path_factory.mktemp("whole") / "run")
    write_run_files(recipe)
    write_report(recipe.folder)
    return recipe


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are made but not drawn, which is the slow part."""
    monkeypatch.setattr("recipe.report.plots.png_of", lambda figure: b"\x89PNG")


def read(recipe) -> Page:
    return Page((recipe.folder / "report.html").read_text(encoding="utf-8"))


def test_the_page_is_whole_and_loads_nothing(whole):
    page = read(whole)
    text = (whole.folder / "report.html").read_text(encoding="utf-8")
    assert all(resource.startswith("data:image/png;base64,") for resource in page.resources)
    assert not re.search(r"@import|url\(|<script \w|<link|fetch\(|https?://(?!www\.w3\.org)", text)
    assert {path.stem for path in (whole.folder / "plots").iterdir()} == PLOTS
    # The curves of training are drawn by the page itself.
    assert page.tags.count("svg") == len(CURVES) == 5
    assert len(page.resources) == len(PLOTS - {*CURVES})
    inlined = {base64.b64decode(resource.partition(",")[2]) for resource in page.resources}
    assert inlined == {path.read_bytes() for path in (whole.folder / "plots").iterdir() if path.stem not in CURVES}
    assert all(image.startswith(b"\x89PNG") for image in inlined)
    assert "not run yet" not in page.text


@pytest.mark.parametrize(
    "number",
    [
        "A 2-layer BERT, 128 wide, pretrained from scratch on 119 documents of open-access biomedicine for 3,000 steps"
        " in 5 min 41 s on cpu.",
        "810 k tokens",
        "8,192",
        "1.59 M",
        "6.29 6.98",
        "0.69 lower",
        "perplexity 539",
        "13.3 %",
        "60.2 % 50.0 %",
        "+10.2 points",
        "65.8 % 61.8 %",
        "39.4 ± 0.7 % 30.3 ± 0.7 %",
        "+9.0 points",
        "5,370,000",
        "61.8 %",
        "entities: 7,500 train, 1,850 devel, 1,873 test",
        "77eaa0523be1",
        "2.13.0",
        "mlm_probability: 0.2",
        "3 of 8 guessed right",
        "exact duplicates 123 27,950 3,850,331 1 0",
        "replaced bytes 17",
        "phosphatid ##yl ##inositol",
        "bert-base-uncased",
        "0.021 %",
        "64.3 %",
        "Does the corpus fit the task? 66.7 % of the task's training mentions occur 20 times or more",
        "Is it learning? Yes: the MLM loss is 6.29, 0.69 below what token frequencies alone give",
        "Is NSP learned? Yes: balanced accuracy 60.2 %",
        "Was pretraining worth it? Yes: +9.0 points on",
        "labels.txt 1,386,515 86.0 % 79.0 % 40.3 % 72.0 % 62.0 % 47.5 % 98.0 % 97.0 % 95.0 % 17.2",
    ],
)
def test_numbers_appear(whole, number):
    assert number in read(whole).text


@pytest.mark.parametrize(
    ("absent", "command"),
    [
        ("corpus/statistics.json", "corpus"),
        ("pairs/statistics.json", "pairs"),
        ("tokenizer/statistics.json", "tokenizer"),
        ("training.json", "pretrain"),
        ("evaluation.json", "evaluate"),
        ("task/scores.json", "finetune"),
        ("stages.json", "run"),
    ],
)
def test_what_has_not_run_is_named(tmp_path, undrawn, absent, command):
    recipe = make_recipe(tmp_path / "run")
    write_run_files(recipe)
    (recipe.folder / absent).unlink()
    write_report(recipe.folder)
    assert f"not run yet: domain-bert {command}" in read(recipe).text


def test_an_empty_run_gives_a_page_without_plots(tmp_path):
    recipe = make_recipe(tmp_path / "run")
    write_recipe(recipe.folder, recipe)
    write_report(recipe.folder)
    page = read(recipe)
    assert page.text.count("not run yet: domain-bert ") == 8
    assert "img" not in page.tags
    assert list((recipe.folder / "plots").iterdir()) == []


def test_a_poor_fit_is_among_the_warnings(tmp_path, undrawn):
    recipe = make_recipe(tmp_path / "run")
    write_run_files(recipe, "fertility.json")
    path = recipe.folder / "fertility.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"warnings": ["only 3.0 % of the task's"]}))
    write_report(recipe.folder)
    assert "inspect: only 3.0 % of the task's" in read(recipe).text


def test_a_run_without_a_task_says_nothing_of_its_fit(tmp_path, undrawn):
    recipe = make_recipe(tmp_path / "run")
    write_run_files(recipe, "fertility.json")
    path = recipe.folder / "fertility.json"
    # One of an older version has no such key.
    for change in ({"coverage": []}, {"coverage": None}):
        found = {name: value for name, value in (json.loads(path.read_text()) | change).items() if value is not None}
        path.write_text(json.dumps(found))
        write_report(recipe.folder)
        assert "fit the task" not in read(recipe).text


def test_old_plots_go(tmp_path):
    recipe = make_recipe(tmp_path / "run")
    write_run_files(recipe, "task/scores.json")
    write_report(recipe.folder)
    assert [path.name for path in (recipe.folder / "plots").iterdir()] == ["task_scores.png"]
    (recipe.folder / "task" / "scores.json").unlink()
    write_report(recipe.folder)
    assert list((recipe.folder / "plots").iterdir()) == []


def test_text_of_the_corpus_cannot_break_the_page(tmp_path):
    evil = '"><script>alert(1)</script>{{ 7 * 7 }}'
    recipe = make_recipe(tmp_path / "run", domain=evil)
    evaluation, task, tokenizer = evaluation_record(), task_scores(), tokenizer_statistics()
    evaluation["examples"][0]["tokens"][2] = evil
    evaluation["examples"][0]["guesses"]["2"][0][0] = evil
    task["task"] = evil
    corpus = corpus_statistics() | {"samples_of_deleted_parts": {"boilerplate": [evil]}}
    tokenizer["top_whole_words"][:3] = [["$\\frac$", 99], ["<b>", 98], ["α$_", 97]]
    write_run_files(recipe)
    for name, content in (
        ("corpus/statistics.json", corpus),
        ("evaluation.json", evaluation),
        ("task/scores.json", task),
        ("tokenizer/statistics.json", tokenizer),
    ):
        (recipe.folder / name).write_text(json.dumps(content))
    write_report(recipe.folder)
    page = read(recipe)
    # The page's own one.
    assert page.tags.count("script") == 1
    assert page.text.count(evil) >= 5
    assert all(word in page.text for word in ("$\\frac$ 99", "<b> 98", "α$_ 97"))
    assert "4 of 8" not in page.text


def test_a_task_without_baseline_and_with_one_seed(tmp_path):
    recipe = make_recipe(tmp_path / "run")
    task = task_scores()
    del task["systems"]["random_initialisation"]
    task["systems"]["pretrained"]["runs"] = task["systems"]["pretrained"]["runs"][:1]
    write_run_files(recipe, "task/scores.json")
    (recipe.folder / "task" / "scores.json").write_text(json.dumps(task))
    write_report(recipe.folder)
    assert "39.4 ± 0.7 %" in read(recipe).text


def test_no_gain_is_called_so(tmp_path, undrawn):
    recipe = make_recipe(tmp_path / "run")
    evaluation = evaluation_record() | {"mlm_loss": 7.1, "nsp_balanced_accuracy": 0.51, "nsp_accuracy": 0.6}
    write_run_files(recipe)
    (recipe.folder / "evaluation.json").write_text(json.dumps(evaluation))
    write_report(recipe.folder)
    for words in (
        "not lower: context is not used yet",
        "+1.0 points: within the noise of a coin",
        "−1.8 points: worse",
    ):
        assert words in read(recipe).text


def test_a_broken_file_is_named(tmp_path):
    recipe = make_recipe(tmp_path / "run")
    write_run_files(recipe)
    (recipe.folder / "training.json").write_text('{"log_history": [')
    with pytest.raises(InputError, match=r"training\.json: is not JSON .*`domain-bert pretrain`"):
        write_report(recipe.folder)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.04, "0.0 s"),
        (9.97, "10 s"),
        (59.6, "1 min"),
        (341.2, "5 min 41 s"),
        (3600, "1 h"),
        (93_784, "1 d 2 h"),
        (3599.6, "1 h"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_counts_and_points():
    counts = {
        None: "–",
        9_999: "9,999",
        10_000: "10.0 k",
        810_300: "810 k",
        999_960: "1.00 M",
        5_370_000: "5.37 M",
        3.2e9: "3.20 B",
    }
    assert {value: compact(value) for value in counts} == counts
    assert (count(1_234_567), points(-0.018)) == ("1,234,567", "−1.8 points")
