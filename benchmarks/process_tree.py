"""Run a command and measure its whole tree of processes: CPU time, wall time and peak memory. Linux only (/proc,
prctl).
"""

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SECONDS_BETWEEN_SAMPLES = 0.1
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Usage:
    """What a command used.

    cpu_seconds: user and system time of all its processes, as the kernel counted it. wall_seconds: from start to the
    end of the last of them. peak_memory_mb: largest sum over its processes of the proportional set size (PSS) at one
    sample, in 10^6 bytes; pages that processes share count once. peak_anonymous_mb: the same without the pages of
    files, which the kernel drops when it needs the room (a memory-mapped token store, libraries).
    """

    cpu_seconds: float
    wall_seconds: float
    peak_memory_mb: float
    peak_anonymous_mb: float
    status: int
    output: str


def measure(
    command: list[str], log: Path, environment: dict[str, str] | None = None, cwd: Path | None = None
) -> Usage:
    """Run the command to the end of its last process; its output goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as output, _adopting_orphans():
        before, started = _cpu_of_waited_children(), time.monotonic()
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        status, peak_total, peak_anonymous = _sample_until_over(process.pid)
        wall, cpu = time.monotonic() - started, _cpu_of_waited_children() - before
        process.returncode = status
    return Usage(
        cpu, wall, peak_total / 1e6, peak_anonymous / 1e6, status, log.read_text(encoding="utf-8", errors="replace")
    )


def processes_of_session(session: int) -> list[int]:
    """Ids of the living processes of a session; zombies do not count."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                # The name in brackets may contain blanks; state, parent, group and session follow it.
                state, _, _, own_session = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[:4]
                if int(own_session) == session and state not in "ZX":
                    found.append(int(entry))
    return found


def kill_session(session: int) -> None:
    """kill -9 for every process of a session."""
    for process in processes_of_session(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _sample_until_over(leader: int) -> tuple[int, int, int]:
    """Status of the leader, and the peaks in bytes of all memory and of anonymous memory."""
    status: int | None = None
    peak_total = peak_anonymous = 0
    while True:
        total, anonymous = _memory(processes_of_session(leader))
        peak_total, peak_anonymous = max(peak_total, total), max(peak_anonymous, anonymous)
        for process, code in _ended_children():
            status = code if process == leader else status
        if status is not None and not processes_of_session(leader):
            # One that ended since is a zombie, whose CPU time counts only when it has been waited for.
            list(_ended_children())
            return status, peak_total, peak_anonymous
        time.sleep(SECONDS_BETWEEN_SAMPLES)


def _ended_children() -> Iterator[tuple[int, int]]:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            yield ended[0], os.waitstatus_to_exitcode(ended[1])


def _memory(processes: list[int]) -> tuple[int, int]:
    """Sums of PSS, and of what of it is anonymous or shared memory, in bytes."""
    total = anonymous = 0
    for process in processes:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]:
                name, size = line.split(":")
                if name in ("Pss", "Pss_Anon", "Pss_Shmem"):
                    bytes_ = int(size.split()[0]) * 1024
                    total += bytes_ if name == "Pss" else 0
                    anonymous += bytes_ if name != "Pss" else 0
    return total, anonymous


def _cpu_of_waited_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def _adopting_orphans() -> Iterator[None]:
    """Become the parent of processes that outlive their parent, so that the kernel's sum misses none."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
