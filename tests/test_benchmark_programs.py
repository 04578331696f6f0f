"""Every program of benchmarks/ runs in a tiny form and writes its results; their numbers say nothing here."""

import gzip
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from cluster_corpus import record
from conftest import ROOT, write_corpus
from made_up_task import LABELS, build_config, build_tokenizer, write_checkpoint, write_task
from transformers import BertForTokenClassification

from recipe.config import SPLITTERS

PROGRAMS = ROOT / "benchmarks"
SPLITTERS_HERE = [name for name in SPLITTERS if name == "rules" or find_spec(name)]
# Command lines and the keys of their results; {names} are the inputs below.
TINY = {
    "cluster": ("{data} --megabytes 0.02 --records 5000 --indexed 100 --signed 20", {"rows": 3, "single": 4}),
    "corpus": (
        "--corpus {text} --pubmed {pubmed} --task {task} --xml-megabytes 0.05 --rounds 1 --memory 0.1",
        {"stages": 16, "memory": 2},
    ),
    "exactness": ("--accumulations 1 --combinations 1", {"gradients": 4, "resumes": 4, "mask_agreement": 2}),
    "faults": ("hangs --number 1", {"rows": 1}),
    "finetune": ("--model {checkpoint} --data {task} --sentences 8 --runs {runs}", {"runs": 2}),
    "gpu": ("--device cpu --tiny", {"rows": 8, "kernels": 2, "notes": 0}),
    "pairs": (
        "--skip-peers --megabytes 0.3 --tiny-megabytes 0.1 --num-proc 1 --sentences-of-two 200 --pass --pass-pairs 100"
        " --scale 0.4 --scale-num-proc 1 --kill 1 --kill-megabytes 0.2 --kill-wait 1 --work {runs}",
        {"systems": 2, "new_pass": 5, "scale": 1, "kills": 6},
    ),
    "prediction": (
        "--model {tagger} --task {task} --text {text} --documents 3 --lengths 16 32 --rounds 1",
        {"lengths": 2, "speed": 2},
    ),
    "quality": ("--corpus {text} --steps 2 --seeds 1 2", {"rows": 4}),
    "sentences": ("{task}", {"rows": len(SPLITTERS_HERE)}),
    "training": ("--models 1x64 --lengths 32 --dropouts 0.1 --steps 1 --rounds 1 --threads 1", {"rows": 2}),
    "truncation": ("{text} --megabytes 0.1", {"rows": 4}),
}
# What another program starts.
STARTED = {"exactness_runs": "exactness", "fault_worker": "faults"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> dict[str, Path]:
    """The files and models that programs take, by the name in a command line."""
    folder = tmp_path_factory.mktemp("inputs")
    names = ("data/biomedical", "data/pubmed_xml", "task", "checkpoint", "tagger")
    for name in names:
        (folder / name).mkdir(parents=True)
    text = write_corpus(folder / "text.txt", documents=400)
    for name in ("ei_abstracts", "ei_fulltext"):
        (folder / "data" / "biomedical" / f"{name}.txt.gz").write_bytes(gzip.compress(text.read_bytes()))
    draw = random.Random(1)
    records = "".join(record(number, draw) for number in range(1, 400))
    pubmed = folder / "data" / "pubmed_xml" / "records.xml.gz"
    pubmed.write_bytes(gzip.compress(f"<PubmedArticleSet>{records}</PubmedArticleSet>".encode()))
    return {
        "text": text,
        "data": folder / "data",
        "pubmed": pubmed,
        "task": write_task_of_sentences(folder / "task"),
        "checkpoint": write_checkpoint(folder / "checkpoint", max_position_embeddings=128),
        "tagger": write_tagger(folder / "tagger"),
    }


def write_task_of_sentences(folder: Path) -> Path:
    """The made-up task with capital letters where sentences begin, for the sentence splitter."""
    for path in write_task(folder).iterdir():
        blocks = path.read_text(encoding="utf-8").split("\n\n")
        path.write_text("\n\n".join(block[0].upper() + block[1:] for block in blocks), encoding="utf-8")
    return folder


def write_tagger(folder: Path) -> Path:
    """A fine-tuned model with random initialisation, large enough that it finds entities."""
    tokenizer = build_tokenizer()
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {label: index for index, label in enumerate(LABELS)}}
    config = build_config(len(tokenizer), max_position_embeddings=512, initializer_range=0.5, **names)
    torch.manual_seed(3)
    tokenizer.model_max_length = config.max_position_embeddings
    BertForTokenClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def run_program(name: str, options: list[str], results: Path) -> dict:
    """The results of benchmarks/NAME.py, which runs as a user runs it."""
    command = [sys.executable, str(PROGRAMS / f"{name}.py"), *options, "--results", str(results)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert (results / f"{name}.md").read_text(encoding="utf-8").startswith("# ")
    return json.loads((results / f"{name}.json").read_text(encoding="utf-8"))


def numbers_of(value: object) -> Iterator[float]:
    """All numbers in a JSON value."""
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from numbers_of(inner)


def test_every_program_has_a_tiny_form():
    programs = {path.stem for path in PROGRAMS.glob("*.py") if '__name__ == "__main__"' in path.read_text()}
    assert programs == TINY.keys() | STARTED.keys()
    assert set(STARTED.values()) <= TINY.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_program_writes_its_results(name, inputs, tmp_path):
    options, sizes = TINY[name]
    results = run_program(name, options.format(runs=tmp_path / "runs", **inputs).split(), tmp_path / "results")
    assert {key: len(results[key]) for key in sizes} == sizes
    measured = list(numbers_of({key: results[key] for key in sizes}))
    assert measured
    assert all(map(math.isfinite, measured))
    # A program that keeps rows of earlier runs says of each where it was made.
    for made in [results] if "machine" in results else results["rows"]:
        assert made["machine"]["cores"] >= 1
    assert "not run" not in (tmp_path / "results" / f"{name}.md").read_text(encoding="utf-8")


def test_the_gpu_benchmark_can_be_rehearsed_on_a_cpu(tmp_path):
    results = run_program("gpu", "--device cpu --tiny --modes eager".split(), tmp_path)
    combinations = [(row["length"], row["dropout"]) for row in results["rows"]]
    assert combinations == [(32, 0.0), (64, 0.0), (32, 0.1), (64, 0.1)]
    assert all(row["tokens_per_second"] > 0 and row["idle_share"] is not None for row in results["rows"])
    assert [row["kernel"] for row in results["kernels"]] == ["runs of rows"] * 2
    assert results["notes"] == []


@pytest.mark.slow
def test_training_measures_collators_and_keeps_what_it_did_not_measure(tmp_path):
    sizes = "--models 1x64 --lengths 32 --dropouts 0 --steps 1 --rounds 1 --threads 1".split()
    rows = run_program("training", sizes, tmp_path)["rows"]
    assert [row["system"] for row in rows] == ["plain transformers", "ours"]
    results = run_program("training", ["--models", "--collator", "--collator-rounds", "1"], tmp_path)
    assert results["rows"] == rows
    assert len(results["collators"]) == 8
