"""RUN/events.jsonl: what happened in a run folder, one JSON line each, so that a run explains itself afterwards."""

import json
import os
import socket
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from recipe.processes import is_first_process, world_size
from recipe.provenance import git_commit

NAME = "events.jsonl"
# Of an error; a message may quote a whole line of a corpus.
MOST_CHARACTERS = 500


def log_event(run: Path, event: str, **fields: Any) -> None:
    """Append a line to RUN/events.jsonl; only the first process does, and only where the run folder is there.

    Args:
        event: start, init, resume, save, fault, signal or end.
        fields: what JSON can represent, such as stage="pretrain", step=500, error="...".
    """
    if not is_first_process() or not run.is_dir():
        return
    line = {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "event": event,
        **{name: value[:MOST_CHARACTERS] if isinstance(value, str) else value for name, value in fields.items()},
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "world_size": world_size(),
        "commit": _commit(),
    }
    text = json.dumps(line, ensure_ascii=False, default=str) + "\n"
    try:
        with open(run / NAME, "ab+", buffering=0) as file:
            # A disk that was full may have cut the last line off.
            is_cut = file.seek(0, os.SEEK_END) > 0 and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n"
            # One write, so that lines of two processes do not mix.
            file.write(("\n" * is_cut + text).encode("utf-8", "backslashreplace"))
    except OSError:
        # A full disk ends the run by what it could not save, not by what it could not tell.
        return


def read_events(run: Path) -> list[dict[str, Any]]:
    """The events of a run, oldest first; lines that are damaged are left out."""
    try:
        lines = (run / NAME).read_bytes().splitlines()
    except OSError:
        return []
    return [event for line in lines if (event := _parsed(line))]


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


@cache
def _commit() -> str | None:
    return git_commit()
