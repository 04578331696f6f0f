"""The builders that are compared: how each is installed, run once over a text, and what its output is asked
afterwards.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import yaml
from pair_report import PAIRS_ALONE, WHOLE
from process_tree import Usage, measure

from recipe.pairs.sampling import make_pairs

PEERS = Path(__file__).parent / "peers"
ROOT = Path(__file__).parent.parent
# The installed packages shadow each other's versions, so each peer has a venv; pip lines in their order.
TRANSFORMERS_4 = (["torch==2.13.0", "transformers==4.57.6"],)
ORIGINAL_BERT = (
    ["tensorflow-cpu==2.20.0", "tf-keras==2.20.1", "sentencepiece", "six", "absl-py"],
    ["--no-deps", "tf-models-official==2.20.0"],
)
TIMED = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}


class CannotRun(Exception):
    """A builder that cannot be installed or fails here; the text is the reason."""


@dataclass(frozen=True)
class Built:
    """One build: what it used, bytes of its output, and counts of its rows (pairs, overlong, label_1, one_word_rows or
    same_document).
    """

    usage: Usage
    output_bytes: int
    counts: dict[str, int]


@dataclass(frozen=True)
class System:
    """A builder: its name in the table, and build(text, vocabulary folder, max_seq_length, work folder)."""

    name: str
    build: Callable[[Path, Path, int, Path], Built]


def transformers_4(kind: str, work: Path) -> System:
    """The class of transformers 4 with its "fast" or "slow" tokenizer."""

    def build(text: Path, tokenizer: Path, max_seq_length: int, folder: Path) -> Built:
        python = _venv(work / "venvs" / "transformers-4.57.6", TRANSFORMERS_4)
        driver = [str(python), str(PEERS / "transformers_nsp.py")]
        copy = folder / "text.txt"  # its cache is written next to the text
        os.link(text, copy)
        usage = _measured(
            [*driver, "build", str(copy), str(tokenizer / "vocab.txt"), str(max_seq_length), kind], folder
        )
        (output,) = folder.glob("cached_nsp_*.txt")
        return Built(usage, output.stat().st_size, _counts([*driver, "count", str(output), str(max_seq_length)]))

    return System(f"transformers 4.57.6, {kind} tokenizer", build)


def original_bert(work: Path) -> System:
    """The original script as the package tf-models-official ships it, masking left out."""

    def build(text: Path, tokenizer: Path, max_seq_length: int, folder: Path) -> Built:
        python = _venv(work / "venvs" / "tf-models-official-2.20.0", ORIGINAL_BERT)
        driver, output = [str(python), str(PEERS / "original_bert.py")], folder / "pairs.tfrecord"
        usage = _measured(
            [*driver, "build", str(text), str(tokenizer / "vocab.txt"), str(max_seq_length), str(output)], folder
        )
        return Built(usage, output.stat().st_size, _counts([*driver, "count", str(output), str(max_seq_length)]))

    return System("original BERT script, without masking", build)


def ours_whole(num_proc: int) -> System:
    """From text to pairs in one process, with cleaning; the tokenizer is a given one, as the peers get it."""

    def build(text: Path, tokenizer: Path, max_seq_length: int, folder: Path) -> Built:
        config = write_recipe(text, tokenizer, max_seq_length, folder, num_proc)
        return _built(script("run_recipe", config, "--until", "pairs"), folder, max_seq_length)

    return System(f"{WHOLE}, num_proc {num_proc}", build)


def ours_pairs_alone(num_proc: int) -> System:
    """scripts/build_pairs.py as a process (stages tokens and pairs); corpus and tokenizer were made before."""

    def build(text: Path, tokenizer: Path, max_seq_length: int, folder: Path) -> Built:
        config = prepared_run(text, tokenizer, max_seq_length, folder, num_proc)
        return _built(script("build_pairs", config), folder, max_seq_length)

    return System(f"{PAIRS_ALONE}, num_proc {num_proc}", build)


def prepared_run(text: Path, tokenizer: Path, max_seq_length: int, folder: Path, num_proc: int) -> Path:
    """A recipe whose stages corpus and tokenizer are done; returns the YAML file."""
    config = write_recipe(text, tokenizer, max_seq_length, folder, num_proc)
    _run(script("run_recipe", config, "--until", "tokenizer"))
    return config


def write_recipe(text: Path, tokenizer: Path, max_seq_length: int, folder: Path, num_proc: int) -> Path:
    """A recipe for the text with a given tokenizer; returns the YAML file."""
    recipe = {
        "run_dir": str(folder / "run"),
        "corpus": {"path": [str(text)], "format": "blank_line_text", "validation_share": 0.1},
        "tokenizer": {"path": str(tokenizer)},
        "pairs": {"max_seq_length": max_seq_length, "truncation": "longest_first", "num_proc": num_proc},
    }
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "recipe.yaml"
    config.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return config


def script(name: str, config: Path, *options: str) -> list[str]:
    """The command of scripts/NAME.py with a recipe."""
    return [sys.executable, str(ROOT / "scripts" / f"{name}.py"), str(config), *options]


def open_offsets(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Sentence and document offsets of a token store."""
    from recipe.tokens.store import open_token_store

    store = open_token_store(folder)
    return store.sentence_offsets, store.document_offsets


