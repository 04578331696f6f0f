"""tasks.yaml -> what is known of a task by its name, and the task itself with its counts checked."""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from recipe.corpus.readers.hub_dataset import HubSource
from recipe.errors import InputError
from recipe.files import sha256_of_file, sha256_of_json
from recipe.inputs.regular_files import refuse_special_file
from recipe.tasks.data.answers import require_two_answers
from recipe.tasks.data.nero import read_nero
from recipe.tasks.data.records import TASK_SPLITS
from recipe.tasks.own.task_yaml import TASK_YAML, find_task_yaml
from recipe.tasks.own.types import OWN_TYPES
from recipe.tasks.types.documents import TASK_TYPE as DOCUMENTS
from recipe.tasks.types.ner import TASK_TYPE as NER
from recipe.tasks.types.pico import TASK_TYPE as PICO
from recipe.tasks.types.questions import TASK_TYPE as QUESTIONS
from recipe.tasks.types.relations import TASK_TYPE as RELATIONS
from recipe.tasks.types.similarity import TASK_TYPE as SIMILARITY
from recipe.tasks.types.task_type import Task, TaskType

BLURB_TYPES = {
    "ner": NER,
    "pico": PICO,
    "relations": RELATIONS,
    "similarity": SIMILARITY,
    "documents": DOCUMENTS,
    "questions": QUESTIONS,
}
TASK_TYPES = {**BLURB_TYPES, **OWN_TYPES}
# Read from a wheel of the package index, so that the demo needs no other download.
EMBEDDED_TASKS = {"embedded:nero": read_nero}
TABLE = Path(__file__).with_name("tasks.yaml")
DATA = Path("data/tasks")
Counts = dict[str, dict[str, int]]


@dataclass(frozen=True)
class TaskEntry:
    """One entry of tasks.yaml, where the keys are explained; without a `url`, `obtain` says how to get the files."""

    name: str
    type: str = "ner"
    title: str = ""
    url: str = ""
    path: str = ""
    licence: str = ""
    files: dict[str, str | None] = field(default_factory=dict)
    counts: Counts = field(default_factory=dict)
    published: Counts = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    obtain: str = ""
    max_seq_length: int | None = None

    @property
    def how_to_obtain(self) -> str:
        """`obtain` with the task's name."""
        return self.obtain.replace("NAME", self.name)


@dataclass(frozen=True)
class NamedTask:
    """A task that was read, its type, the files that it was read from, and a hash of all of them."""

    entry: TaskEntry
    task_type: TaskType
    task: Task
    files: Sequence[Path | HubSource]
    key: str

    def cut(self, max_train_examples: int | None, max_test_examples: int | None) -> "NamedTask":
        """The task with only its first examples of train and test; None keeps all.

        Raises:
            InputError: if a split is left with one answer only.
        """
        if max_train_examples is None and max_test_examples is None:
            return self
        task: Any = self.task
        cut = replace(task, train=task.train[:max_train_examples], test=task.test[:max_test_examples])
        limits = f"max_train_examples {max_train_examples}, max_test_examples {max_test_examples}"
        require_two_answers(f"{self.entry.name} with {limits}", cut.answers(), "raise the limit")
        # The cut is part of the key, or a run on fewer examples would pass for a finished run on all of them.
        return replace(self, task=cut, key=sha256_of_json([self.key, max_train_examples, max_test_examples]))


@cache
def task_table() -> dict[str, TaskEntry]:
    """All entries by name."""
    content = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    entries = {}
    for name, values in content["tasks"].items():
        source = content["sources"][values.pop("source")] if "source" in values else {}
        entries[name] = TaskEntry(name, **{**source, **values})
    return entries


def find_entry(name: str) -> TaskEntry:
    """The entry of a name; for an unknown one an `InputError` with the nearest known name."""
    table = task_table()
    if name in table:
        return table[name]
    known = [*table, *EMBEDDED_TASKS]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"{name!r} is not a task; it takes {', '.join(known)}, a folder or hub:NAME/DATA{hint}")


