"""Which settings the checkpoints in a folder of RUN/checkpoints are of, so that those of others can be told apart."""

import time
from pathlib import Path
from typing import Any, NamedTuple

from recipe.errors import InputError
from recipe.files import read_json, sha256_of_json, write_json

NAME = "settings.json"


class OtherSettings(NamedTuple):
    """Checkpoints of other settings in a run.

    newest: the settings that were trained last. size: bytes of all these checkpoints.
    """

    newest: dict[str, Any]
    size: int


def note_settings(folder: Path, settings: dict[str, Any], tokenizer: dict[str, str]) -> OtherSettings | None:
    """Note that training with these settings starts in a checkpoint folder.

    Args:
        tokenizer: sha256 of the files of the tokenizer, by path.

    Returns:
        What other folders beside it contain, if training begins here for the first time; else None.

    Raises:
        InputError: if its checkpoints were trained with another tokenizer, which must not mix with this one.
    """
    is_new, before = not (folder / NAME).is_file(), _noted(folder).get("tokenizer")
    if isinstance(before, dict) and before != tokenizer:
        names = sorted(name for name in before.keys() | tokenizer.keys() if before.get(name) != tokenizer.get(name))
        raise InputError(
            f"{folder}: its checkpoints were trained with another {names[0]}; put the old file back (tokenizer.path),"
            " or remove that folder to begin at step 0"
        )
    others = [other for other in noted_folders(folder.parent) if other != folder]
    note = {"settings": settings, "tokenizer": tokenizer, "started": time.time()}
    write_json(folder / NAME, {**note, "sha256": sha256_of_json(note)})
    if not is_new or not others:
        return None
    return OtherSettings(_noted(others[-1]).get("settings", {}), sum(map(size_of, others)))


def changes_of(settings: dict[str, Any], before: dict[str, Any]) -> str:
    """The settings that are others than before, in words; "" if none is."""
    changed = [
        f"{place} is {value!r}, not {before[place]!r}"
        for place, value in settings.items()
        if place in before and before[place] != value
    ]
    return ", ".join(changed[:3]) + (f" (and {len(changed) - 3} more)" if len(changed) > 3 else "")


def noted_folders(checkpoints: Path) -> list[Path]:
    """The folders in RUN/checkpoints that `note_settings` knows, the one that was trained last at the end."""
    started = {path.parent: _noted(path.parent).get("started") for path in checkpoints.glob(f"*/{NAME}")}
    # One whose note is damaged may be in use, so nothing is known of it.
    known = {folder: value for folder, value in started.items() if isinstance(value, (int, float))}
    return sorted(known, key=lambda folder: (known[folder], folder.name))


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    found = [path] if path.is_file() else [inner for inner in path.rglob("*") if inner.is_file()]
    return sum(each.stat().st_size for each in found)


def read_note(folder: Path) -> dict[str, Any]:
    """The note of a checkpoint folder.

    Raises:
        InputError: if it is not as it was written.
    """
    note = read_json(folder / NAME)
    if note.pop("sha256", None) != sha256_of_json(note):
        raise InputError(f"{folder / NAME}: is not as it was written; the next start of training writes it anew")
    return note


def _noted(folder: Path) -> dict[str, Any]:
    try:
        return read_note(folder)
    except (InputError, OSError):
        return {}
