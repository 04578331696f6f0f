"""The BLURB score: a mean of means, and never one over fewer tasks than BLURB has."""

import json
from pathlib import Path
from statistics import fmean

import pytest
from conftest import run_script

from recipe.errors import InputError
from recipe.tasks.catalog import BLURB_TYPES, task_table
from recipe.tasks.experiments.blurb import blurb_table, read_systems

SCORES = {name: 0.5 + 0.03 * place for place, name in enumerate(task_table())}


def write(folder: Path, name: str, system: str = "base/pretrained", times: int = 1) -> Path:
    """The result of two seeds on a task of the table."""
    task_type = task_table()[name].type
    runs = [
        {"seed": seed, BLURB_TYPES[task_type].score: SCORES[name] + shift} for seed, shift in ((1, 0.01), (2, -0.01))
    ]
    path = folder / name / system / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(
        json.dumps(
            {"task": name, "task_type": task_type, "system": "pretrained", "test_evaluations": times, "runs": runs}
        )
    )
    return path


def test_the_score_is_the_mean_over_six_types(tmp_path):
    for name in SCORES:
        write(tmp_path, name)
    (system,) = read_systems(tmp_path)
    by_type = [
        fmean(score for name, score in SCORES.items() if task_table()[name].type == task_type)
        for task_type in BLURB_TYPES
    ]
    assert system.score() == pytest.approx(fmean(by_type))
    assert system.score() != pytest.approx(fmean(SCORES.values())), "types of many tasks weigh no more than others"
    table = blurb_table([system])
    assert table.count("\n") == 3
    assert table.endswith(f"| {100 * fmean(by_type):.1f} % |\n")


@pytest.mark.parametrize("absent", SCORES)
def test_no_score_is_given_while_a_task_is_missing(tmp_path, absent):
    for name in SCORES:
        if name != absent:
            write(tmp_path, name)
    table = blurb_table(read_systems(tmp_path))
    assert "| – |\n" in table
    assert f"base/pretrained: the BLURB score is not complete: missing {absent}\n" in table


def test_systems_types_and_looks_are_told_apart(tmp_path):
    write(tmp_path, "bc5-chem", times=2)
    write(tmp_path, "gad")
    write(tmp_path, "biosses", "base/random_initialisation")
    path = write(tmp_path, "hoc", "other/pretrained")
    path.write_text(path.read_text().replace('"task": "hoc"', '"task": "mine"'))
    table = blurb_table(read_systems(tmp_path))
    assert "| base/pretrained | 50.0 % (1 of 5 tasks) | – | 74.0 % (1 of 3 tasks) | – | – | – | – |" in table
    assert "| base/random_initialisation | – | – | – | 77.0 % | – | – | – |" in table
    assert "bioasq; test of bc5-chem was evaluated 2 times" in table
    assert "other/pretrained" not in table


def test_bad_folders_are_named(tmp_path):
    with pytest.raises(InputError, match=r"contains no result of a task that has its name in BLURB"):
        read_systems(tmp_path)
    path = write(tmp_path, "gad")
    write(tmp_path / "again", "gad")
    with pytest.raises(InputError, match="is a second result of base/pretrained on gad"):
        read_systems(tmp_path)
    for text in (
        "{",
        "[]",
        '{"task": "gad"}',
        path.read_text().replace('"relations"', '"nothing"'),
        path.read_text().replace('"f1"', '"f2"'),
    ):
        path.write_text(text)
        with pytest.raises(
            InputError, match=r"gad/base/pretrained/result\.json: is no result of `domain-bert finetune`"
        ):
            read_systems(tmp_path)


def test_the_script_prints_the_table_or_one_line(tmp_path):
    write(tmp_path, "gad")
    done = run_script("blurb", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "not complete: missing bc5-chem, " in done.stdout
    refused = run_script("blurb", str(tmp_path / "absent"))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
