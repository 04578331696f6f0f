"""A named task's files from where they are published -> data/tasks/NAME, checked by sha256 and by their counts."""

from pathlib import Path

import requests

from recipe.errors import InputError
from recipe.files import atomic_write, sha256_of_file
from recipe.tasks.catalog import TaskEntry, find_entry, read_checked

# Seconds without a byte, not of the whole file.
TIMEOUT = 60
BLOCK = 1 << 20


def fetch_task(name: str, folder: Path, base_url: str | None = None) -> str:
    """Fetch a task to a folder, from `base_url` (a mirror) or the table's address; gives a line on what is there."""
    entry = find_entry(name)
    if folder.exists():
        return f"{folder}: already there, {_checked(entry, folder)}"
    if not entry.url:
        raise InputError(f"{name}: cannot be fetched by a program; {entry.how_to_obtain}")
    # Complete or absent, or a later run would take half a task for the whole one.
    with atomic_write(folder) as partial:
        partial.mkdir(parents=True)
        for file in entry.files:
            url = f"{(base_url or entry.url).rstrip('/')}/{entry.path}/{entry.paths.get(file, file)}"
            # Not hf_hub_download: it would need a second path for GitHub, and mirrors that speak the Hub's protocol.
            try:
                with requests.get(url, stream=True, timeout=TIMEOUT) as answer, open(partial / file, "wb") as output:
                    answer.raise_for_status()
                    for block in answer.iter_content(BLOCK):
                        output.write(block)
            except OSError as error:
                remedy = "look whether the network is there and try again, or name a mirror by --base_url"
                raise InputError(f"{url}: cannot be fetched ({error}); {remedy}") from None
        summary = _checked(entry, partial)
    return f"{folder}: {summary}; {entry.licence}"


def _checked(entry: TaskEntry, folder: Path) -> str:
    for file, expected in entry.files.items():
        if not (folder / file).is_file():
            raise InputError(f"{folder / file}: is missing; remove {folder} and fetch the task again")
        found = sha256_of_file(folder / file)
        if expected is None:
            reason = "since its sha256 is not known here"
            print(f"warning: {file} of {entry.name} was not checked, {reason}; it has {found}", flush=True)
        elif found != expected:
            raise InputError(
                f"{file} of {entry.name}: has sha256 {found} instead of {expected}, so it is not the published file;"
                " remove it and fetch it again"
            )
    return read_checked(entry, folder).summary()
