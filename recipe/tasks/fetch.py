"""A named task's files from where they are published -> data/tasks/NAME, checked by sha256 and by what they hold."""

import urllib.error
import urllib.request
from pathlib import Path

from recipe.errors import InputError
from recipe.files import atomic_write, sha256_of_file
from recipe.tasks.catalog import TaskEntry, find_entry, read_checked

TIMEOUT = 60


def fetch_task(name: str, folder: Path, base_url: str | None = None) -> str:
    """Fetch a task and give a line that says what is there now; a folder whose files are right already is left alone.

    Args:
        folder: where the files go; it appears only when all of them are whole and right.
        base_url: takes the place of the address in tasks.yaml, for a mirror.

    Raises:
        InputError: for an unknown task, one without a public address, a file that cannot be fetched or has another
            sha256, or counts that are not those of the table.
    """
    entry = find_entry(name)
    if folder.exists():
        summary = _checked(entry, folder)
        return f"{folder}: already there, {summary}"
    if not entry.url:
        raise InputError(f"{name}: cannot be fetched by a program; {entry.obtain}")
    with atomic_write(folder) as partial:
        partial.mkdir(parents=True)
        for file in entry.files:
            _fetch(
                f"{(base_url or entry.url).rstrip('/')}/{entry.path}/{entry.places.get(file, file)}", partial / file
            )
        summary = _checked(entry, partial)
    return f"{folder}: {summary}; {entry.licence}"


def _checked(entry: TaskEntry, folder: Path) -> str:
    """Check files and counts; gives the task's summary."""
    for file, expected in entry.files.items():
        if not (folder / file).is_file():
            raise InputError(f"{folder / file}: is missing; remove {folder} and fetch the task again")
        found = sha256_of_file(folder / file)
        if expected is None:
            print(
                f"warning: {file} of {entry.name} was not checked, since its sha256 is not known here; it has {found}",
                flush=True,
            )
        elif found != expected:
            raise InputError(
                f"{file} of {entry.name}: has sha256 {found} instead of {expected}, so it is not the published file;"
                " remove it and fetch it again"
            )
    return read_checked(entry, folder).summary()


def _fetch(url: str, path: Path) -> None:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, open(path, "wb") as file:
            while block := answer.read(1 << 20):
                file.write(block)
            expected = answer.headers.get("Content-Length")
    except (urllib.error.URLError, TimeoutError, OSError, ValueError) as error:
        raise InputError(f"{url}: cannot be fetched ({error}); try again, or name a mirror by --base_url") from None
    if expected is not None and path.stat().st_size != int(expected):
        raise InputError(f"{url}: ended after {path.stat().st_size} of {expected} bytes; try again")
