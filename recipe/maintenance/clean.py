"""The command `domain-bert clean`: what a run no longer needs, and nothing that it did not make."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from recipe.errors import InputError
from recipe.files import read_json
from recipe.records import read_records, recorded_recipe
from recipe.run_folder.integrity import MANIFEST
from recipe.run_folder.lock import run_lock
from recipe.run_folder.ownership import FILES, REPLACED
from recipe.run_folder.settings import noted_folders, size_of

_ROWS = re.compile(r"pairs-[0-9a-f]{24}")


def clean(run: Path, yes: bool) -> None:
    """List checkpoints of other settings, old rows and passes, and what killed builds left; remove them if `yes`.

    Raises:
        InputError: if the folder is not a run folder, or a process works in it.
    """
    recorded_recipe(run)
    if not yes:
        found = list(needless(run))
        for path, why in found:
            print(f"{size_of(path) / 1e9:8.3f} GB  {path.relative_to(run)}: {why}")
        total = sum(size_of(path) for path, _ in found) / 1e9
        print(f"{total:8.3f} GB  can go; `domain-bert clean {run} --yes` removes it" if found else f"{run}: is clean")
        return
    with run_lock(run):
        for path, why in list(needless(run)):
            print(f"removed {path.relative_to(run)}: {why} ({size_of(path) / 1e9:.3f} GB)", flush=True)
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def needless(run: Path) -> Iterator[tuple[Path, str]]:
    """Each file or folder of the run that nothing needs any more, and what it is."""
    for folder in noted_folders(run / "checkpoints")[:-1]:
        yield folder, "checkpoints of other settings"
    for name in (*REPLACED, *FILES):
        partial = (run / name).with_name(f"{Path(name).name}.partial")
        if partial.exists():
            yield partial, "left by a build that was killed"
        blocks = (run / name).with_name(f"{Path(name).name}.blocks")
        if blocks.is_dir() and "tokens" in read_records(run):
            yield blocks, "blocks of token ids that are joined already"
    rows = sorted((run / "pairs" / "next_sentence_pairs").glob("pairs-*"))
    current = _current_rows(run)
    for folder in rows:
        if current is not None and folder.name not in current and _ROWS.fullmatch(folder.name):
            yield folder, "pairs of other settings"
    passes = [folder for folder in sorted((run / "passes").glob("pairs-*")) if _ROWS.fullmatch(folder.name)]
    kept = _current_passes(run) if passes else None
    for folder in passes:
        if kept is not None and folder.name != kept:
            yield folder, "passes of other settings"


def _current_rows(run: Path) -> set[str] | None:
    """The names of the folders that the stage pairs made last; None: not known."""
    try:
        return {part for name in read_json(run / "pairs" / MANIFEST) for part in Path(name).parts}
    except (OSError, InputError):
        return None


def _current_passes(run: Path) -> str | None:
    """The name of the folder of the passes that pretraining uses; None: not known."""
    from recipe.pairs.dataset import training_passes

    recipe = recorded_recipe(run)
    try:
        folder = training_passes(replace(recipe, pairs=replace(recipe.pairs, refresh_every_epoch=True))).folder
    except InputError:
        return None
    return folder.name if recipe.pairs.refresh_every_epoch else ""
