"""The files of a task -> its sentences, in every form that tasks are read from."""

import csv
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recipe.errors import InputError
from recipe.inputs.regular_files import refuse_special_file
from recipe.inputs.strict_yaml import compose, value_of

HELD_OUT = ("devel.tsv", "dev.tsv", "test.tsv")
# Read of a folder of files without a task.yaml, and of one with it.
_SUFFIXES = (".tsv", ".txt", ".jsonl")
_OWN_SUFFIXES = (*_SUFFIXES, ".csv", ".json", ".parquet", ".conll", ".iob", ".iob2", ".bio")
_OWN_HELD_OUT = {"dev", "devel", "validation", "dev_set", "test", "test_set"}
TASK_YAML = "task.yaml"


def task_files(paths: list[str]) -> list[Path]:
    """The files that contain task sentences; raises InputError for a path that leads to none."""
    return [file for entry in paths for file in _files_of(Path(os.path.expanduser(entry)), entry)]


def sentences_of(paths: list[str]) -> Iterator[str]:
    """Every sentence of the files that `task_files` gives.

    Raises:
        InputError: for a file that cannot be read.
    """
    for entry in paths:
        path = Path(os.path.expanduser(entry))
        # A form that only a task.yaml can have is read so only next to one: otherwise the sentences of a folder, and
        # with them a corpus that was prepared, would be others than before.
        is_own = (path / TASK_YAML).is_file()
        for file in _files_of(path, entry):
            yield from _texts_of(_rows_of(file)) if file.suffix == ".parquet" else _sentences_of(file, is_own)


def _files_of(path: Path, entry: str) -> list[Path]:
    refuse_special_file(path, "name a task's folder or its files")
    if (path / TASK_YAML).is_file():
        return _files_of_own_task(path)
    inside = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES)
    if not inside:
        raise InputError(
            f"corpus.decontaminate: {entry} leads to no file; name a task's folder, or files that end in"
            f" {', '.join(_SUFFIXES)}"
        )
    for file in inside:
        refuse_special_file(file, "name a task's folder or its files")
    # Of a folder with splits only those held out: its training sentences may be in the corpus.
    return [file for file in inside if file.name in HELD_OUT] or inside


def _rows_of(path: Path) -> list[Any]:
    try:
        return pq.read_table(path).to_pylist()  # type: ignore[no-any-return]
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"corpus.decontaminate: {path} cannot be read as Parquet ({error})") from None


def _sentences_of(path: Path, is_own: bool) -> Iterator[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"corpus.decontaminate: {path} cannot be read as UTF-8 text ({error})") from None
    if path.suffix == ".jsonl" or (is_own and path.suffix == ".json"):
        for record in _records(lines, path):
            values = record.values() if isinstance(record, dict) else [record]
            # Next to a task.yaml the words of lists are read too.
            yield from (text for one in values if is_own or isinstance(one, str) for text in _texts_of(one))
    elif is_own and path.suffix in (".csv", ".tsv"):
        yield from (*_cells(lines, path), *_sentences_of_columns(lines))
    elif path.suffix == ".tsv" or (is_own and path.suffix != ".txt"):
        yield from _sentences_of_columns(lines)
    else:
        yield from lines


def _files_of_own_task(folder: Path) -> list[Path]:
    """The files of devel and test, by the task.yaml; that of train where they are a share of it.

    The keys are checked where the task is read (recipe/tasks/own), which the corpus knows nothing of.
    """
    place = folder / TASK_YAML
    values = value_of(compose(place.read_text(encoding="utf-8-sig", errors="replace"), str(place)), as_text=True)
    values = values if isinstance(values, dict) else {}
    if "source" in values:
        why = f"takes its rows from {values['source']}, which decontamination does not read"
        raise InputError(f"corpus.decontaminate: {place} {why}; save devel and test as Parquet and name these files")
    splits = values.get("splits")
    splits = splits if isinstance(splits, dict) else {}
    inside = sorted(file for file in folder.iterdir() if file.suffix in _OWN_SUFFIXES)
    is_share = any(_is_number(splits.get(split)) for split in ("devel", "test"))
    names = [splits[split] for split in ("devel", "test") if split in splits and not _is_number(splits[split])]
    held_out = [file for file in inside if file.stem in _OWN_HELD_OUT] + [folder / str(name) for name in names]
    if is_share:
        train = splits.get("train")
        held_out += [folder / str(train)] if train else [file for file in inside if file.stem.startswith("train")]
    files = sorted({*held_out}) or inside
    if missing := next((file for file in files if not file.is_file()), None) or (not files and place):
        raise InputError(f"corpus.decontaminate: {missing}: leads to no file of a task; correct {place}")
    return files


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _cells(lines: list[str], path: Path) -> Iterator[str]:
    """The cells of a table that are texts."""
    if path.suffix == ".csv":
        csv.field_size_limit(2**31 - 1)
        rows: Iterable[list[str]] = csv.reader(
            [f"{line}\n" for line in lines], delimiter=max(",;\t", key=lines[0].count)
        )
    else:
        rows = (line.split("\t") for line in lines)
    # A word or an id has no space; of a text the lines are compared alone.
    yield from (part for row in rows for cell in row if " " in cell for part in cell.split("\n"))


def _texts_of(value: Any) -> Iterator[str]:
    """Every text of a value from JSON or Parquet, its lines apart; a list of texts is also one of words."""
    if isinstance(value, str):
        yield from value.split("\n")
    elif isinstance(value, dict):
        yield from (text for inner in value.values() for text in _texts_of(inner))
    elif isinstance(value, list):
        if value and all(isinstance(one, str) for one in value):
            yield " ".join(value)
        yield from (text for inner in value for text in _texts_of(inner))


def _sentences_of_columns(lines: list[str]) -> Iterator[str]:
    """A word per line, before the first tab; a blank line after a sentence."""
    words: list[str] = []
    for line in [*lines, ""]:
        word = line.split("\t")[0].strip()
        if word:
            words.append(word)
        elif words:
            yield " ".join(words)
            words = []


def _records(lines: list[str], path: Path) -> Iterator[Any]:
    """The objects of a file: one in each line or, where its name ends in .json, one list or object of them."""
    if path.suffix == ".json":
        try:
            content = json.loads("\n".join(lines))
        except json.JSONDecodeError:
            pass  # one object per line after all
        else:
            yield from content if isinstance(content, list) else [content]
            return
    for number, line in enumerate(lines, start=1):
        try:
            yield json.loads(line) if line.strip() else {}
        except json.JSONDecodeError as error:
            raise InputError(f"corpus.decontaminate: {path}:{number}: is not JSON ({error})") from None
