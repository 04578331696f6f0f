"""Model, checkpoints, pairs and task model of one real run: pushed by the command, loaded back in a fresh process, and
every byte of them searched.
"""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import datasets
import pyarrow
import pytest
import yaml
from conftest import ROOT, small_recipe
from hub_stub import TOKEN
from huggingface_hub import DatasetCard, ModelCard, parse_eval_result_entries
from made_up_secrets import SECRETS

from recipe.config import TaskConfig
from recipe.errors import InputError
from recipe.files import sha256_of_file
from recipe.pairs.dataset import load_pairs
from recipe.privacy.secrets import secrets_in
from recipe.publishing.disclosure import refuse_disclosure
from recipe.publishing.push import push_run
from recipe.publishing.results import eval_results
from recipe.records import recorded_recipe, write_recipe
from recipe.report.run_files import read_run_files

MODEL, PAIRS, TASK = "someone/words-bert", "someone/words-pairs", "someone/words-ner"
KINDS = ((MODEL, "--checkpoints"), (PAIRS, "--dataset"), (TASK, "--task"))
WEIGHTS = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"}

PUSH = """
import sys
from recipe.cli import main
run, *kinds = sys.argv[1:]
for kind in kinds:
    repo, option = kind.split(",")
    main(["push", run, "--repo", repo, option])
"""

LOAD = """
import json, sys
import torch
from datasets import load_dataset
from transformers import AutoModelForMaskedLM, AutoModelForTokenClassification, AutoTokenizer, pipeline
torch.set_num_threads(1)
run, model, pairs, task, step = sys.argv[1:]

def same(one, other):
    one, other = one.state_dict(), other.state_dict()
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)

text = "abcdef ghij jihgf. [MASK] aaa"
same(AutoModelForMaskedLM.from_pretrained(model), AutoModelForMaskedLM.from_pretrained(f"{run}/model"))
assert AutoTokenizer.from_pretrained(model)(text) == AutoTokenizer.from_pretrained(f"{run}/model")(text)
same(AutoModelForMaskedLM.from_pretrained(model, revision="step-3"), AutoModelForMaskedLM.from_pretrained(step))
assert AutoTokenizer.from_pretrained(model, revision="step-3")(text) == AutoTokenizer.from_pretrained(step)(text)
assert len(pipeline("fill-mask", model=model)("[MASK] abc")) == 5
here = f"{run}/task/pretrained/model"
same(AutoModelForTokenClassification.from_pretrained(task), AutoModelForTokenClassification.from_pretrained(here))
tagger = pipeline("token-classification", model=task, aggregation_strategy="first")
assert set(tagger.model.config.label2id) == {"O", "B-Chemical", "I-Chemical"}
expected = pipeline("token-classification", model=here, aggregation_strategy="first")("zinc was given")
assert tagger("zinc was given") == expected
loaded = load_dataset(pairs)
print(json.dumps({split: rows.to_list() for split, rows in loaded.items()}))
"""


@pytest.fixture(scope="module")
def pushed(whole_run, tmp_path_factory):
    """The stub Hub after all was pushed."""
    from hub_stub import stub_hub

    with stub_hub() as hub:
        kinds = [f"{repo},{option}" for repo, option in KINDS]
        # A copy, since the name of the repository is written into its recipe.yaml.
        run = shutil.copytree(whole_run, tmp_path_factory.mktemp("pushed") / "run")
        done = in_process(hub, tmp_path_factory.mktemp("home"), PUSH, run, *kinds)
        assert done.returncode == 0, done.stderr[-3000:]
        lines = done.stdout.splitlines()
        assert lines[::2] == [f"{hub.url}/{MODEL}", f"{hub.url}/datasets/{PAIRS}", f"{hub.url}/{TASK}"]
        assert lines[1].endswith(" on the branches main, step-3, step-6; private")
        yield hub


def in_process(hub, home: Path, code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = hub.environment(home) | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)


def files_of(hub, repo: str, kind: str = "models") -> dict[str, bytes]:
    return hub.repositories[f"{kind}/{repo}"].files


def test_all_is_private_and_is_what_is_listed(pushed, whole_run):
    assert all(repository.private for repository in pushed.repositories.values())
    plots = {f"plots/{path.name}" for path in (whole_run / "plots").glob("*.png")}
    told = {"README.md", "recipe.yaml", "provenance.json"}
    assert set(files_of(pushed, MODEL)) == WEIGHTS | told | {"report.html"} | plots
    assert set(files_of(pushed, TASK)) == WEIGHTS | told
    assert set(files_of(pushed, PAIRS, "datasets")) == told | {
        "statistics.json", "data/train-00000-of-00001.arrow", "data/validation-00000-of-00001.arrow",
        "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json", "tokenizer/vocab.txt",
    }  # fmt: skip
    branches = pushed.repositories[f"models/{MODEL}"].branches
    assert {name: set(files) for name, files in branches.items()} == {"step-3": WEIGHTS, "step-6": WEIGHTS}
    for step in (3, 6):
        (checkpoint,) = (whole_run / "checkpoints").glob(f"*/checkpoint-{step}")
        assert branches[f"step-{step}"]["model.safetensors"] == (checkpoint / "model.safetensors").read_bytes()


