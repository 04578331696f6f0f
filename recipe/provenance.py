"""What made a file: versions, git commit, sha256 of content and of code; and the writing of files that are whole or absent."""

import ast
import errno
import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import BinaryIO

from recipe.errors import InputError

PACKAGES = ("domain-bert", "torch", "transformers", "datasets", "tokenizers", "accelerate", "evaluate", "numpy", "pyarrow")


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that shape a result; those that are absent are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Commit of this checkout, with "+changes" behind it when files differ from it; None outside a checkout."""
    root = Path(__file__).parent.parent
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run(["git", "status", "--porcelain", "-uno"], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + "+changes" if changed else commit


def sha256_of_json(value: object) -> str:
    """sha256 of a value that JSON can hold; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def sha256_of_file(path: Path) -> str:
    """sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else sha256_of_stream(file)


def sha256_of_stream(file: BinaryIO) -> str:
    """sha256 of what is left to read of an open file."""
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def sha256_of_folder(folder: Path) -> str:
    """sha256 over the names and bytes of all files below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return sha256_of_json([[str(path.relative_to(folder)), sha256_of_file(path)] for path in files])


def code_hash(module: str) -> str:
    """sha256 of a module's code and of all modules of this package that it imports; comments and docstrings do not count."""
    sources: dict[str, str] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        if name in sources:
            continue
        sources[name], imported = _dump_of(name)
        pending += imported
    return sha256_of_json(sources)


def imported_modules(tree: ast.AST) -> list[str]:
    """Names of this package's modules that a syntax tree imports anywhere, such as "recipe.pairs"."""
    package = __name__.split(".")[0]
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return sorted({name for name in names if name.split(".")[0] == package and name != package and _source_of(name).is_file()})


@contextmanager
def whole_or_absent(path: Path, owner: str = "") -> Iterator[Path]:
    """Give a temporary path beside `path` to write a file or folder to; it takes the place of `path` only when the block ends well.

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


def is_first_process() -> bool:
    """Whether this is the first of the processes that torchrun or `accelerate launch` started, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0


def this_process() -> str:
    """A name of this process among those of all machines at this moment."""
    return f"{socket.gethostname()}-{os.getpid()}"


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock beside `path`, so that two processes (or ranks) do not build it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(path.name + ".lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def naming_full_disk(folder: Path, kept: str = "") -> Iterator[None]:
    """Turn "no space left" of any writer in the block into an `InputError` that names the folder, and says what is `kept` for the next attempt."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(f"{folder}: no space is left on this disk; free some and run again{kept and f', {kept}'}") from None


def write_json(path: Path, value: object) -> None:
    """Write JSON that is whole or absent."""
    with whole_or_absent(path) as partial:
        partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict:
    """Read a JSON object."""
    return json.loads(path.read_text(encoding="utf-8"))


@cache
def _dump_of(module: str) -> tuple[str, list[str]]:
    """A module's code as text, and the modules that it imports; a running program has one code."""
    tree = _code_of(module)
    return ast.dump(tree), imported_modules(tree)


def _code_of(module: str) -> ast.AST:
    tree = ast.parse(_source_of(module).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return tree


def _source_of(module: str) -> Path:
    """The file of a module of this package, found without importing anything."""
    path = Path(__file__).parent.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
