"""The scripts as a user starts them: bad input gives one line, status 2, no traceback, nothing half-written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, SMALL, run_script, write_corpus

# What only repeats the project's own study is no command of the package; tests/test_study.py runs it.
STUDY = ("study", "study_results")
SCRIPTS = sorted(path.stem for path in (ROOT / "scripts").glob("*.py") if path.stem not in STUDY)
OWN_ARGUMENTS = ("blurb", "compare", "finetune", "get_task", "inspect_tokenizer", "predict", "push_to_hub")
STAGE_SCRIPTS = [name for name in SCRIPTS if name not in (*OWN_ARGUMENTS, "report")]


def config_of(folder: Path, corpus: str, **overrides: str) -> str:
    content: dict = {"run_dir": str(folder / "run")}
    for place, value in {**SMALL, "corpus.path": corpus, **overrides}.items():
        section, _, name = place.partition(".")
        content.setdefault(section, {})[name] = yaml.safe_load(value) if value[:1] not in "/." else value
    (folder / "recipe.yaml").write_text(yaml.safe_dump(content))
    return str(folder / "recipe.yaml")


def assert_refused(done, *parts: str) -> None:
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("error: "), done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in lines[-1]


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_lists_the_keys(name):
    done = run_script(name, "--help")
    assert done.returncode == 0
    assert "domain-bert" in done.stdout
    if name in STAGE_SCRIPTS:
        printed = " ".join(done.stdout.split())
        assert "--training.learning_rate VALUE" in printed
        assert "default: 0.0006]" in printed


@pytest.mark.parametrize(
    ("text", "overrides", "parts"),
    [
        (None, {}, ("leads to no file", "absent.txt")),
        ("", {}, ("corpus.txt", "empty")),
        ("\n \n\n", {}, ("no document has any text",)),
        ("One sentence.\nTwo.\n", {}, ("found 1 document", "blank line")),
        ("A.\n\nB.\n", {"pairs.max_seq_length": "4096"}, ("pairs.max_seq_length is 4096", "max_position_embeddings")),
        (
            "A.\n\nB.\n",
            {"model.vocab_size": "100"},
            ("tokenizer.vocab_size 300, rounded up to a multiple of 8, is larger than model.vocab_size 100",),
        ),
        (
            "A.\n\nB.\n",
            {"training.max_step": "3"},
            ("unknown key training.max_step", "did you mean training.max_steps?"),
        ),
        ("A.\n\nB.\n", {"training.init_from": "/absent/model"}, ("training.init_from", "does not exist")),
        ("A.\n\nB.\n", {"task.name": "/absent/task", "task.max_seq_length": "64"}, ("/absent/task",)),
        ("A.\n\nB.\n", {"tokenizer.path": "/absent/tokenizer"}, ("/absent/tokenizer", "cannot be read")),
        ("A.\n\nB.\n", {"task.name": "embedded:unknown", "task.max_seq_length": "64"}, ("embedded:unknown",)),
    ],
)
def test_bad_input_is_refused_in_one_line_before_torch_is_imported(tmp_path, text, overrides, parts):
    if text is not None:
        (tmp_path / "corpus.txt").write_text(text)
    corpus = str(tmp_path / ("absent.txt" if text is None else "corpus.txt"))
    config = config_of(tmp_path, corpus, **{"corpus.validation_share": "0.0001", **overrides})
    done = run_script("run_recipe", config, PYTHONPROFILEIMPORTTIME="1")
    lines = done.stderr.splitlines()
    imported = {line.split("|")[-1].strip() for line in lines if line.startswith("import time:")}
    done.stderr = "\n".join(line for line in lines if not line.startswith("import time:"))
    assert_refused(done, *parts)
    assert "recipe.corpus" in imported
    # Importing torch is what takes more than the five seconds that a refusal may take.
    assert not imported & {"torch", "transformers", "datasets"}
    told = ("inputs.json", "events.jsonl", "run.lock")
    left = [path for path in (tmp_path / "run").rglob("*") if path.is_file() and path.name not in told]
    assert not left


def test_a_tokenizer_larger_than_the_model_is_refused(tmp_path, trained):
    corpus = str(write_corpus(tmp_path / "corpus.txt"))
    config = config_of(
        tmp_path,
        corpus,
        **{
            "tokenizer.path": str(trained.folder / "tokenizer"),
            "model.vocab_size": "100",
            "tokenizer.vocab_size": "64",
        },
    )
    assert_refused(run_script("run_recipe", config), "model.vocab_size is 100, but the tokenizer", "has 304 entries")
    assert not (tmp_path / "run").exists()


def test_stages_one_by_one(tmp_path):
    config = config_of(tmp_path, str(write_corpus(tmp_path / "corpus.txt")))
    assert_refused(run_script("evaluate_model", config), "run `domain-bert corpus` with the same recipe first")
    assert_refused(run_script("report", str(tmp_path / "run")), "is not a run folder")
    for name in ("prepare_corpus", "train_tokenizer", "build_pairs", "pretrain", "evaluate_model"):
        done = run_script(name, config)
        assert done.returncode == 0, done.stderr[-2000:]
    assert run_script("report", str(tmp_path / "run")).returncode == 0
    assert (tmp_path / "run" / "report.html").is_file()
    assert_refused(run_script("finetune", config), "task.name")
    skipped = run_script("run_recipe", config)
    assert skipped.returncode == 0, skipped.stderr[-2000:]
    assert skipped.stdout.count("done and unchanged, skipped") == 6
    part = run_script("run_recipe", config, "--until", "pairs")
    assert part.stdout.count("done and unchanged, skipped") == 4
    assert_refused(run_script("run_recipe", config, "--until", "pair"), "--until is 'pair'; it takes one of corpus,")


def test_no_script_says_more_than_its_command():
    for name in SCRIPTS:
        assert len((ROOT / "scripts" / f"{name}.py").read_text().splitlines()) <= 11


@pytest.mark.parametrize(
    ("rank", "expected"), [("1", "said\n"), ("0", "said\nwent on\nlate\n"), ("", "said\nwent on\nlate\n")]
)
def test_other_ranks_end_without_shutting_the_interpreter_down(rank, expected):
    code = (
        "import atexit; from recipe.arguments import end_other_ranks as end; atexit.register(print, 'late');"
        " print('said');"
        " end(); print('went on')"
    )
    environment = (
        {**os.environ, "RANK": rank} if rank else {name: value for name, value in os.environ.items() if name != "RANK"}
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")