def test_all_loads_back_in_a_fresh_process(pushed, whole_run, tmp_path):
    (step,) = (whole_run / "checkpoints").glob("*/checkpoint-3")
    done = in_process(pushed, tmp_path / "home", LOAD, whole_run, MODEL, PAIRS, TASK, step)
    assert done.returncode == 0, done.stderr[-3000:]
    here = {split: rows.to_list() for split, rows in load_pairs(recorded_recipe(whole_run)).items()}
    assert json.loads(done.stdout) == here
    assert len(here["train"]) > 100


def test_no_byte_of_it_tells_a_secret_or_names_this_machine(pushed, whole_run):
    traces = [TOKEN, str(whole_run.parent), str(ROOT), tempfile.gettempdir() + "/", str(Path.home()) + "/"]
    searched = 0
    for repository in pushed.repositories.values():
        for files in (repository.files, *repository.branches.values()):
            for place, content in files.items():
                searched += len(content)
                assert not list(secrets_in(content)), place
                assert not [trace for trace in traces if trace.encode() in content], place
                if place.endswith((".md", ".yaml", "provenance.json", "statistics.json", ".html")):
                    assert f" {socket.gethostname()} ".encode() not in content, place
    for content in (*pushed.blobs.values(), *pushed.bodies):
        assert not [trace for trace in traces if trace.encode() in content]
    assert searched > 100_000


def test_the_cards_are_valid_and_name_labels_licence_and_how_to_cite(pushed):
    model, task = (ModelCard(files_of(pushed, repo)["README.md"].decode()) for repo in (MODEL, TASK))
    pairs = DatasetCard(files_of(pushed, PAIRS, "datasets")["README.md"].decode())
    assert (model.data.license, task.data.license, pairs.data.license) == ("apache-2.0",) * 3
    assert task.data.base_model == MODEL
    assert {result.metric_type for result in task.data.eval_results} == {"f1", "precision", "recall"}
    assert {result.task_type for result in model.data.eval_results} == {"fill-mask", "token-classification"}
    assert "`O`, `B-Chemical`, `I-Chemical`" in task.text
    assert "| pairs | " in pairs.text
    for repo, card in ((MODEL, model), (TASK, task), (f"datasets/{PAIRS}", pairs)):
        assert f"url = {{https://huggingface.co/{repo}}}" in card.text
        assert "NAME/MODEL" not in card.content


def test_what_was_made_with_what_is_told_and_can_be_compared(pushed, whole_run):
    content = json.loads(files_of(pushed, MODEL)["provenance.json"])
    assert set(content["stages"]) >= {"corpus", "tokenizer", "pairs", "pretrain", "evaluate", "task"}
    assert content["stages"]["pretrain"]["packages"]["torch"]
    assert "settings" not in content["stages"]["task"]
    assert content["sha256"]["model.safetensors"] == sha256_of_file(whole_run / "model" / "model.safetensors")


@pytest.mark.parametrize(("option", "files"), [("model", 14), ("checkpoints", 24), ("dataset", 9), ("task", 8)])
def test_a_dry_run_lists_and_leaves_no_trace(run_copy, hub, option, files):
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in run_copy.rglob("*")}
    text = push_run(run_copy, None, public=False, what=option, dry_run=True)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in run_copy.rglob("*")} == before
    first, *lines, last = text.splitlines()
    assert first == f"NAME/MODEL: {'dataset' if option == 'dataset' else 'model'}, private"
    sizes = [int(line.split()[0].replace(",", "")) for line in lines if not line.startswith("revision")]
    assert len(sizes) >= files
    assert last == f"{len(sizes):,} files, {sum(sizes):,} bytes; nothing was sent"


def test_a_dry_run_needs_neither_login_nor_network(whole_run, hub, tmp_path):
    environment = hub.environment(tmp_path / "home", token=None) | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    script = [sys.executable, "scripts/push_to_hub.py", whole_run, "--repo", MODEL, "--dry-run", "--public"]
    done = subprocess.run(script, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{MODEL}: model, public\n")
    assert hub.requests == []


@pytest.mark.parametrize(
    ("what", "place"),
    [
        ("model", "model/model.safetensors"),
        ("dataset", "pairs/next_sentence_pairs/*/*/*-train.arrow"),
        ("dataset", "tokenizer/vocab.txt"),
        ("task", "task/pretrained/model/model.safetensors"),
        ("task", "model/vocab.txt"),
        ("checkpoints", "checkpoints/*/checkpoint-3/model.safetensors"),
    ],
)
def test_a_damaged_file_is_not_uploaded(run_copy, what, place):
    (path,) = run_copy.glob(place)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match=f"{path.name}.*is not as it was written"):
        push_run(run_copy, MODEL, public=False, what=what, dry_run=True)


