"""kill -9 while the pass of the next epoch is made: of the process that makes it, or of the training itself.

The function takes how many faults to inject and a scratch folder, and gives a row for faults.py.
"""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle, islice, product
from pathlib import Path

import torch
from fault_training import ended, fresh, kill_all, log_of, prepared, row, start, weights

from recipe.config import Recipe

# Four epochs of 6 or 7 steps, each with pairs of its own.
KEYS = {"pairs.refresh_every_epoch": True, "training.global_batch_size": 128, "training.per_device_batch_size": 64}


def next_pass(number: int, folder: Path) -> dict:
    """The run goes on, or resumes, to the same weights and the same passes; no maker of a pass is left running."""
    base, wrong, draw = prepared(folder / "base", **KEYS), [], random.Random(6)
    expected: dict[int, Recipe] = {}
    for ranks in (1, 2):
        expected[ranks] = fresh(base, folder / f"whole-{ranks}", **KEYS)
        assert ended(start(expected[ranks], ranks)) == 0, log_of(expected[ranks])
    kinds = list(product(("builder", "training"), ("while it writes", "at random"), (1, 2)))
    for index, (target, when, ranks) in enumerate(islice(cycle(kinds), number)):
        recipe, problems = fresh(base, folder / f"pass-{index}", **KEYS), []
        process = start(recipe, ranks)
        builder = _builder_at(recipe, draw.choice((1, 2)), is_writing=when == "while it writes")
        if when == "at random":
            time.sleep(draw.random() * 0.4)
        if not builder:
            problems.append("no builder was seen")
        elif target == "builder":
            with suppress(ProcessLookupError):
                os.kill(builder, signal.SIGKILL)
        if target == "training":
            kill_all(recipe, process)
            until = time.monotonic() + 5
            while _builders(recipe) and time.monotonic() < until:
                time.sleep(0.05)
            if _builders(recipe):
                problems.append("the builder lives on after 5 s")
            process = start(recipe, ranks)
        if (status := ended(process)) != 0:
            problems.append(f"status {status}")
        elif not all(torch.equal(value, weights(expected[ranks])[name]) for name, value in weights(recipe).items()):
            problems.append("other weights")
        if _passes(recipe) != _passes(expected[ranks]):
            problems.append("other passes")
        if problems:
            wrong.append(f"{target} {when}, {ranks} ranks: {', '.join(problems)}")
        shutil.rmtree(recipe.folder)
    return row("kill -9 while the next pass is made", number, wrong)


def _builder_at(recipe: Recipe, pass_index: int, is_writing: bool, seconds: float = 90) -> int:
    """The process that makes a pass, as soon as it is there, or as its file is there in part; 0: none was seen."""
    until, found = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        found = next((pid for pid in _builders(recipe) if pid), found)
        if found and list(recipe.folder.glob(f"passes/*/{pass_index - 1:05d}.number")):
            if not is_writing or list(recipe.folder.glob(f"passes/*/{pass_index:05d}.pairs.*.partial")):
                return found
            if list(recipe.folder.glob(f"passes/*/{pass_index:05d}.pairs")):
                return found
        time.sleep(0.001)
    return 0


def _builders(recipe: Recipe) -> list[int]:
    found, passes = [], os.fsencode(os.path.abspath(recipe.folder / "passes"))
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes()
            if b"recipe.pairs.passes" in words and passes in words:
                found.append(int(path.parent.name))
    return found


def _passes(recipe: Recipe) -> dict[str, bytes]:
    """The finished files; what a killed process left in part stays for some minutes."""
    return {path.name: path.read_bytes() for path in recipe.folder.glob("passes/*/*") if path.suffix != ".partial"}


FAULTS: dict[str, Callable[[int, Path], dict]] = {"next_pass": next_pass}
