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
    except Exception as error:
        # safetensors has an error of its own, which says the number in words.
        words = [f"os error {number}" for number in _FULL]
        if getattr(error, "errno", None) not in _FULL and not any(word in str(error) for word in words):
            raise
        raise InputError(
            f"{folder}: no space is left on this disk; free some and run again{kept and f', {kept}'}"
        ) from None


@contextmanager
def explain_unwritable(folder: Path) -> Iterator[None]:
    """Turn an error about a file below the folder, a missing right to write or a full disk, into an `InputError`."""
    try:
        with explain_disk_full(folder):
            yield
    except OSError as error:
        place, run = os.path.abspath(str(error.filename or "")), os.path.abspath(folder)
        if error.errno not in _UNWRITABLE or not f"{place}/".startswith(f"{run}/"):
            raise
        raise InputError(
            f"{place}: cannot be written ({error.strerror}); correct its rights, or set --run_dir to another folder"
        ) from None


_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR)


def write_json(path: Path, value: object) -> None:
    """Write a JSON file that is complete or absent."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path, remedy: str = "remove it and run the command that writes it again") -> dict:
    """Read a JSON object.

    Raises:
        InputError: if the file is something else, such as cut off or damaged; it ends in `remedy`.
    """
    refuse_special_file(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    # A file of brackets alone is nested deeper than Python goes.
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON ({' '.join(str(error).split())[:100]}); {remedy}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: contains a {type(content).__name__} instead of a JSON object; {remedy}")
    return content


def sha256_of_json(value: object) -> str:
    """sha256 of a value that JSON can represent; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def sha256_of_file(path: Path) -> str:
    """sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return sha256_of_stream(file)


def is_as_written(path: Path, sha256: str) -> bool:
    """Whether a file is there with the bytes that were recorded."""
    return path.is_file() and sha256_once(path) == sha256


def sha256_once(path: Path) -> str:
    """sha256 of a file's bytes, which are read once per process unless the file changes."""
    # By what the file is and not by its path: a folder is renamed when it is complete.
    found = path.stat()
    key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    if key not in _known:
        _known[key] = sha256_of_file(path)
    return _known[key]


_known: dict[tuple[int, ...], str] = {}


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
