"""Run folder -> where the run stands, in a few lines."""

import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from recipe.errors import InputError
from recipe.files import read_json
from recipe.formatting import compact, count, duration, fixed, minute
from recipe.records import read_records, recorded_recipe
from recipe.run_folder.events import read_events
from recipe.run_folder.lock import holder_of
from recipe.run_folder.settings import size_of

# Events in words.
_WORDS = {
    "init": "began from a checkpoint",
    "start": "started",
    "resume": "resumed",
    "save": "saved a checkpoint",
    "fault": "had a fault",
    "signal": "was interrupted",
    "end": "ended",
}


def status_of(run: Path) -> str:
    """Stages that are done, step, losses and speed of pretraining, time left, the last event and fault, and the disk.

    Raises:
        InputError: if the folder is not a run folder.
    """
    recipe, records = recorded_recipe(run), read_records(run)
    lines = [f"{run}: {recipe.hub.domain}"]
    lines += [
        f"  {name:10} done in {duration(record['seconds'])}, {minute(record['finished'])}"
        for name, record in records.items()
    ]
    holder = holder_of(run)
    lines += _progress_of(run, records.get("pretrain"), is_running=holder is not None)
    if holder is not None:
        lines.append(f"  running    {holder}")
    events = read_events(run)
    lines += [
        f"  {'last event' if event is events[-1] else 'last fault':10} {told(event)}" for event in _shown(events)
    ]
    used = size_of(run)
    lines.append(f"  disk       {used / 1e9:.2f} GB used, {shutil.disk_usage(run).free / 1e9:.1f} GB free")
    return "\n".join(lines)


def told(event: dict[str, Any]) -> str:
    """An event in words: what, of which stage and step, when, where, and why."""
    when = f"{minute(str(event.get('time', '')))} on {event.get('host', '?')}"
    stage = f"{event['stage']} " if event.get("stage") else ""
    what = stage + _WORDS.get(event["event"], event["event"])
    step = f" at step {event['step']}" if event.get("step") is not None else ""
    why = " ".join(str(event.get("error") or "").split())[:200].rstrip(": ")
    return f"{what}{step}, {when}" + (f": {why}" if why else "")


def _shown(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last fault or signal of a stage that is not done since, and the last event."""
    fault = None
    for event in events:
        if event["event"] in ("fault", "signal"):
            fault = event
        elif event["event"] == "end" and fault and fault.get("stage") == event.get("stage"):
            fault = None
    return [*([fault] if fault and fault is not events[-1] else []), *events[-1:]]


def _progress_of(run: Path, record: dict[str, Any] | None, is_running: bool) -> list[str]:
    path = run / "progress.json"
    if not path.is_file():
        return []
    try:
        found = read_json(path)
        # What is done says more than the last line of its log, unless training has begun again since.
        if record is not None and datetime.fromisoformat(record["finished"]).timestamp() + 1 > found["time"]:
            return []
        share, left = found["step"] / found["max_steps"], found["seconds_left"]
        age = time.time() - found["time"]
        state = f"about {duration(left)} left" if is_running else "stopped; the same command resumes"
        return [
            f"  pretrain   step {count(found['step'])} of {count(found['max_steps'])} ({share:.0%}), {state};"
            f" last line {duration(age)} ago",
            f"             MLM {fixed(found['mlm_loss'], 3)}, NSP {fixed(found['nsp_loss'], 3)},"
            f" {compact(found['tokens_per_second'])} tokens/s",
        ]
    except (InputError, LookupError, TypeError, ZeroDivisionError, ValueError):
        # The next line of the log replaces it.
        return [f"  pretrain   {path} is damaged; the next line of the log writes it again"]
