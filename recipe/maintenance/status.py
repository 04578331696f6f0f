"""Run folder -> where the run stands, in a few lines."""

import shutil
import time
from pathlib import Path
from typing import Any

from recipe.errors import InputError
from recipe.files import read_json
from recipe.formatting import compact, count, duration, fixed
from recipe.records import read_records, recorded_recipe
from recipe.run_folder.events import read_events
from recipe.run_folder.lock import holder_of
from recipe.run_folder.settings import size_of


def status_of(run: Path) -> str:
    """Stages that are done, step, losses and speed of pretraining, time left, the last event and fault, and the disk.

    Raises:
        InputError: if the folder is not a run folder.
    """
    recipe, records = recorded_recipe(run), read_records(run)
    lines = [f"{run}: {recipe.hub.domain}"]
    lines += [
        f"  {name:10} done in {duration(record['seconds'])}, {record['finished'][:16].replace('T', ' ')} UTC"
        for name, record in records.items()
    ]
    # After pretraining its record tells more than the last line of its log.
    if "pretrain" not in records:
        lines += _progress_of(run)
    if (holder := holder_of(run)) is not None:
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
    when = f"{str(event.get('time', ''))[:16].replace('T', ' ')} UTC on {event.get('host', '?')}"
    what = " ".join(str(event[name]) for name in ("event", "stage") if event.get(name) is not None)
    step = f" at step {event['step']}" if event.get("step") is not None else ""
    why = f": {' '.join(str(event['error']).split())[:200]}" if event.get("error") else ""
    return f"{what}{step}, {when}{why}"


def _shown(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last fault or signal, if any, and the last event."""
    faults = [event for event in events[:-1] if event["event"] in ("fault", "signal")]
    return [*faults[-1:], *events[-1:]]


def _progress_of(run: Path) -> list[str]:
    path = run / "progress.json"
    if not path.is_file():
        return []
    try:
        found = read_json(path)
        share, left = found["step"] / found["max_steps"], found["seconds_left"]
        age = time.time() - found["time"]
        return [
            f"  pretrain   step {count(found['step'])} of {count(found['max_steps'])} ({share:.0%}), about"
            f" {duration(left)} left; last line {duration(age)} ago",
            f"             MLM {fixed(found['mlm_loss'], 3)}, NSP {fixed(found['nsp_loss'], 3)},"
            f" {compact(found['tokens_per_second'])} tokens/s",
        ]
    except (InputError, LookupError, TypeError, ZeroDivisionError, ValueError):
        # The next line of the log replaces it.
        return [f"  pretrain   {path} is damaged; the next line of the log writes it again"]
