"""Faults of training, injected into real runs of a small model: kills, bad numbers, signals, hangs, full disks.

Each function takes how many faults to inject and a scratch folder, and gives a row for faults.py.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle, islice, product
from pathlib import Path

import torch

from recipe.config import Recipe
from recipe.config_file import build_recipe, known_keys
from recipe.model.bert import load_model
from recipe.pipeline import run_stage
from recipe.pretraining.checkpoints import all_finite, checkpoints_in, newest_complete_checkpoint
from recipe.pretraining.run import checkpoint_folder

WORKER = Path(__file__).with_name("fault_worker.py")
STEPS, SAVE_STEPS, STATUS = 24, 4, 85
LETTERS = "abcdefghij"
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(WORKER.parent.parent)}


def prepared(folder: Path, **changes: object) -> Recipe:
    """A recipe whose pairs are made, of made-up text; the same folder is used by all faults of a program."""
    text = folder / "text.txt"
    if not text.exists():
        draw = random.Random(1)
        sentences = [" ".join("".join(draw.choices(LETTERS, k=4)) for _ in range(7)) + "." for _ in range(2000)]
        documents = ["\n".join(sentences[start : start + 10]) for start in range(0, len(sentences), 10)]
        folder.mkdir(parents=True, exist_ok=True)
        text.write_text("\n\n".join(documents))
    recipe = settings(folder / "prepared", **{"corpus.path": str(text), **changes})
    for stage in ("corpus", "tokenizer", "tokens", "pairs"):
        run_stage(recipe, stage)
    return recipe


def settings(run: Path, **changes: object) -> Recipe:
    """The small recipe with other keys."""
    values: dict[str, object] = {
        "run_dir": str(run),
        "corpus.validation_share": 0.2,
        "tokenizer.vocab_size": 300,
        "pairs.max_seq_length": 48,
        "model.num_hidden_layers": 2,
        "model.hidden_size": 64,
        "model.num_attention_heads": 2,
        "model.intermediate_size": 128,
        "model.max_position_embeddings": 64,
        "training.max_steps": STEPS,
        "training.global_batch_size": 16,
        "training.per_device_batch_size": 8,
        "training.learning_rate": 1e-3,
        "training.logging_steps": 10,
        "training.eval_steps": 12,
        "training.eval_pairs": 64,
        "training.save_steps": SAVE_STEPS,
        "training.ddp_timeout": 10,
        "training.use_cpu": True,
        "training.bf16": False,
        "training.report_to": [],
        **changes,
    }
    assert set(values) <= set(known_keys())
    return build_recipe({place: (value, "benchmark") for place, value in values.items()})


def fresh(base: Recipe, run: Path, **changes: object) -> Recipe:
    """A run folder of its own with the pairs of the prepared one."""
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    for name in ("corpus", "tokenizer", "store", "pairs"):
        shutil.copytree(base.folder / name, run / name, copy_function=os.link)
    for name in ("stages.json", "inputs.json"):
        shutil.copy(base.folder / name, run / name)
    recipe = settings(run, **{"corpus.path": base.corpus.path[0], **changes})
    (run.parent / f"{run.name}.yaml").write_text(recipe.to_yaml())
    return recipe


def start(recipe: Recipe, ranks: int = 1, fault: dict | None = None) -> subprocess.Popen:
    """The pretraining command, as a process group of its own."""
    command = [sys.executable]
    if ranks > 1:
        port = str(random.SystemRandom().randint(20_000, 60_000))
        command += ["-m", "torch.distributed.run", "--nproc_per_node", str(ranks), "--master_port", port]
    run = recipe.folder
    log = open(run.parent / f"{run.name}.log", "ab")  # noqa: SIM115
    return subprocess.Popen(
        [*command, str(WORKER), str(run.parent / f"{run.name}.yaml")],
        stdout=log,
        stderr=log,
        start_new_session=True,
        env={**os.environ, **ENVIRONMENT, "FAULT": json.dumps(fault or {})},
    )


def ended(process: subprocess.Popen, seconds: float = 120) -> int | None:
    """The exit status, None if it had to be killed."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def log_of(recipe: Recipe) -> str:
    """What all runs in a folder printed."""
    return (recipe.folder.parent / f"{recipe.folder.name}.log").read_text(errors="replace")


def ranks_of(recipe: Recipe) -> list[int]:
    """The processes that train in a run folder, without their launcher, by their command lines."""
    config, found = str(recipe.folder.parent / f"{recipe.folder.name}.yaml").encode(), []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if config in words and b"torch.distributed.run" not in words:
                found.append(int(path.parent.name))
    return sorted(found)