def read_named_task(name: str, data: Path | None) -> NamedTask:
    """The task of a name of the table (files in `data`, or data/tasks/NAME), an embedded one, a folder, or hub:..."""
    own = find_task_yaml(name) if name not in task_table() else None
    files: Sequence[Path | HubSource] = []
    if name in EMBEDDED_TASKS:
        entry, folder = TaskEntry(name), Path()
    elif own is not None:
        entry, folder, files = TaskEntry(own.name, own.task_type, options={"own": own}), own.folder, own.files
    else:
        entry, folder = _entry_and_folder(name, data)
        for path in folder.iterdir():
            refuse_special_file(path, "name a folder of the task's files")
        files = sorted(path for path in folder.resolve().iterdir() if path.is_file())
    # A recipe asks for its task at the start and again in two stages. The state of the files lets a process parse it
    # once and still notice a file that was changed in between.
    paths = [path for path in files if isinstance(path, Path)]
    state = (entry.name, name, *((path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths))
    if state not in _READ:
        task: Any = EMBEDDED_TASKS[name]() if name in EMBEDDED_TASKS else read_checked(entry, folder)
        options = entry.options if own is None else own.options
        # A data set of the Hub may be read without the Hub, from a cache that does not tell its commit.
        content: Any = {path.name: sha256_of_file(path) for path in paths} if own is None else _examples_of(task)
        key = sha256_of_json([entry.name, entry.type, options, content])
        _READ[state] = NamedTask(entry, TASK_TYPES[entry.type], task, files, key)
    return _READ[state]


def read_checked(entry: TaskEntry, folder: Path) -> Task:
    """The task of an entry from its files; an `InputError` for one answer only, or counts that are not the table's."""
    task: Task = TASK_TYPES[entry.type].read(folder, **entry.options)
    # Not the folder's name: results in two folders of one task must be comparable.
    task.name = entry.name
    require_two_answers(folder, task.answers())
    found = task.counts()
    # Other counts mean other files, whose scores cannot stand next to published ones.
    for what, split, number in _numbers(entry.counts):
        if found[what][split] != number:
            wrong = f"{split} contains {found[what][split]} {what}, but {entry.name} has {number}"
            raise InputError(f"{folder}: {wrong}; fetch it by `domain-bert get-task {entry.name}`")
    # The paper's counts are not enforced: it counts 4,244 diseases in BC5CDR's devel, whose file has 4,246.
    for what, split, number in _numbers(entry.published):
        if found[what][split] != number:
            contains = f"{split} of {entry.name} contains {found[what][split]} {what}"
            print(f"note: {contains}; the paper counts {number}", flush=True)
    return task


def _examples_of(task: Any) -> dict[str, list[dict[str, Any]]]:
    """Every example as JSON can have it."""
    sets = {split: [vars(example) for example in getattr(task, split)] for split in TASK_SPLITS}
    return {
        split: [{n: sorted(v) if isinstance(v, frozenset) else v for n, v in one.items()} for one in examples]
        for split, examples in sets.items()
    }


# Not functools.cache: an entry has dictionaries, which cannot be hashed.
_READ: dict[tuple, NamedTask] = {}


def _entry_and_folder(name: str, data: Path | None) -> tuple[TaskEntry, Path]:
    own = Path(os.path.expanduser(name))
    # A bare word that is not a folder is a misspelled name, not a path.
    if name not in task_table() and (own.is_dir() or own.name != name):
        entry, folder = TaskEntry(own.resolve().name), own
        remedy = f"name a folder with train.tsv, devel.tsv and test.tsv, or one with a {TASK_YAML}, or embedded:nero"
    else:
        entry, folder = find_entry(name), data or DATA / name
        remedy = f"fetch the task by `domain-bert get-task {name}`" if entry.url else entry.how_to_obtain
        remedy += ", or name the folder of its files by --data (task.data)"
    if not folder.is_dir():
        raise InputError(f"{folder}: is not a folder; {remedy}")
    return entry, folder


def _numbers(counts: Counts) -> list[tuple[str, str, int]]:
    return [(what, split, number) for what, splits in counts.items() for split, number in splits.items()]
