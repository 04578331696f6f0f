"""tasks.yaml -> what is known of a task by its name, and the task itself with its counts checked."""

import difflib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from recipe.errors import InputError
from recipe.files import sha256_of_file, sha256_of_json
from recipe.tasks import EMBEDDED_TASKS, load_task
from recipe.tasks.types.documents import KIND as DOCUMENTS
from recipe.tasks.types.ner import KIND as NER
from recipe.tasks.types.pico import KIND as PICO
from recipe.tasks.types.questions import KIND as QUESTIONS
from recipe.tasks.types.relations import KIND as RELATIONS
from recipe.tasks.types.similarity import KIND as SIMILARITY
from recipe.tasks.types.task_type import Kind, Task

KINDS = {
    "ner": NER,
    "pico": PICO,
    "relations": RELATIONS,
    "similarity": SIMILARITY,
    "documents": DOCUMENTS,
    "questions": QUESTIONS,
}
TABLE = Path(__file__).with_name("tasks.yaml")
DATA = Path("data/tasks")
Counts = dict[str, dict[str, int]]


@dataclass(frozen=True)
class TaskEntry:
    """One entry of tasks.yaml; the keys are explained there. `url` is the folder's address; where there is none,
    `obtain` says how to get the files.
    """

    name: str
    kind: str = "ner"
    title: str = ""
    url: str = ""
    path: str = ""
    licence: str = ""
    files: dict[str, str | None] = field(default_factory=dict)
    counts: Counts = field(default_factory=dict)
    published: Counts = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    obtain: str = ""
    max_seq_length: int | None = None


@dataclass(frozen=True)
class NamedTask:
    """A task that was read, its kind, and a hash of all that it was read from."""

    entry: TaskEntry
    kind: Kind
    task: Task
    key: str


@cache
def task_table() -> dict[str, TaskEntry]:
    """All entries by name."""
    content = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    entries = {}
    for name, values in content["tasks"].items():
        source = content["sources"][values.pop("source")] if "source" in values else {}
        entries[name] = TaskEntry(name, **source, **values)
    return entries


def find_entry(name: str) -> TaskEntry:
    """The entry of a name.

    Raises:
        InputError: for an unknown name, with the nearest known one.
    """
    table = task_table()
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name, table, 1)
    raise InputError(
        f"{name!r} is no task of the table: {', '.join(table)}" + (f"; did you mean {near[0]}?" if near else "")
    )


def read_named_task(name: str, data: Path | None) -> NamedTask:
    """The task of a name of the table, of an embedded one, or of a folder with files of columns (then nothing is known
    that could be checked).

    Args:
        data: folder with the files of a named task; None: where scripts/get_task.py puts them.

    Raises:
        InputError: for an unknown name, missing or unreadable files, or counts that are not those of the table.
    """
    if name in EMBEDDED_TASKS:
        return NamedTask(TaskEntry(name), KINDS["ner"], load_task(name), name)
    if name not in task_table() and Path(name).is_dir():
        entry, folder = TaskEntry(Path(name).resolve().name), Path(name)
    else:
        entry, folder = find_entry(name), data or DATA / name
        if not folder.is_dir():
            remedy = f"fetch the task by scripts/get_task.py {name}" if entry.url else entry.obtain
            raise InputError(f"{folder}: is no folder; {remedy}, or name the folder of its files by --data")
    task = read_checked(entry, folder)
    files = {path.name: sha256_of_file(path) for path in sorted(folder.iterdir()) if path.is_file()}
    return NamedTask(entry, KINDS[entry.kind], task, sha256_of_json([entry.kind, entry.options, files]))


def read_checked(entry: TaskEntry, folder: Path) -> Task:
    """The task of an entry from its files.

    Raises:
        InputError: for files that cannot be read, or counts that are not those of the table.
    """
    task: Task = KINDS[entry.kind].read(folder, **entry.options)
    task.name = entry.name
    check_counts(entry, task.counts(), folder)
    return task


def check_counts(entry: TaskEntry, counts: Counts, folder: Path) -> None:
    """Refuse a task whose files do not hold what the table says; say where they differ from published counts.

    Raises:
        InputError: for a count that differs from the table's.
    """
    for expected, is_checked in ((entry.counts, True), (entry.published, False)):
        for what, splits in expected.items():
            for split, number in splits.items():
                found = counts[what][split]
                if found != number and is_checked:
                    raise InputError(
                        f"{folder}: {split} holds {found} {what}, but {entry.name} has {number}; fetch it by"
                        f" scripts/get_task.py {entry.name}"
                    )
                if found != number:
                    print(f"note: {split} of {entry.name} holds {found} {what}; the paper counts {number}", flush=True)
