"""Files that are complete or absent, locks, JSON and sha256."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from filelock import BaseFileLock, FileLock

from recipe.errors import InputError
from recipe.inputs.regular_files import refuse_special_file


@contextmanager
def atomic_write(path: Path, owner: str = "") -> Iterator[Path]:
    """Give a temporary path next to `path` for a file or folder; it replaces `path` only when the block ends well.

    Args:
        owner: part of the temporary name, such as `this_process()`, where two processes may write the same at once.
    """
    partial = path.with_name(f"{path.name}{owner and '.'}{owner}.partial")
    _remove(partial)
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
    except BaseException:
        _remove(partial)
        raise
    # os.replace puts a file in the place of a file, but no folder in the place of one that is not empty.
    if path.is_dir():
        _remove(path)
    os.replace(partial, path)


def file_lock(path: Path) -> BaseFileLock:
    """A lock, as a context, so that two processes (or ranks) do not build `path` at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Next to the path and not the path itself, which a build removes and replaces.
    return FileLock(path.with_name(path.name + ".lock"))


@contextmanager
def explain_disk_full(folder: Path, kept: str = "") -> Iterator[None]:
    """Turn "no space left" of any writer in the block into an `InputError`; `kept` says what a next attempt reuses."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"{folder}: no space is left on this disk; free some and run again{kept and f', {kept}'}"
        ) from None


def write_json(path: Path, value: object) -> None:
    """Write a JSON file that is complete or absent."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict:
    """Read a JSON object."""
    refuse_special_file(path)
    return json.loads(path.read_text(encoding="utf-8"))


def sha256_of_json(value: object) -> str:
    """sha256 of a value that JSON can represent; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def sha256_of_file(path: Path) -> str:
    """sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return sha256_of_stream(file)


def sha256_of_stream(file: BinaryIO) -> str:
    """sha256 of what is left to read of an open file."""
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