def test_what_is_missing_is_named(run_copy, prepared, tmp_path):
    for what, folder, command in (
        ("checkpoints", "checkpoints", "push without --checkpoints"),
        ("task", "task/pretrained/model", "`domain-bert finetune`"),
        ("dataset", "pairs", "`domain-bert pairs`"),
    ):
        shutil.rmtree(run_copy / folder)
        with pytest.raises(InputError, match=command):
            push_run(run_copy, MODEL, public=False, what=what, dry_run=True)
    for what in ("dataset", "task"):
        with pytest.raises(InputError, match=f"--{what} takes a repository of its own.*give --repo NAME/MODEL"):
            push_run(run_copy, None, public=False, what=what)


def test_pairs_of_which_only_validation_is_stored_are_not_uploaded(tmp_path, corpus_file):
    recipe = small_recipe(corpus_file, tmp_path / "run", **{"pairs.refresh_every_epoch": "true"})
    write_recipe(recipe.folder, recipe)
    with pytest.raises(InputError, match=r"pairs\.refresh_every_epoch made the training pairs.*only\s+those of valid"):
        push_run(recipe.folder, PAIRS, public=False, what="dataset")


@pytest.mark.parametrize(
    ("what", "place"),
    [
        ("dataset", "pairs/statistics.json"),
        ("dataset", "tokenizer/tokenizer.json"),
        ("dataset", "pairs/next_sentence_pairs/*/*/*-train.arrow"),
        ("task", "task/pretrained/model/config.json"),
        ("task", "task/pretrained/model/model.safetensors"),
        ("checkpoints", "checkpoints/*/checkpoint-3/tokenizer_config.json"),
        ("checkpoints", "checkpoints/*/checkpoint-3/model.safetensors"),
    ],
)
def test_a_secret_in_any_file_stops_the_push(run_copy, monkeypatch, what, place):
    # Beforehand its sha256 would tell; here the file was made with it.
    for module in ("model", "pairs", "task"):
        monkeypatch.setattr(f"recipe.publishing.{module}.require_intact", lambda *stages: None)
    monkeypatch.setattr("recipe.pretraining.checkpoints.damage_of", lambda folder: "")
    (path,) = run_copy.glob(place)
    secret = SECRETS["GitHub"]
    if path.suffix == ".json":
        path.write_text(json.dumps({**json.loads(path.read_text()), "note": secret}))
    else:
        path.write_bytes(path.read_bytes() + secret.encode())
    with pytest.raises(InputError, match=rf"{path.name}: contains what looks like a token of GitHub") as caught:
        push_run(run_copy, MODEL, public=False, what=what, dry_run=True)
    assert secret not in str(caught.value)


def test_what_an_arrow_file_tells_about_its_columns_is_read():
    table = pyarrow.table({"input_ids": [1]}).replace_schema_metadata({"made on": socket.gethostname()})
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(InputError, match="contains what looks like the name of this host"):
        refuse_disclosure(Path("data/train.arrow"), sink.getvalue().to_pybytes())


@pytest.mark.parametrize(
    ("task", "benchmark", "expected"),
    [
        ("bc5-chem", None, None),
        ("gad", None, ("bigbio/gad", "gad_blurb_bigbio_text", "b7fa0c974b99f4e2154cdf8f5246dd7e1ef1e674")),
        ("bc5-chem", "someone/bc5", ("someone/bc5", "default", None)),
        ("bc5-chem", "someone/bc5:chem", ("someone/bc5", "chem", None)),
    ],
)
def test_scores_as_the_hub_lists_them(whole_run, task, benchmark, expected):
    recipe = recorded_recipe(whole_run)
    recipe = replace(recipe, task=TaskConfig(name=task), hub=replace(recipe.hub, benchmark=benchmark))
    files = read_run_files(whole_run)
    found = eval_results(recipe, files)
    if expected is None:
        assert found == {}
        return
    ((place, sent),) = found.items()
    (entry,) = parse_eval_result_entries(yaml.safe_load(sent.read()))
    assert place.startswith(".eval_results/")
    assert place.endswith(".yaml")
    assert (entry.dataset_id, entry.task_id, entry.dataset_revision) == expected
    assert entry.value == round(files.task["systems"]["pretrained"]["mean"], 4)
    assert entry.date == files.stages["stages"]["task"]["finished"]
    assert "mean of 1 seeds" in entry.notes


def test_a_benchmark_that_is_no_data_set_is_refused(whole_run):
    recipe = recorded_recipe(whole_run)
    with pytest.raises(InputError, match=r"hub\.benchmark is 'bc5'; it takes NAME/DATA or NAME/DATA:SUBSET"):
        eval_results(replace(recipe, hub=replace(recipe.hub, benchmark="bc5")), read_run_files(whole_run))


def test_the_rows_are_those_that_were_trained_on(pushed, whole_run, tmp_path):
    content = files_of(pushed, PAIRS, "datasets")["data/train-00000-of-00001.arrow"]
    (path,) = (whole_run / "pairs").rglob("*-train.arrow")
    assert content == path.read_bytes()
    (tmp_path / "train.arrow").write_bytes(content)
    assert datasets.Dataset.from_file(str(tmp_path / "train.arrow")).features["input_ids"] is not None
