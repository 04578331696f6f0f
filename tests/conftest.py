"""Shared fixtures: one small corpus, tokenizer and run folder, made once per session by the real stages."""

import os
import random
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

# No test may reach a hub; must be set before any library of Hugging Face is imported.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"

SMALL = {
    # Measured, it would differ from run to run.
    "training.bf16": "false",
    "corpus.validation_share": "0.2",
    "tokenizer.vocab_size": "300",
    "pairs.max_seq_length": "48",
    "model.num_hidden_layers": "1",
    "model.hidden_size": "32",
    "model.num_attention_heads": "2",
    "model.intermediate_size": "64",
    "model.max_position_embeddings": "64",
    "training.max_steps": "6",
    "training.global_batch_size": "8",
    "training.per_device_batch_size": "8",
    "training.learning_rate": "1e-3",
    "training.logging_steps": "1",
    "training.eval_steps": "3",
    "training.save_steps": "3",
    "training.use_cpu": "true",
    "training.report_to": "[]",
}


def write_corpus(path: Path, documents: int = 60, seed: int = 0) -> Path:
    """Blank-line text of made-up words; every document has a favourite word, so that there is something to learn."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghij", k=draw.randint(2, 9))) for _ in range(200)]
    texts = []
    for number in range(documents):
        favourite = words[number % len(words)]
        sentences = [
            " ".join([favourite, *draw.choices(words, k=draw.randint(2, 12))]) + "."
            for _ in range(draw.randint(2, 15))
        ]
        texts.append("\n".join(sentences))
    path.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    return path


def run_script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run scripts/NAME.py as a user would, from the repository's root."""
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}, timeout=600
    )


def small_recipe(corpus: Path, run_dir: Path, **overrides: str):
    """A recipe that trains in a second."""
    from recipe.config_file import load_recipe

    empty = run_dir.parent / "empty.yaml"
    empty.parent.mkdir(parents=True, exist_ok=True)
    empty.write_text("{}\n")
    return load_recipe(empty, {**SMALL, "corpus.path": str(corpus), "run_dir": str(run_dir), **overrides})


@contextmanager
def small_disk(folder: Path, size: str):
    """A disk of its own below `folder`, which it makes; the test is skipped where none can be mounted."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def one_thread():
    """Torch computes with one thread while the test runs."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "corpus.txt")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, corpus_file):
    """A recipe whose tokenizer and pairs are made; tests must not change its folder."""
    from recipe.pipeline import run_stage

    recipe = small_recipe(corpus_file, tmp_path_factory.mktemp("prepared") / "run")
    for stage in ("corpus", "tokenizer", "tokens", "pairs"):
        run_stage(recipe, stage)
    return recipe


@pytest.fixture(scope="session")
def trained(tmp_path_factory, corpus_file):
    """A recipe that went through pretraining and evaluation; tests must not change its folder."""
    from recipe.pipeline import run_stage

    recipe = small_recipe(corpus_file, tmp_path_factory.mktemp("trained") / "run")
    for stage in ("corpus", "tokenizer", "tokens", "pairs", "pretrain", "evaluate"):
        run_stage(recipe, stage)
    return recipe