def pair_maker(run: Path, max_seq_length: int, split: str) -> Callable:
    """Open a run's store and return a function from a pass to its pairs, block by block as the build makes them."""
    from recipe.config import PairsConfig
    from recipe.pairs.builder import pair_config

    sentence_offsets, document_offsets = open_offsets(run / "store" / split)
    rules = PairsConfig(max_seq_length=max_seq_length, truncation="longest_first")
    config = pair_config({split: str(run / "store" / split)}, run / "tokenizer", rules, 1)
    return lambda pass_index: make_pairs(
        sentence_offsets, document_offsets, config.rules(), config.seed, pass_index, 0, len(document_offsets) - 1
    )


def same_document_pairs(run: Path, max_seq_length: int, pass_index: int = 0) -> int:
    """Pairs of label 1 whose B is from A's document, and pairs of label 0 whose B is not: wrong labels, over both
    splits.
    """
    wrong = 0
    for split in ("train", "validation"):
        sentence_offsets, document_offsets = open_offsets(run / "store" / split)
        ends = np.asarray(sentence_offsets)[np.asarray(document_offsets[1:])]
        for pairs in pair_maker(run, max_seq_length, split)(pass_index):
            same = np.searchsorted(ends, pairs.a_start, "right") == np.searchsorted(ends, pairs.b_start, "right")
            wrong += int((same == (pairs.next_sentence_label == 1)).sum())
    return wrong


def _built(command: list[str], folder: Path, max_seq_length: int) -> Built:
    usage, run = _measured(command, folder), folder / "run"
    output_bytes = sum(
        path.stat().st_size for name in ("pairs", "store") for path in (run / name).rglob("*") if path.is_file()
    )
    counts = {**_row_counts(run, max_seq_length), "same_document": same_document_pairs(run, max_seq_length)}
    return Built(usage, output_bytes, counts)


def _row_counts(run: Path, max_seq_length: int) -> dict[str, int]:
    counts = {"pairs": 0, "overlong": 0, "label_1": 0}
    for path in sorted((run / "pairs").rglob("*.arrow")):
        table = datasets.Dataset.from_file(str(path)).data
        counts["pairs"] += len(table)
        for column in table["input_ids"].chunks:
            counts["overlong"] += int((np.diff(column.offsets.to_numpy()) > max_seq_length).sum())
        counts["label_1"] += int(np.sum(table["next_sentence_label"].to_numpy()))
    return counts


def _measured(command: list[str], folder: Path) -> Usage:
    usage = measure(command, folder / "log.txt", TIMED, folder)
    if usage.status:
        raise CannotRun(f"ended with status {usage.status}: {_last_line(usage.output)}")
    return usage


def _venv(folder: Path, pip_lines: tuple[list[str], ...]) -> Path:
    """The interpreter of a peer's venv, which is made on the first call."""
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        print(f"installing {folder.name} (once)", flush=True)
        try:
            _run([sys.executable, "-m", "venv", "--clear", str(folder)])
            for line in pip_lines:
                _run([str(python), "-m", "pip", "install", "--quiet", *line])
        except CannotRun as error:
            raise CannotRun(f"cannot be installed here: {error}") from None
        (folder / "installed").touch()
    return python


def _counts(command: list[str]) -> dict[str, int]:
    return json.loads(_run(command).splitlines()[-1])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **TIMED})
    if done.returncode:
        raise CannotRun(_last_line(done.stderr))
    return done.stdout


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1][:200]