def kill_all(recipe: Recipe, process: subprocess.Popen) -> None:
    """SIGKILL to the launcher and the ranks, which have process groups of their own."""
    for pid in (process.pid, *ranks_of(recipe)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def wait_for_step(recipe: Recipe, process: subprocess.Popen, step: int, seconds: float = 90) -> bool:
    """Wait until the checkpoint of a step is there."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        if any(int(path.name.split("-")[1]) >= step for path in checkpoints_in(checkpoint_folder(recipe))):
            return True
        time.sleep(0.02)
    return False


def weights(recipe: Recipe) -> dict[str, torch.Tensor]:
    """The weights of RUN/model."""
    return load_model(recipe.folder / "model").state_dict()


def row(fault: str, injected: int, wrong: list[str]) -> dict:
    """What faults.py shows."""
    return {"fault": fault, "injected": injected, "right": injected - len(wrong), "wrong": wrong[:10]}


def kills(number: int, folder: Path) -> dict:
    """SIGKILL at a random moment or while a checkpoint is written; then it goes on to the same weights."""
    base, wrong, draw = prepared(folder / "base"), [], random.Random(2)
    expected: dict[int, dict[str, torch.Tensor]] = {}
    for ranks in (1, 2):
        whole = fresh(base, folder / f"whole-{ranks}")
        assert ended(start(whole, ranks)) == 0
        expected[ranks] = weights(whole)
    kinds = list(product((1, 2), (1, 2), ("random", "saving")))
    for index, (ranks, limit, when) in enumerate(islice(cycle(kinds), number)):
        recipe = fresh(base, folder / f"kill-{index}", **{"training.save_total_limit": limit})
        process = start(recipe, ranks)
        wait_for_step(recipe, process, draw.randrange(1, STEPS // SAVE_STEPS) * SAVE_STEPS)
        if when == "random":
            time.sleep(draw.random() * 0.3)
        kill_all(recipe, process)
        written = checkpoints_in(checkpoint_folder(recipe))
        highest = int(written[0].name.split("-")[1]) if written else 0
        newest = newest_complete_checkpoint(checkpoint_folder(recipe))
        step = int(newest.name.split("-")[1]) if newest else 0
        status = ended(start(recipe, ranks))
        found = weights(recipe) if status == 0 else {}
        same = bool(found) and all(torch.equal(value, expected[ranks][name]) for name, value in found.items())
        if not same or highest - step > SAVE_STEPS or (newest is None and highest > SAVE_STEPS):
            wrong.append(f"{ranks} ranks, limit {limit}, {when}: status {status}, step {step} of {highest}, {same}")
        shutil.rmtree(recipe.folder)
    return row("kill -9, at random and while saving", number, wrong)


def bad_numbers(number: int, folder: Path) -> dict:
    """NaN and inf: stopped within a step, no bad checkpoint or model, and the rerun goes on."""
    base, wrong = prepared(folder / "base"), []
    kinds = list(product(("loss", "gradient", "weight"), ("nan", "inf"), (1, 20, 50), (7, 8, STEPS), (1, 2)))
    random.Random(3).shuffle(kinds)
    for index, (where, value, logging, step, ranks) in enumerate(islice(cycle(kinds), number)):
        recipe = fresh(base, folder / f"nan-{index}", **{"training.logging_steps": logging})
        fault = {"kind": "nan", "where": where, "value": value, "step": step, "ranks": [ranks - 1]}
        status = ended(start(recipe, ranks, fault))
        log, problems = log_of(recipe), []
        if not (status == 2 or (ranks > 1 and status)):
            problems.append(f"status {status}")
        if "Traceback (most recent call last)" in log and ranks == 1:
            problems.append("a traceback")
        if f"error: step {step}:" not in log:
            problems.append("the step is not named")
        found = checkpoints_in(checkpoint_folder(recipe))
        if not all(all_finite(load_model(path).state_dict().values()) for path in found):
            problems.append("a bad checkpoint")
        if (recipe.folder / "model").exists():
            problems.append("a model was written")
        again = ended(start(recipe, ranks))
        if again != 0 or not all_finite(weights(recipe).values()):
            problems.append(f"the rerun ended with {again}")
        if problems:
            wrong.append(f"{where} {value}, logging {logging}, step {step}, {ranks} ranks: {', '.join(problems)}")
        shutil.rmtree(recipe.folder)
    return row("NaN or inf in loss, gradient, weight", number, wrong)


def signals(number: int, folder: Path) -> dict:
    """SIGTERM, SIGUSR1, SIGHUP to the process, a rank or torchrun: a checkpoint, status 85, nothing left running."""
    base, wrong, draw = prepared(folder / "base"), [], random.Random(4)
    kinds = list(product((signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP), ("process", "rank", "torchrun")))
    for index, (which, target) in enumerate(islice(cycle(kinds), number)):
        many = {"training.max_steps": 100_000, "training.save_steps": 50_000, "training.eval_steps": 50_000}
        recipe = fresh(base, folder / f"signal-{index}", **many)
        process = start(recipe, 1 if target == "process" else 2)
        progress, until = recipe.folder / "progress.json", time.monotonic() + 90
        while not progress.is_file() and time.monotonic() < until and process.poll() is None:
            time.sleep(0.05)
        time.sleep(1 + draw.random())
        os.kill(ranks_of(recipe)[-1] if target == "rank" else process.pid, which)
        began = time.monotonic()
        status, problems = ended(process, 40), []
        while ranks_of(recipe) and time.monotonic() - began < 40:
            time.sleep(0.1)
        if time.monotonic() - began > 30:
            problems.append("not ended within 30 s")
        if newest_complete_checkpoint(checkpoint_folder(recipe)) is None:
            problems.append("nothing saved")
        # torchrun has a status of its own; its ranks say theirs in the log.
        if (target == "process" and status != STATUS) or f"ends with status {STATUS}" not in log_of(recipe):
            problems.append(f"status {status}")
        if left := ranks_of(recipe):
            problems.append(f"{len(left)} left running")
        kill_all(recipe, process)
        if (recipe.folder / "model").exists():
            problems.append("a model was written")
        if problems:
            wrong.append(f"{which.name} to {target}: {', '.join(problems)}")
        shutil.rmtree(recipe.folder)
    return row("SIGTERM, SIGUSR1, SIGHUP", number, wrong)


def hangs(number: int, folder: Path) -> dict:
    """A rank that stops, or torchrun that is killed: the job ends, and the rank is named."""
    base, wrong = prepared(folder / "base"), []
    for index, what in enumerate(islice(cycle(("stop", "launcher")), number)):
        many = {"training.max_steps": 100_000, "training.save_steps": 50_000, "training.eval_steps": 50_000}
        recipe = fresh(base, folder / f"hang-{index}", **many)
        fault = {"kind": "stop", "step": 40, "ranks": [1]} if what == "stop" else None
        process = start(recipe, 2, fault)
        problems = []
        if what == "launcher":
            progress, until = recipe.folder / "progress.json", time.monotonic() + 90
            while not progress.is_file() and time.monotonic() < until:
                time.sleep(0.05)
            process.kill()
            process.wait()
            until = time.monotonic() + 10
            while ranks_of(recipe) and time.monotonic() < until:
                time.sleep(0.1)
            if ranks_of(recipe):
                problems.append("ranks live on after 10 s")
        else:
            status = ended(process, 90)
            if status in (0, None):
                problems.append(f"status {status}")
            if "error: a rank did not answer" not in log_of(recipe) or "rank 1 (" not in log_of(recipe):
                problems.append("the rank is not named")
        if problems:
            wrong.append(f"{what}: {', '.join(problems)}")
        kill_all(recipe, process)
        shutil.rmtree(recipe.folder)
    return row("a rank stopped, the launcher killed", number, wrong)


def full_disks(number: int, folder: Path) -> dict:
    """A disk that is full when a checkpoint is written: one line or going on, and a run that can be resumed."""
    base, wrong, draw = prepared(folder / "base"), [], random.Random(5)
    size = sum(path.stat().st_size for path in base.folder.rglob("*") if path.is_file())
    for index in range(number):
        disk = folder / f"disk-{index}"
        disk.mkdir()
        # From no room for a checkpoint to room for two and a half of them, 1.3 MB each.
        room = size + int(draw.uniform(0.2, 3.5) * 1_000_000)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={room // 1024}k", "tmpfs", str(disk)]
        if subprocess.run(mount, capture_output=True).returncode:
            return row("disk full while saving (no small disk can be mounted here)", 0, [])
        try:
            recipe, problems = _copied(base, disk / "run"), []
            for _ in range(2):
                before = log_of(recipe) if (disk / "run.log").exists() else ""
                status = ended(start(recipe))
                said = log_of(recipe)[len(before) :]
                if "Traceback" in said or status not in (0, 2):
                    problems.append(f"status {status}: {said[-200:]}")
            subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
            if ended(start(recipe)) != 0:
                problems.append("the rerun with room fails")
            if problems:
                wrong.append(f"{room - size} bytes of room: {problems[0]}")
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)
    return row("disk full while saving, and a rerun on it", number, wrong)


def _copied(base: Recipe, run: Path) -> Recipe:
    shutil.copytree(base.folder, run)
    recipe = settings(run, **{"corpus.path": base.corpus.path[0]})
    (run.parent / f"{run.name}.yaml").write_text(recipe.to_yaml())
    return recipe


FAULTS: dict[str, Callable[[int, Path], dict]] = {
    "kills": kills,
    "bad_numbers": bad_numbers,
    "signals": signals,
    "hangs": hangs,
    "full_disks": full_disks,
}
