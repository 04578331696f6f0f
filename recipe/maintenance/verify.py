"""The command `domain-bert verify`: compares files with the sha256 that was recorded when they were written."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from recipe.config_file import load_recipe
from recipe.errors import InputError
from recipe.files import is_as_written, read_json
from recipe.formatting import count
from recipe.records import read_records
from recipe.run_folder.integrity import COMMANDS, MANIFEST, damaged_files
from recipe.run_folder.settings import NAME, read_note

DAMAGED_STATUS = 1


class Part(NamedTuple):
    """What was compared: its name, in words what was found, and whether all of it is intact."""

    name: str
    found: str
    is_intact: bool


def verify(path: Path) -> None:
    """Print a line for each part of a run, or of one folder of it; exit status 1 if something is damaged.

    Args:
        path: a run folder, or a corpus, tokenizer, token store, pairs, model or checkpoint folder.

    Raises:
        InputError: if nothing there was recorded, so that nothing can be compared.
    """
    parts = list(parts_of(path))
    if not parts:
        raise InputError(
            f"{path}: has no recorded sha256 to compare with; name a run folder such as runs/demo, or a folder in one"
        )
    width = max(len(part.name) for part in parts)
    for part in parts:
        print(f"{part.name:{width}}  {part.found}", flush=True)
    damaged = sum(not part.is_intact for part in parts)
    print(f"{path}: {f'{damaged} of {len(parts)} parts damaged' if damaged else 'intact'}")
    if damaged:
        sys.exit(DAMAGED_STATUS)


def parts_of(path: Path) -> Iterator[Part]:
    """The parts of a folder and what was found in each; one line each, whatever is wrong."""
    if not path.is_dir():
        raise InputError(f"{path}: is not a folder; name a run folder such as runs/demo, or a folder in one")
    if _is_run(path):
        yield from _parts_of_run(path)
    elif (path / "manifest.json").is_file() or path.name.startswith("checkpoint-"):
        yield _checkpoint(path)
    elif (path / MANIFEST).is_file():
        yield _by_manifest(path)
    else:
        yield from _parts_below(path)


def _is_run(path: Path) -> bool:
    return (path / "stages.json").is_file() or (path / "recipe.yaml").is_file()


def _parts_of_run(run: Path) -> Iterator[Part]:
    readable: dict[str, Callable[[], object]] = {
        "recipe.yaml": lambda: load_recipe(run / "recipe.yaml"),
        "stages.json": lambda: read_records(run),
        "inputs.json": lambda: read_json(run / "inputs.json"),
        "progress.json": lambda: read_json(run / "progress.json"),
    }
    for name, read in readable.items():
        if (run / name).is_file():
            yield _read(name, read)
    try:
        records = read_records(run)
    except InputError:
        records = {}
    for name, record in records.items():
        number = len(record.get("files") or record.get("results", {}))
        yield _compared(name, number, damaged_files(run, record), _remedy(name))
    for note in sorted((run / "checkpoints").glob(f"*/{NAME}")):
        yield _read(note.relative_to(run).as_posix(), partial(read_note, note.parent))
    for folder in sorted((run / "checkpoints").glob("*/checkpoint-*")):
        if folder.is_dir():
            part = _checkpoint(folder)
            yield part._replace(name=folder.relative_to(run).as_posix())


def _parts_below(path: Path) -> Iterator[Part]:
    """What the records of the run say that is around a folder, such as RUN/model or RUN/store."""
    place = path.resolve()
    run = next((parent for parent in list(place.parents)[:4] if _is_run(parent)), None)
    below = f"{place.relative_to(run).as_posix()}/" if run else ""
    for name, record in read_records(run).items() if run else ():
        files = {file: sha for file, sha in (record.get("files") or {}).items() if file.startswith(below)}
        if files:
            damaged = damaged_files(run or path, {"files": files})
            yield _compared(name, len(files), damaged, _remedy(name))
    for folder in sorted(path.glob("checkpoint-*")) or sorted(path.glob("*/checkpoint-*")):
        yield _checkpoint(folder)


def _by_manifest(path: Path) -> Part:
    try:
        recorded = read_json(path / MANIFEST)
    except InputError as error:
        return Part(path.name, f"damaged: {error}", False)
    paths = {path / name: sha for name, sha in recorded.items()}
    damaged = [file for file, sha in paths.items() if not is_as_written(file, sha)]
    return _compared(path.name, len(paths), damaged, "make it again")


def _checkpoint(folder: Path) -> Part:
    from recipe.pretraining.checkpoints import is_complete

    if is_complete(folder):
        return Part(folder.name, "intact", True)
    return Part(folder.name, "damaged or incomplete; pretraining resumes from an older one", False)


def _compared(name: str, number: int, damaged: list[Path], remedy: str) -> Part:
    if not damaged:
        return Part(name, f"{count(number)} file{'s' * (number != 1)}, intact", True)
    return Part(name, f"damaged: {len(damaged)} of {number} files, first {damaged[0]}; {remedy}", False)


def _remedy(stage: str) -> str:
    return f"run `{COMMANDS.get(stage, 'domain-bert run')} CONFIG`"


def _read(name: str, read: Callable[[], object]) -> Part:
    try:
        read()
    except InputError as error:
        return Part(name, f"damaged: {' '.join(str(error).split())}", False)
    return Part(name, "readable", True)
