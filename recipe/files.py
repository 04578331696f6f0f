"""Files that are complete or absent, locks, JSON and sha256."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from recipe.errors import InputError


@contextmanager
def whole_or_absent(path: Path, owner: str = "") -> Iterator[Path]:
    """Give a temporary path beside `path` to write a file or folder to; it takes the place of `path` only when the
    block ends well.

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
    if path.is_dir():
        _remove(path)
    os.replace(partial, path)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock beside `path`, so that two processes (or ranks) do not build it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(path.name + ".lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def naming_full_disk(folder: Path, kept: str = "") -> Iterator[None]:
    """Turn "no space left" of any writer in the block into an `InputError` that names the folder, and says what is
    `kept` for the next attempt.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"{folder}: no space is left on this disk; free some and run again{kept and f', {kept}'}"
        ) from None


def write_json(path: Path, value: object) -> None:
    """Write JSON that is whole or absent."""
    with whole_or_absent(path) as partial:
        partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict:
    """Read a JSON object."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256_of_json(value: object) -> str:
    """sha256 of a value that JSON can hold; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def sha256_of_file(path: Path) -> str:
    """sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return (
            hashlib.file_digest(file, "sha256").hexdigest()
            if hasattr(hashlib, "file_digest")
            else sha256_of_stream(file)
        )


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
