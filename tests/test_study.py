"""The study's files: arms differ in nothing but what they are about, and every job is a command that would run."""

import json
import re
import sys

import pytest
from conftest import ROOT

from recipe.config_file import load_recipe

sys.path.insert(0, str(ROOT / "scripts"))
study, study_results = __import__("study"), __import__("study_results")

GENERAL = {"corpus.path": ["data/study/general"]}
GENERAL_VOCABULARY = {"tokenizer.path": "runs/study/general-1/tokenizer", "tokenizer.vocab_size": 30522}
DIFFERENCES = {
    "domain": {},
    "general": GENERAL,
    "general-vocabulary": GENERAL_VOCABULARY,
    "single-pieces": {"masking.whole_word_mask": False},
    "general-half": {**GENERAL, "training.max_steps": 500},
    "continued": {
        "tokenizer.path": "runs/study/general-half-1/tokenizer",
        "tokenizer.vocab_size": 30522,
        "training.init_from": "runs/study/general-half-1/model",
        "training.max_steps": 500,
    },
    "no-pairs": {"pairs.nsp_probability": 0},
    "poor-in-mentions": {"corpus.path": ["data/study/biomedical/ei_fulltext.txt.gz"]},
}


def values(arm: str) -> dict:
    recipe = load_recipe(ROOT / "configs" / "study" / f"{arm}.yaml")
    return {place: value for place, _, value in recipe.entries()}


@pytest.mark.parametrize("arm", DIFFERENCES)
def test_an_arm_differs_from_the_first_one_only_in_what_it_is_about(arm):
    first, other = values("domain"), values(arm)
    changed = {place: other[place] for place in first if first[place] != other[place]}
    assert changed.pop("run_dir", f"runs/study/{arm}-1") == f"runs/study/{arm}-1"
    assert changed == DIFFERENCES[arm]


def test_every_file_is_an_arm_and_every_arm_has_a_file():
    files = {path.stem for path in (ROOT / "configs" / "study").glob("*.yaml")}
    assert files == set(study.ARMS) == set(DIFFERENCES)


def test_half_the_steps_of_a_continued_run_are_general():
    whole, halves = values("domain"), [values(arm) for arm in ("general-half", "continued")]
    assert sum(half["training.max_steps"] for half in halves) == whole["training.max_steps"]


def test_each_job_comes_after_those_that_it_needs_and_its_recipe_loads():
    # The runs of the two large models are started by hand.
    made = {study.STUDY.parent / name / "evaluation.json" for name in (study.BEST, study.ON_GPU)}
    for job in study.jobs():
        assert {path for path in job.needs if "checkpoints" not in path.parts} <= made, job.name
        made.add(job.result)
        if job.command[0] == "run":
            overrides = dict(word.removeprefix("--").split("=", 1) for word in job.command[4:])
            recipe = load_recipe(ROOT / job.command[1], overrides)
            if job.name.startswith("fit "):
                assert job.result == recipe.folder / "fertility.json"
                continue
            assert job.result == recipe.folder / "evaluation.json"
            # A run of the second seed starts from nothing of the first one.
            paths = [str(value) for _, _, value in recipe.entries() if str(value).startswith("runs/study/")]
            assert {path.split("/")[2].rpartition("-")[2] for path in paths} == {str(recipe.seed)}


def test_a_job_on_a_gpu_is_the_same_but_for_the_device():
    for job in study.jobs():
        there = job.on_gpu()
        assert (there.name, there.result, there.needs) == (job.name, job.result, job.needs)
        assert "--use_cpu" not in there.command
        if job.command[0] == "run":
            assert load_recipe(ROOT / job.command[1]).training.use_cpu
            assert there.command == (*job.command, "--training.use_cpu=false")
        else:
            assert [part for part in job.command if part != "--use_cpu"] == list(there.command)


def test_jobs_are_shared_without_gap_or_overlap():
    names = [job.name for job in study.jobs()]
    assert len({*names}) == len(names)


@pytest.mark.parametrize("document", study_results.DOCUMENTS, ids=lambda path: path.name)
def test_every_table_is_what_the_kept_files_give(document):
    text = document.read_text(encoding="utf-8")
    assert study_results.filled(text, study_results.Results(study_results.RESULTS)) == text
    # And all marks are known.
    assert {*re.findall(r"^<!-- (\w+) -->$", text, re.M)} <= study_results.TABLES.keys()


def test_no_text_of_a_corpus_is_kept():
    for path in (study_results.RESULTS / "runs").glob("*.json"):
        assert "examples" not in json.loads(path.read_text(encoding="utf-8"))["evaluation"]


def test_the_plots_of_the_document_are_those_that_are_drawn(tmp_path):
    study_results.draw(study_results.Results(study_results.RESULTS), tmp_path)
    drawn = {path.stem for path in tmp_path.iterdir()}
    assert drawn == {path.stem for path in (study_results.RESULTS / "plots").iterdir()}
    text = study_results.DOCUMENTS[0].read_text(encoding="utf-8")
    assert drawn == {*re.findall(r"\(results/plots/(\w+)\.png\)", text)}
