"""Checkpoints: a manifest of sha256 is written last, so a checkpoint without a matching one is incomplete."""

import re
from pathlib import Path

from recipe.files import read_json, sha256_of_file, write_json

MANIFEST = "manifest.json"


def write_manifest(folder: Path) -> None:
    """Write the manifest of a checkpoint whose other files are all written."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    write_json(folder / MANIFEST, {str(path.relative_to(folder)): sha256_of_file(path) for path in paths})


def is_complete(folder: Path) -> bool:
    """Whether every file of the manifest is there with the bytes that were written."""
    if not (folder / MANIFEST).is_file():
        return False
    try:
        manifest = read_json(folder / MANIFEST)
    except ValueError:
        return False
    return all(
        (folder / name).is_file() and sha256_of_file(folder / name) == digest for name, digest in manifest.items()
    )


def newest_complete_checkpoint(folder: Path) -> Path | None:
    """The complete checkpoint-STEP of the highest step; incomplete ones are named on the terminal and skipped."""
    # Trainer's own search takes the newest folder, and dies on one that a killed run left half written.
    found = [path for path in folder.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    for path in sorted(found, key=lambda path: -int(path.name.split("-")[1])):
        if is_complete(path):
            return path
        print(f"{path}: incomplete (the run was stopped while it was written, or a file changed); skipped")
    return None
