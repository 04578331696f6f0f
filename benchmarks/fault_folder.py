"""Faults of the run folder, injected into real runs: flipped bytes, cut files, two jobs at once, inputs among outputs.

Each function injects n faults, and returns how many ended as they should: made again, or refused in one line.
"""

import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from recipe.cli import main

SECONDS = 120
SETTINGS = {
    "corpus": {"validation_share": 0.2},
    "tokenizer": {"vocab_size": 300},
    "pairs": {"max_seq_length": 48},
    "model": {
        "num_hidden_layers": 1,
        "hidden_size": 32,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
    },
    "training": {
        "max_steps": 6,
        "global_batch_size": 8,
        "per_device_batch_size": 8,
        "logging_steps": 1,
        "eval_steps": 3,
        "save_steps": 3,
        "use_cpu": True,
        "report_to": [],
    },
}
# Times and versions stand in them, so a file that was made again has other bytes.
VOLATILE = ("training.json", "dataset_info.json", "result.json", "run.json", "test_evaluations.json", "scores.json")


def flipped_bytes(number: int, folder: Path) -> dict:
    """One bit flipped anywhere in a finished run; then `domain-bert verify` and `domain-bert run`."""
    return _damage("one byte flipped anywhere in a run folder", number, folder, _flip)


def cut_files(number: int, folder: Path) -> dict:
    """A file emptied, cut in half, or filled with zeros, brackets or text."""
    return _damage("a file of a run folder cut off, emptied or replaced", number, folder, _cut)


def two_jobs(number: int, folder: Path) -> dict:
    """A second `domain-bert run` while the first one works; then the first one is killed, and the second goes on."""
    wrong = []
    for index in range(number):
        config, run = _config(folder / f"jobs-{index}")
        first = _start("run", config)
        if not _wait_for(run / "run.lock.json", first):
            wrong.append(f"{index}: the first job never took the lock")
            continue
        second = _start("run", config)
        error = second.communicate(timeout=SECONDS)[1]
        if second.returncode != 2 or error.count("\n") != 1 or f"process {first.pid} on" not in error:
            wrong.append(f"{index}: the second job: status {second.returncode}, {error[-200:]!r}")
        if index % 2:
            first.send_signal(signal.SIGKILL)
            first.wait()
            third = _start("run", config)
            said, error = third.communicate(timeout=SECONDS)
            if third.returncode != 0 or f"process {first.pid} on" not in said:
                wrong.append(f"{index}: after a kill: status {third.returncode}, {error[-200:]!r}")
        elif first.communicate(timeout=SECONDS) and first.returncode != 0:
            wrong.append(f"{index}: the first job ended with {first.returncode}")
    return {
        "fault": "two jobs at once in a run folder",
        "injected": number,
        "right": number - len(wrong),
        "wrong": wrong,
    }


def corpus_inside(number: int, folder: Path) -> dict:
    """A corpus in a folder of the run, by its path, a glob, a link, a folder around the run, or file://."""
    wrong = []
    for index in range(number):
        place = folder / f"inside-{index}"
        run = place / "run"
        inner = run / random.Random(index).choice(["corpus", "store", "pairs", "model", "task", "plots", "tokenizer"])
        inner.mkdir(parents=True)
        _write_corpus(inner / "mine.txt")
        (place / "link.txt").symlink_to(inner / "mine.txt")
        forms = [str(inner / "mine.txt"), str(run / "*" / "*.txt"), str(place / "link.txt"), str(place)]
        form = [*forms, f"file://{inner / 'mine.txt'}"][index % 5]
        config = _write_config(place.with_suffix(".yaml"), run, form)
        before = _content(place)
        status, error = _call("run", config)
        if status != 2 or error.count("\n") != 1 or _content(place) != before:
            wrong.append(f"{form}: status {status}, {error[-200:]!r}")
    return {"fault": "corpus inside the run folder", "injected": number, "right": number - len(wrong), "wrong": wrong}


def start_with_a_store(number: int, folder: Path) -> dict:
    """Seconds that a comparison of 100 MB of a token store takes at a start."""
    from recipe.files import sha256_once

    folder.mkdir(parents=True, exist_ok=True)
    wrong = []
    for index in range(number):
        path = folder / f"tokens-{index}.bin"
        path.write_bytes(os.urandom(1 << 20) * 100)
        started = time.perf_counter()
        sha256_once(path)
        seconds = time.perf_counter() - started
        if seconds > 1:
            wrong.append(f"{seconds:.2f} s")
        path.unlink()
    name = "start with a 100 MB store within 1 s"
    return {"fault": name, "injected": number, "right": number - len(wrong), "wrong": wrong}


FAULTS: dict[str, Callable[[int, Path], dict]] = {
    "flipped_bytes": flipped_bytes,
    "cut_files": cut_files,
    "two_jobs": two_jobs,
    "corpus_inside": corpus_inside,
    "start_with_a_store": start_with_a_store,
}


