"""One process at a time works in a run folder; a second one is told who does."""

import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from recipe.errors import InputError
from recipe.files import read_json, write_json
from recipe.formatting import minute
from recipe.processes import is_first_process

LOCK, HOLDER = "run.lock", "run.lock.json"
# Seconds after which whoever has the lock has written its name.
PATIENCE = 2.0
# Run folders that this process has locked: a stage takes the lock again that `domain-bert run` has.
_held: set[Path] = set()


@contextmanager
def run_lock(run: Path) -> Iterator[None]:
    """Hold the lock of a run folder, which it makes, while the block runs.

    The ranks of one launch share the lock that the first one holds. A lock that a dead process left is taken over.

    Raises:
        InputError: if another process holds it; the message names the host, process, command and start.
    """
    key = run.resolve()
    if not is_first_process() or key in _held:
        yield
        return
    run.mkdir(parents=True, exist_ok=True)
    lock = _acquire(run)
    _held.add(key)
    if (left := _holder(run)) is not None:
        print(f"{run}: {_named(left)} ended without giving its lock back; it is taken over", flush=True)
    write_json(run / HOLDER, _this_process())
    try:
        yield
    finally:
        _held.discard(key)
        # The holder first: once the lock is free, the note is another process's.
        (run / HOLDER).unlink(missing_ok=True)
        if lock is not None:
            lock.release()


def holder_of(run: Path) -> str | None:
    """Who works in a run folder on this host now, in words; None: nobody, or a process that has ended."""
    holder = _holder(run)
    return _named(holder) if holder is not None and not _has_ended(holder) else None


def _acquire(run: Path) -> FileLock | None:
    lock = FileLock(run / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        holder = _holder(run)
        if holder is not None and _has_ended(holder):
            # Another one may have taken the lock over at this moment, and not have written its name yet.
            time.sleep(PATIENCE)
            holder = _holder(run)
        if holder is None or not _has_ended(holder):
            who = _named(holder) if holder else "another process"
            raise InputError(
                f"{run}: {who} works in this run folder; wait until it ends, stop it, or set --run_dir to another"
                " folder"
            ) from None
        # Its children, which inherited the lock, outlived it. A new file is a new lock.
        (run / LOCK).unlink(missing_ok=True)
        return _acquire(run)
    except (OSError, NotImplementedError) as error:
        print(f"{run}: this file system has no locks ({error}); do not start two runs in this folder", flush=True)
        return None
    return lock


def _this_process() -> dict[str, Any]:
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return {"host": socket.gethostname(), "pid": os.getpid(), "command": command[:200], "started": started}


def _holder(run: Path) -> dict[str, Any] | None:
    try:
        found = read_json(run / HOLDER)
        return {name: found[name] for name in ("host", "pid", "command", "started")}
    except (OSError, InputError, LookupError):
        return None


def _named(holder: dict[str, Any]) -> str:
    return (
        f"process {holder['pid']} on {holder['host']} (`{holder['command']}`, since {minute(str(holder['started']))})"
    )


def _has_ended(holder: dict[str, Any]) -> bool:
    """Whether the process has certainly ended; of one on another host nothing is known."""
    if holder["host"] != socket.gethostname() or not isinstance(holder["pid"], int) or holder["pid"] < 1:
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False
