"""Run folder -> where the run stands, in a few lines."""

import shutil
import time
from pathlib import Path

from recipe.files import read_json
from recipe.formatting import compact, count, duration
from recipe.records import read_records, recorded_recipe


def status_of(run: Path) -> str:
    """Stages that are done, the step, losses and speed of pretraining, the time that is left, and the disk.

    Raises:
        InputError: if the folder is not a run folder.
    """
    recipe, records = recorded_recipe(run), read_records(run)
    lines = [f"{run}: {recipe.hub.domain}"]
    lines += [
        f"  {name:10} done in {duration(record['seconds'])}, {record['finished'][:16].replace('T', ' ')} UTC"
        for name, record in records.items()
    ]
    progress = run / "progress.json"
    # After pretraining its record tells more than the last line of its log.
    if "pretrain" not in records and progress.is_file():
        found = read_json(progress)
        share, left = found["step"] / found["max_steps"], found["seconds_left"]
        age = time.time() - found["time"]
        lines += [
            f"  pretrain   step {count(found['step'])} of {count(found['max_steps'])} ({share:.0%}), about"
            f" {duration(left)} left; last line {duration(age)} ago",
            f"             MLM {found['mlm_loss']:.3f}, NSP {found['nsp_loss']:.3f},"
            f" {compact(found['tokens_per_second'])} tokens/s",
        ]
    used = sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
    lines.append(f"  disk       {used / 1e9:.2f} GB used, {shutil.disk_usage(run).free / 1e9:.1f} GB free")
    return "\n".join(lines)
