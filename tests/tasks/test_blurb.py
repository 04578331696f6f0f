"""The BLURB score: a mean of means, and never one over fewer tasks than BLURB has."""

import json
from pathlib import Path
from statistics import fmean

import pytest
from conftest import run_script

from recipe.errors import InputError
from recipe.tasks.catalog import KINDS, task_table
from recipe.tasks.experiments.blurb import TYPES, blurb_table, read_contestants

SCORES = {name: 0.5 + 0.03 * place for place, name in enumerate(task_table())}


def write(folder: Path, name: str, contestant: str = "base/model", looks: int = 1) -> Path:
    """The result of two seeds on a task of the table."""
    kind = task_table()[name].kind
    runs = [{"seed": seed, KINDS[kind].score: SCORES[name] + shift} for seed, shift in ((1, 0.01), (2, -0.01))]
    path = folder / name / contestant / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"task": name, "kind": kind, "contestant": "model", "looks": looks, "runs": runs}))
    return path


def test_the_score_is_the_mean_over_six_types(tmp_path):
    for name in SCORES:
        write(tmp_path, name)
    (contestant,) = read_contestants(tmp_path)
    by_type = [fmean(score for name, score in SCORES.items() if task_table()[name].kind == kind) for kind in TYPES]
    assert contestant.score() == pytest.approx(fmean(by_type))
    assert contestant.score() != pytest.approx(fmean(SCORES.values())), "types of many tasks weigh no more than others"
    table = blurb_table([contestant])
    assert table.count("\n") == 3
    assert table.endswith(f"| {100 * fmean(by_type):.1f} % |\n")


@pytest.mark.parametrize("absent", SCORES)
def test_no_score_is_given_while_a_task_is_missing(tmp_path, absent):
    for name in SCORES:
        if name != absent:
            write(tmp_path, name)
    table = blurb_table(read_contestants(tmp_path))
    assert "| – |\n" in table
    assert f"base/model: the BLURB score is not complete: missing {absent}\n" in table


def test_contestants_types_and_looks_are_told_apart(tmp_path):
    write(tmp_path, "bc5-chem", looks=2)
    write(tmp_path, "gad")
    write(tmp_path, "biosses", "base/random_weights")
    path = write(tmp_path, "hoc", "other/model")
    path.write_text(path.read_text().replace('"task": "hoc"', '"task": "mine"'))
    table = blurb_table(read_contestants(tmp_path))
    assert "| base/model | 50.0 % (1 of 5 tasks) | – | 74.0 % (1 of 3 tasks) | – | – | – | – |" in table
    assert "| base/random_weights | – | – | – | 77.0 % | – | – | – |" in table
    assert "bioasq; test of bc5-chem was read 2 times" in table
    assert "other/model" not in table


def test_bad_folders_are_named(tmp_path):
    with pytest.raises(InputError, match=r"holds no result\.json of a task of BLURB"):
        read_contestants(tmp_path)
    path = write(tmp_path, "gad")
    write(tmp_path / "again", "gad")
    with pytest.raises(InputError, match="is a second result of base/model on gad"):
        read_contestants(tmp_path)
    for text in (
        "{",
        "[]",
        '{"task": "gad"}',
        path.read_text().replace('"relations"', '"nothing"'),
        path.read_text().replace('"f1"', '"f2"'),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=r"gad/base/model/result\.json: is no result of scripts/finetune\.py"):
            read_contestants(tmp_path)


def test_the_script_prints_the_table_or_one_line(tmp_path):
    write(tmp_path, "gad")
    done = run_script("blurb", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "not complete: missing bc5-chem, " in done.stdout
    refused = run_script("blurb", str(tmp_path / "absent"))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
