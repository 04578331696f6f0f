"""Bad input of every kind, through the command line: is each one line, status 2, at once, and nothing half-written?

Run by benchmarks/faults.py. Most cases call `recipe.cli.main` in this process; every tenth is a process of its own.
"""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from fault_input_kinds import Case, cases

from recipe.cli import main

SECONDS = 10
LAUNCHER = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "PMI_SIZE")


def measure(number: int, folder: Path) -> dict:
    """Run so many kinds; what is not one line, status 2, within 10 s and without a trace is wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    found = list(cases(folder))
    # Evenly spread, so that a short form has some of every kind.
    chosen = [found[index * len(found) // number] for index in range(number)] if number < len(found) else found
    wrong = []
    for index, case in enumerate(chosen):
        run = _in_a_process if index % 10 == 9 else _in_this_process
        if why := _wrong(case, folder, run):
            wrong.append(f"{case.name}: {why}")
    return {"fault": "bad input", "injected": len(chosen), "right": len(chosen) - len(wrong), "wrong": wrong}


def _wrong(case: Case, folder: Path, run: Callable[[Case], tuple[int, str, str]]) -> str:
    """Why the answer to a case is not right, "" if it is."""
    before, started = {*folder.rglob("*")}, time.monotonic()
    try:
        status, _, printed = run(case)
    except (TimeoutError, subprocess.TimeoutExpired):
        return f"not done after {SECONDS} s"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:150]}"
    seconds = time.monotonic() - started
    lines = printed.splitlines()
    # What a stage has written before the input turned out to be bad would be taken for its result.
    left = sorted(str(path.relative_to(folder)) for path in {*folder.rglob("*")} - before if path.is_file())
    left = [name for name in left if not name.endswith((".lock", "inputs.json", "events.jsonl"))]
    problems = {
        f"status {status}": status != 2,
        f"{len(lines)} lines: {printed[:150]!r}": len(lines) != 1 or not printed.startswith("error: "),
        f"{seconds:.0f} s": seconds > SECONDS,
        f"wrote {left[:3]}": bool(left),
    }
    return "; ".join(text for text, is_wrong in problems.items() if is_wrong)


def _in_this_process(case: Case) -> tuple[int, str, str]:
    def stop(*_: object) -> None:
        raise TimeoutError

    output, errors, status = io.StringIO(), io.StringIO(), 0
    kept = {name: value for name, value in os.environ.items() if name not in LAUNCHER}
    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        with (
            patch.dict(os.environ, {**kept, **case.environment}, clear=True),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
        ):
            main(case.arguments)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    return status, output.getvalue(), errors.getvalue()


def _in_a_process(case: Case) -> tuple[int, str, str]:
    command = [sys.executable, "-c", "import sys; from recipe.cli import main; main(sys.argv[1:])", *case.arguments]
    kept = {name: value for name, value in os.environ.items() if name not in LAUNCHER}
    ended = subprocess.run(
        command,
        env={**kept, **case.environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
    return ended.returncode, ended.stdout, ended.stderr


FAULTS: dict[str, Callable[[int, Path], dict]] = {"bad input": measure}
