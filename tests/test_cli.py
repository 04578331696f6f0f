"""The command `domain-bert`: what it lists, what it refuses, and what a person sees."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest
from conftest import ROOT, small_recipe, write_corpus
from transformers import TrainerControl, TrainerState

from recipe.cli import COMMANDS, main
from recipe.config_file import load_recipe
from recipe.maintenance.status import status_of
from recipe.pretraining.lines import HEADING, TrainingLines
from recipe.records import read_records, write_recipe
from recipe.report.summary import summary_of
from recipe.run_folder.events import log_event
from recipe.run_folder.lock import run_lock


def domain_bert(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    code = "import sys; from recipe.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment})


def test_the_overview_lists_every_command_and_imports_nothing_slow():
    done = domain_bert("--help", PYTHONPROFILEIMPORTTIME="1")
    assert [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")] == list(COMMANDS)
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "recipe.pipeline" in imported
    assert not imported & {"torch", "transformers", "datasets", "matplotlib", "pandas"}


def test_importing_the_package_imports_nothing():
    code = "import sys; import recipe; print(sorted(name for name in sys.modules if name.startswith('recipe')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "['recipe']"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pretrian", "demo"), "'pretrian' is not a command; did you mean pretrain?"),
        (("quux",), "'quux' is not a command; `domain-bert --help` lists them"),
        (("run", "no-such-recipe"), "no-such-recipe: cannot be read"),
        (("run", "demo", "demo", "--run_dir", "x"), "--run_dir with several recipes"),
        (("run", "demo", "--training.max_step", "3"), "unknown argument --training.max_step; did you mean"),
        (("status", "no/such/run"), "no/such/run: is not a run folder"),
        (("get-task", "bc5-chem", "--outptu", "x"), "unknown argument --outptu; did you mean --output?"),
    ],
)
def test_what_cannot_be_is_one_line(arguments, message):
    done = domain_bert(*arguments)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert done.stderr.startswith("error: ")
    assert message in done.stderr


def test_a_key_takes_its_value_after_a_space_or_an_equals_sign(monkeypatch):
    seen = []
    monkeypatch.setattr("recipe.cli.run_all", lambda recipe, until: seen.append((recipe, until)))
    main(["run", "demo", "--training.max_steps", "7", "--seed=9", "--until", "pairs"])
    main(["run", "pubmed-base-128", "pubmed-base-512", "--seed", "3"])
    (first, until), *phases = seen
    assert (first.training.max_steps, first.seed, until, first.run_dir) == (7, 9, "pairs", "runs/demo")
    assert [(recipe.run_dir, recipe.seed) for recipe, _ in phases] == [
        ("runs/pubmed-base-128", 3),
        ("runs/pubmed-base-512", 3),
    ]


def test_help_shows_first_what_people_change_first(capsys):
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    keys = re.findall(r"^  --([\w.]+) VALUE", capsys.readouterr().out, re.M)
    assert keys[:3] == ["run_dir", "corpus.path", "corpus.format"]
    assert len(keys) == len(set(keys)) > 80
    assert "task.name" in keys[:10]


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_a_starter_recipe_loads_and_says_what_comes_next(tmp_path, size, capsys):
    file = tmp_path / "my-bert.yaml"
    main(["init", str(file), "--corpus", "texts: mine/*.txt", "--size", size, "--domain", "law & order"])
    recipe = load_recipe(file)
    assert (recipe.corpus.path, recipe.hub.domain) == (["texts: mine/*.txt"], "law & order")
    # What was measured for small models only is not for large ones.
    small = (recipe.training.optimizer, recipe.model.initialization) == ("muon", "informed")
    assert small == (size != "base")
    told = capsys.readouterr().out
    assert f" Next: domain-bert plan {file}, domain-bert run {file}\n" in told
    assert "texts: mine/*.txt leads to no file here." in told
    again = domain_bert("init", str(file), "--corpus", "texts")
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "is there already" in again.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my-bert.yaml"]


def test_status_of_a_run_that_is_done(trained):
    write_recipe(trained.folder, trained)
    text = status_of(trained.folder)
    for name in read_records(trained.folder):
        assert re.search(rf"^  {name} +done in ", text, re.M)
    assert "GB free" in text


def test_status_of_a_run_that_trains(tmp_path, corpus_file):
    recipe = small_recipe(corpus_file, tmp_path / "run")
    write_recipe(recipe.folder, recipe)
    progress = {"step": 50, "max_steps": 200, "seconds_left": 90.0, "mlm_loss": 6.5, "nsp_loss": 0.7}
    (recipe.folder / "progress.json").write_text(json.dumps({**progress, "tokens_per_second": 31_000.0, "time": 0}))
    text = status_of(recipe.folder)
    assert "step 50 of 200 (25%), stopped; the same command resumes" in text
    assert "MLM 6.500, NSP 0.700, 31.0 k tokens/s" in text
    with run_lock(recipe.folder):
        assert "step 50 of 200 (25%), about 1 min 30 s left" in status_of(recipe.folder)


def test_status_of_a_run_that_trains_again_after_it_was_done(trained, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for name in ("stages.json", "progress.json", "events.jsonl"):
        shutil.copy(trained.folder / name, run)
    write_recipe(run, trained)
    assert " of " not in status_of(run)
    progress = json.loads((run / "progress.json").read_text())
    (run / "progress.json").write_text(json.dumps({**progress, "step": 3, "time": time.time() + 60}))
    assert re.search(r"pretrain +step 3 of \d+", status_of(run))


def test_status_names_a_fault_until_its_stage_is_done(tmp_path, corpus_file):
    recipe = small_recipe(corpus_file, tmp_path / "run")
    write_recipe(recipe.folder, recipe)
    log_event(recipe.folder, "signal", stage="pretrain", error="KeyboardInterrupt: ")
    assert re.search(
        r"last event pretrain was interrupted, .* on .*: KeyboardInterrupt$", status_of(recipe.folder), re.M
    )
    log_event(recipe.folder, "start", stage="pretrain")
    assert "last fault pretrain was interrupted" in status_of(recipe.folder)
    log_event(recipe.folder, "end", stage="pretrain")
    assert "last fault" not in status_of(recipe.folder)


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    imports = "from recipe.arguments import exit_with_one_line\n"
    code = f"{imports}exit_with_one_line(lambda: [print('x' * 999) for _ in range(999)])"
    command = f'{sys.executable} -c "$0" | head -1; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", command, code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.split("\n")[1], done.stderr) == ("141", "")
    # A broken pipe to another process is an error.
    code = (
        "from recipe.arguments import exit_with_one_line\ndef fail(): raise BrokenPipeError\nexit_with_one_line(fail)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, "BrokenPipeError" in done.stderr) == (1, True)


def test_the_help_of_finetune_names_the_other_form(capsys):
    with pytest.raises(SystemExit):
        main(["finetune", "--help"])
    text = capsys.readouterr().out
    assert text.startswith("usage: domain-bert finetune CONFIG [options] [--section.key VALUE ...]\n")
    assert "domain-bert finetune --model DIR --help" in text


def test_training_lines_are_short_aligned_and_kept(tmp_path, capsys):
    lines, state = TrainingLines(tmp_path, 7.0, 0), TrainerState(max_steps=2000, global_step=0)
    lines.on_train_begin(None, state, TrainerControl())
    found = {"loss": 7.1, "mlm_loss": 6.4, "nsp_loss": 0.7, "tokens_per_second": 32_000.4, "learning_rate": 1e-3}
    for step in (1, 1500):
        state.global_step = step
        lines.on_log(None, state, TrainerControl(), logs=found)
    lines.on_log(None, state, TrainerControl(), logs={"train_runtime": 3.0})
    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading == HEADING
    assert first.startswith("       1    7.100    6.400    0.700     32,000   ")
    assert second.startswith("   1,500    7.100    6.400    0.700     32,000   ")
    assert json.loads((tmp_path / "progress.json").read_text())["step"] == 1500


def test_the_end_of_a_run_shows_each_number_next_to_its_baseline(trained):
    write_recipe(trained.folder, trained)
    text = summary_of(trained.folder)
    assert re.search(r"^ +this model +to beat +difference$", text, re.M)
    assert re.search(r"^MLM loss, validation +\d\.\d\d +\d\.\d\d \(token frequencies only", text, re.M)
    assert f"domain-bert push {trained.folder} --repo NAME/MODEL" in text
    assert "domain-bert predict" not in text, "no model was fine-tuned"


def test_a_whole_run_fits_two_screens(tmp_path):
    corpus = write_corpus(tmp_path / "corpus.txt")
    recipe = small_recipe(corpus, tmp_path / "run", **{"training.logging_steps": "3"})
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    done = domain_bert("run", str(tmp_path / "recipe.yaml"))
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "libraries say what means nothing here"
    lines = done.stdout.splitlines()
    assert len(lines) <= 60
    assert "\r" not in done.stdout
    assert max(map(len, lines)) <= 420


@pytest.mark.parametrize("arguments", [("--model", "--help"), ("--model", "DIR", "--help")])
def test_help_of_the_form_with_a_model_needs_no_model(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["finetune", *arguments])
    assert ended.value.code == 0
    assert "--protocol NAME" in capsys.readouterr().out
