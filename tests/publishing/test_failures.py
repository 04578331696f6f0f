"""What goes wrong on the way to the Hub: the client mends it, or it is one line; nothing is half there, or public by
mistake; and the same command again does the rest.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from failing_pushes import CASES
from hub_stub import TOKEN

MODEL = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"}


@pytest.fixture(scope="module")
def outcomes(whole_run, tmp_path_factory) -> dict:
    """What became of each case, by its name."""
    folder = tmp_path_factory.mktemp("failures")
    # A copy, since the name of the repository is written into its recipe.yaml.
    run, results = shutil.copytree(whole_run, folder / "run"), folder / "results.json"
    program = Path(__file__).parents[1] / "support" / "failing_pushes.py"
    done = subprocess.run(
        [sys.executable, str(program), str(run), str(results)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    # The client would name addresses, which may be signed, where it tries again.
    assert "thrown while requesting" not in done.stderr
    return json.loads(results.read_text())


def test_there_are_as_many_as_were_asked_for():
    assert len(CASES) >= 20


@pytest.mark.parametrize("name", CASES)
def test_a_failure_is_mended_or_is_one_line_and_the_same_command_does_the_rest(outcomes, name):
    (failure, is_mended, options), outcome = CASES[name], outcomes[name]
    first, again = outcome["first"], outcome["again"]
    assert outcome["left"] < max(failure.times, 1) or failure.times > 1, "the failure was never met"
    if is_mended:
        assert first["status"] == 0, first["err"]
        assert first["waited"] > 0
    else:
        assert first["status"] == 2, first
        *waits, last = first["err"].splitlines()
        assert all(line.startswith(("Retrying in", "Rate limited")) for line in waits), waits
        assert last.startswith(f"error: the Hub did not take {outcome['repo']}: ")
        assert first["out"] == ""
        assert failure.what != "hang" or "timed out" in last, last
    assert "Traceback" not in first["err"] + again["err"]
    assert TOKEN not in first["err"] + again["err"]
    # A branch has all of its files or none.
    is_complete = set(first["files"]) >= MODEL
    assert is_complete or not first["files"]
    for branch in first["branches"].values():
        assert not branch or set(branch) == MODEL
    if not is_mended:
        assert first["private"] in (None, True), "it became public before all was there"
    assert again["status"] == 0, again["err"]
    assert set(again["files"]) >= MODEL | {"README.md", "recipe.yaml", "provenance.json"}
    assert again["private"] is ("--public" not in options)
    assert again["sent_twice"] == [], "what had arrived was sent again"
    if "--checkpoints" in options:
        assert {name: set(files) for name, files in again["branches"].items()} == {"step-3": MODEL, "step-6": MODEL}


def test_the_client_waits_as_long_as_the_hub_asks_for(outcomes):
    assert outcomes["429 with Retry-After"]["first"]["waited"] >= 7


def test_a_done_commit_is_not_made_twice(outcomes):
    assert set(outcomes["a commit that is done, but not answered"]["first"]["files"]) >= MODEL
