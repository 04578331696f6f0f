"""Write, verify and find checkpoints: a manifest of sha256 is written last, so a checkpoint without a matching one is
not whole.
"""

import re
from pathlib import Path

from recipe.files import read_json, sha256_of_file, write_json

MANIFEST = "manifest.json"


def seal_checkpoint(folder: Path) -> None:
    """Write the manifest of a checkpoint whose other files are all written."""
    write_json(folder / MANIFEST, {name: sha256_of_file(folder / name) for name in _files(folder)})


def is_whole(folder: Path) -> bool:
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


def newest_whole_checkpoint(folder: Path) -> Path | None:
    """The checkpoint-STEP of the highest step that is whole; those that are not are named on the terminal and passed
    over.
    """
    found = [path for path in folder.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    for path in sorted(found, key=lambda path: -int(path.name.split("-")[1])):
        if is_whole(path):
            return path
        print(f"{path}: not whole (the run was stopped while it was written, or a file changed); passed over")
    return None


def _files(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST
    )