def _damage(name: str, number: int, folder: Path, damage: Callable[[Path, random.Random], str]) -> dict:
    config, run = _config(folder / "clean")
    status, error = _call("run", config)
    if status:
        raise RuntimeError(error)
    kept = run.with_name("kept")
    shutil.copytree(run, kept, dirs_exist_ok=True)
    expected, wrong = _results(kept), []
    files = sorted(path.relative_to(kept) for path in kept.rglob("*") if path.is_file() and path.suffix != ".lock")
    for index in range(number):
        draw = random.Random(index)
        shutil.rmtree(run)
        shutil.copytree(kept, run)
        # By folder first: most files are small, and most bytes are in few of them.
        tops = sorted({path.parts[0] for path in files})
        top = draw.choice(tops)
        path = draw.choice([path for path in files if path.parts[0] == top and (kept / path).stat().st_size])
        what = damage(run / path, draw)
        said = _verdict(run, config, path, expected)
        if said:
            wrong.append(f"{path} ({what}): {said}")
    return {"fault": name, "injected": number, "right": number - len(wrong), "wrong": wrong}


def _verdict(run: Path, config: Path, path: Path, expected: dict[str, str]) -> str:
    """What went wrong; "" if the file was made again or refused."""
    found, error = _call("verify", run)
    if found not in (0, 1):
        return f"verify ended with {found}: {error[-300:]}"
    is_read_by_run = path.parts[0] not in ("checkpoints",)
    if not is_read_by_run:
        return "" if found == 1 else "verify did not see it"
    status, error = _call("run", config)
    if status == 2:
        return "" if error.strip().count("\n") == 0 else f"not one line: {error[-300:]}"
    if status:
        return f"status {status}: {error[-300:]}"
    results = _results(run)
    changed = [name for name in expected if results.get(name) != expected[name]]
    if changed:
        return f"status 0 with other results: {changed[:3]}"
    status, error = _call("status", run)
    return f"status: {error[-200:]}" if status else ""


def _results(run: Path) -> dict[str, str]:
    records = json.loads((run / "stages.json").read_text(encoding="utf-8"))["stages"]
    names = {name for record in records.values() for name in record["files"] if Path(name).name not in VOLATILE}
    kept = {name for name in names if Path(name).name != "sha256.json" or not name.startswith("pairs/")}
    return {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in kept if (run / name).is_file()}


def _flip(path: Path, draw: random.Random) -> str:
    content = bytearray(path.read_bytes())
    place = draw.randrange(len(content))
    content[place] ^= 1 << draw.randrange(8)
    path.write_bytes(content)
    return f"byte {place} of {len(content)}"


def _cut(path: Path, draw: random.Random) -> str:
    content = path.read_bytes()
    forms = {
        "emptied": b"",
        "half": content[: len(content) // 2],
        "zeros": bytes(len(content)),
        "brackets": b"[" * 100_000,
        "text": b"not what it was",
        "list": b"[]",
        "object": b"{}",
    }
    name = draw.choice(sorted(forms))
    path.write_bytes(forms[name] if forms[name] != content else content + b"x")
    return name


def _call(*arguments: object) -> tuple[int, str]:
    """Status and standard error of a command, in this process; what hangs is interrupted and counted as status 124."""
    said = io.StringIO()

    def end(*_: object) -> None:
        raise TimeoutError(f"ran for {SECONDS} s")

    signal.signal(signal.SIGALRM, end)
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            main([str(argument) for argument in arguments])
    except SystemExit as error:
        return int(error.code or 0), said.getvalue()
    except TimeoutError as error:
        return 124, str(error)
    except BaseException as error:
        return 1000, f"traceback: {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return 0, said.getvalue()


def _start(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-c", _MAIN, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


_MAIN = "from recipe.cli import main; main()"


def _wait_for(path: Path, process: subprocess.Popen) -> bool:
    for _ in range(SECONDS * 20):
        if path.is_file() or process.poll() is not None:
            break
        time.sleep(0.05)
    return path.is_file()


def _config(folder: Path) -> tuple[Path, Path]:
    folder.mkdir(parents=True)
    _write_corpus(folder / "corpus.txt")
    (folder / "task").mkdir()
    for split in ("train", "devel", "test"):
        rows = "\n\n".join("zinc\tB-X\nfever\tO\nabc\tO" for _ in range(20))
        (folder / "task" / f"{split}.tsv").write_text(rows + "\n", encoding="utf-8")
    task = {"name": str(folder / "task"), "baselines": [], "seeds": [1], "num_train_epochs": 1, "max_seq_length": 16}
    config = _write_config(folder / "recipe.yaml", folder / "run", str(folder / "corpus.txt"), task=task)
    return config, folder / "run"


def _write_config(path: Path, run: Path, corpus: str, **sections: dict) -> Path:
    settings = {**SETTINGS, **sections, "corpus": {**SETTINGS["corpus"], "path": corpus}, "run_dir": str(run)}
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def _write_corpus(path: Path) -> None:
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghij", k=draw.randint(2, 9))) for _ in range(200)]
    documents = [
        "\n".join(" ".join(draw.choices(words, k=draw.randint(3, 12))) + "." for _ in range(draw.randint(2, 15)))
        for _ in range(60)
    ]
    path.write_text("\n\n".join(documents) + "\n", encoding="utf-8")


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
