"""kill -9 of a build at random moments: is the result of the next build the same, and does any process live on?"""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from random import Random

from pair_systems import TIMED, prepared_run, script
from process_tree import kill_session, processes_of_session

from recipe.files import sha256_of_file

# What a build makes for its readers; locks and notes of the cache may differ.
CONTENT = {".arrow", ".bin", ".npy", ".parquet"}


def kill_builds(
    text: Path, tokenizer: Path, work: Path, kills: int, seconds_to_end: float, num_proc: int = 2, seed: int = 1
) -> dict:
    """Kill the leader of so many builds, finish each by the same command, and compare content with a build that was
    not disturbed.

    Args:
        seconds_to_end: after so many seconds no process of a killed build may be alive.
    """
    undisturbed = prepared_run(text, tokenizer, 128, work / "kill-none", num_proc)
    started = time.monotonic()
    subprocess.run(script("build_pairs", undisturbed), check=True, capture_output=True, env={**os.environ, **TIMED})
    seconds = time.monotonic() - started
    expected = content(undisturbed.parent / "run")
    draw, orphans, same, timers = Random(seed), [], 0, []
    for number in range(kills):
        config = prepared_run(text, tokenizer, 128, work / f"kill-{number}", num_proc)
        session, moment = _start_and_kill(config, draw.uniform(0, seconds))
        timers.append(threading.Timer(seconds_to_end, _collect_orphans, (session, orphans)))
        timers[-1].start()
        # The next build starts at once, while workers of the killed one may still write.
        subprocess.run(script("build_pairs", config), check=True, capture_output=True, env={**os.environ, **TIMED})
        equal = content(config.parent / "run") == expected
        same += equal
        print(
            f"kill {number + 1} of {kills} after {moment:.1f} of {seconds:.1f} s:"
            f" {'same result' if equal else 'OTHER RESULT'}",
            flush=True,
        )
    for timer in timers:
        timer.join()
    return {
        "kills": kills,
        "same_results": same,
        "orphans": len(orphans),
        "seconds_to_end": seconds_to_end,
        "build_seconds": seconds,
        "num_proc": num_proc,
    }


def content(run: Path) -> dict[str, str]:
    """sha256 of each file that a build leaves for its readers, by its path in the run."""
    files = [path for name in ("store", "pairs") for path in (run / name).rglob("*") if path.is_file()]
    return {
        str(path.relative_to(run)): sha256_of_file(path)
        for path in files
        if path.suffix in CONTENT or path.name == "statistics.json"
    }


def _start_and_kill(config: Path, moment: float) -> tuple[int, float]:
    """Start a build, kill -9 its leader after `moment` seconds; returns its session and the moment."""
    with open(config.parent / "killed.txt", "wb") as log:
        process = subprocess.Popen(
            script("build_pairs", config), stdout=log, stderr=log, env={**os.environ, **TIMED}, start_new_session=True
        )
    time.sleep(moment)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return process.pid, moment


def _collect_orphans(session: int, orphans: list[int]) -> None:
    orphans += processes_of_session(session)
    kill_session(session)
