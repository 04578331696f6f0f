"""Whether the files of a run are as they were written: RUN/stages.json has the sha256 of every file of a stage."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recipe.errors import InputError
from recipe.files import is_as_written, sha256_once
from recipe.processes import process_index, world_size
from recipe.records import read_records

MANIFEST = "sha256.json"
# The stage and the command that makes its files again.
COMMANDS = {
    "corpus": "domain-bert corpus",
    "tokenizer": "domain-bert tokenizer",
    "tokens": "domain-bert pairs",
    "pairs": "domain-bert pairs",
    "inspect": "domain-bert run",
    "pretrain": "domain-bert pretrain",
    "evaluate": "domain-bert evaluate",
    "task": "domain-bert finetune",
}


def files_made(run: Path, patterns: Iterable[str]) -> dict[str, str]:
    """sha256 of each file that matches, by its path below the run folder, also of those that a sha256.json names."""
    found = {path for pattern in patterns for path in run.glob(pattern) if path.is_file()}
    for manifest in [path for path in found if path.name == MANIFEST]:
        found |= {path for name in json.loads(manifest.read_text()) if (path := manifest.parent / name).is_file()}
    # The card is completed by hand, and a lock is no result.
    kept = sorted(path for path in found if path.name != "README.md" and path.suffix != ".lock")
    return {path.relative_to(run).as_posix(): sha256_once(path) for path in kept}


def damaged_files(run: Path, record: dict[str, Any], has_own_share: bool = False, is_deep: bool = True) -> list[Path]:
    """The files of a stage that are missing or not as its record says.

    Args:
        record: of the stage, in RUN/stages.json.
        has_own_share: look only at this rank's share; all ranks of a launch together look at all.
        is_deep: read the bytes; False: only whether the files are there.
    """
    # A record of an older version names only the files that stand for its results.
    files = record.get("files") or {name: sha for name, sha in record.get("results", {}).items() if sha}
    names = sorted(files)
    if has_own_share:
        names = names[process_index() :: world_size()]
    paths = {run / name: files[name] for name in names}
    return [path for path, sha in paths.items() if not (is_as_written(path, sha) if is_deep else path.is_file())]


def remove_spoiled(run: Path, record: dict[str, Any], damaged: list[Path]) -> None:
    """Remove what the stage "task" would take for done: all files of a system of which one is damaged."""
    folders = {path.relative_to(run).parts[:2] for path in damaged if path.relative_to(run).parts[0] == "task"}
    for name in record.get("files", {}):
        # Those that were evaluated on test stay on the list, whatever becomes of the rest.
        is_kept = Path(name).name == "test_evaluations.json" and run / name not in damaged
        if Path(name).parts[:2] in folders and not is_kept:
            (run / name).unlink(missing_ok=True)


def refuse_damaged(run: Path, stage: str, damaged: list[Path]) -> None:
    """Refuse to read a stage's files of which some are damaged.

    Raises:
        InputError: that names the first one.
    """
    if damaged:
        more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
        what = "is not as it was written, its sha256 differs" if damaged[0].is_file() else "is missing"
        raise InputError(
            f"{damaged[0]}: {what}{more}; run `{COMMANDS[stage]}` again with the recipe of {run}, which makes it anew"
        )


def require_intact(run: Path, *stages: str) -> None:
    """Read all files that the stages of a run made ("pretrain": RUN/model) and compare them with their sha256.

    Stages that are not done, and files that came later (the card), are passed over. Source of truth: RUN/stages.json.

    Raises:
        InputError: for a file that is missing or has other bytes.
    """
    for name, record in read_records(run).items():
        if name in (stages or ("pretrain",)):
            refuse_damaged(run, name, damaged_files(run, record))


def require_intact_folder(folder: Path) -> None:
    """The same for a folder of any run, such as RUN/model or RUN/task/pretrained/model; others are passed over.

    Raises:
        InputError: for a file below the folder that a stage made and that has other bytes now.
    """
    place = Path(os.path.abspath(folder))
    run = next((parent for parent in list(place.parents)[:4] if (parent / "stages.json").is_file()), None)
    if run is None:
        return
    below = place.relative_to(run).as_posix() + "/"
    for name, record in read_records(run).items():
        files = {path: sha for path, sha in (record.get("files") or {}).items() if path.startswith(below)}
        if files:
            refuse_damaged(run, name, damaged_files(run, {"files": files}))
