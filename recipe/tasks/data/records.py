"""A split of a task as records: TSV, JSON, JSON lines or Parquet -> the values of each record by their names, with its
place in the file.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recipe.errors import InputError
from recipe.tasks.data.columns import lines_of

TASK_SPLITS = ("train", "devel", "test")
STEMS = {
    "train": ("train", "train_set"),
    "devel": ("dev", "devel", "validation", "dev_set"),
    "test": ("test", "test_set"),
}
# A line that has so many names of columns is a heading; text has none or, by chance, one.
LEAST_NAMES = 2


@dataclass(frozen=True)
class Column:
    """A value of a record: its name here, and the names that files give it, in small letters and digits only;
    `is_needed`: a record without it is refused.
    """

    name: str
    aliases: tuple[str, ...]
    is_needed: bool = True


@dataclass(frozen=True)
class Record:
    """Values by the columns' names, and where they stand, such as "test.tsv, line 3"."""

    place: str
    values: dict[str, Any]

    def text(self, name: str) -> str:
        """A value as text, with one space between words; parts of a list are joined.

        Raises:
            InputError: if there is no text, or it cannot be written as UTF-8.
        """
        value = self.values[name]
        parts = value if isinstance(value, list) else [value]
        joined = " ".join(" ".join(map(str, parts)).split())
        if not joined or not all(isinstance(part, (str, int, float)) for part in parts):
            raise InputError(f"{self.place}: {name} is no text ({str(value)[:60]!r}); every record needs one")
        try:
            joined.encode()
        except UnicodeEncodeError:
            raise InputError(
                f"{self.place}: {name} holds half a character (a lone surrogate); correct its escape sequences"
            ) from None
        return joined


def find_split(folder: Path, split: str) -> Path:
    """The file of a split, such as dev.tsv.

    Raises:
        InputError: if there is no such file, or more than one.
    """
    found = [
        folder / f"{stem}{ending}"
        for stem in STEMS[split]
        for ending in READERS
        if (folder / f"{stem}{ending}").is_file()
    ]
    if not found:
        raise InputError(
            f"{folder / STEMS[split][0]}.tsv: is missing; a task has one file for each of train, dev and test, as"
            f" {', '.join(READERS)}"
        )
    if len(found) > 1:
        raise InputError(f"{folder}: holds {found[0].name} and {found[1].name}, which are one split; keep one of them")
    return found[0]


def read_records(path: Path, columns: Sequence[Column]) -> tuple[list[Record], int]:
    """The records of a file, and how many fields of a TSV stood in quotes, which were taken off ("a ""b"" c" becomes a
    "b" c).

    A TSV has the columns in the given order, or a heading that names them. JSON is a list of objects, an object of
    objects (its keys become the first column that files call "id"), or one object per line.

    Raises:
        InputError: with file and line (or entry), for what cannot be read, or a record without a value that is needed.
    """
    return READERS[path.suffix](path, columns)


def _from_tsv(path: Path, columns: Sequence[Column]) -> tuple[list[Record], int]:
    lines = [(number, line) for number, line in enumerate(lines_of(path), start=1) if line.strip()]
    heading = _heading(lines[0][1].split("\t"), columns) if lines else None
    order = heading or [column.name for column in columns]
    records, unquoted = [], 0
    for number, line in lines[heading is not None :]:
        cells = line.split("\t")
        if len(cells) != len(order):
            named = ", ".join(name or "?" for name in order)
            raise InputError(
                f"{path}, line {number}: {line[:60]!r} has {len(cells)} columns instead of {len(order)} ({named});"
                " part them by single tabs"
            )
        plain = [_unquoted(cell) for cell in cells]
        unquoted += sum(found != cell for found, cell in zip(plain, cells, strict=True))
        records.append(
            Record(f"{path}, line {number}", {name: cell for name, cell in zip(order, plain, strict=True) if name})
        )
    return records, unquoted


def _heading(cells: Sequence[str], columns: Sequence[Column]) -> list[str] | None:
    """The columns' names in the order of a heading ("" for an unknown one), in the given order if it names too few;
    None for cells that are no heading.
    """
    if _names(cells, columns) < LEAST_NAMES:
        return None
    order = [next((column.name for column in columns if _plain(cell) in column.aliases), "") for cell in cells]
    is_whole = all(order.count(column.name) == 1 for column in columns if column.is_needed)
    return order if is_whole else [column.name for column in columns]


def _names(cells: Sequence[str], columns: Sequence[Column]) -> int:
    return sum(any(_plain(cell) in column.aliases for cell in cells) for column in columns)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _unquoted(cell: str) -> str:
    """What Python's csv module would read, where it would have quoted the cell; other quotes are part of the text."""
    inner = cell[1:-1]
    is_quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if is_quoted else cell


def _from_json(path: Path, columns: Sequence[Column]) -> tuple[list[Record], int]:
    lines = lines_of(path)
    try:
        content = json.loads("\n".join(lines))
    except (ValueError, RecursionError):
        return _from_json_lines(path, columns)
    if isinstance(content, dict) and content and all(isinstance(value, dict) for value in content.values()):
        content = [{"id": name, **value} for name, value in content.items()]
    entries = content if isinstance(content, list) else [content]
    return [_named(entry, f"{path}, entry {number}", columns) for number, entry in enumerate(entries, start=1)], 0


def _from_json_lines(path: Path, columns: Sequence[Column]) -> tuple[list[Record], int]:
    return [_named(entry, place, columns) for place, entry in _json_lines(path)], 0


def _json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(lines_of(path), start=1):
        if line.strip():
            place = f"{path}, line {number}"
            try:
                yield place, json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(
                    f"{place}: is no JSON ({str(error)[:80]}); write one list of objects, or one object per line"
                ) from None


def _from_parquet(path: Path, columns: Sequence[Column]) -> tuple[list[Record], int]:
    try:
        rows = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(
            f"{path}: is no whole Parquet file ({' '.join(str(error).split())[:100]}); fetch it again"
        ) from None
    return [_named(row, f"{path}, row {number}", columns) for number, row in enumerate(rows, start=1)], 0


def _named(entry: Any, place: str, columns: Sequence[Column]) -> Record:
    """The values of an object by the columns' names; of several aliases the first one counts."""
    if not isinstance(entry, dict):
        raise InputError(f"{place}: {str(entry)[:60]!r} is no object with names; write one for each record")
    by_name = {_plain(name): value for name, value in entry.items()}
    values = {}
    for column in columns:
        alias = next((alias for alias in column.aliases if alias in by_name), None)
        if alias is not None:
            values[column.name] = by_name[alias]
        elif column.is_needed:
            found = " ".join(", ".join(entry).split())[:80] or "nothing"
            raise InputError(f"{place}: has no {column.name} (it has {found}); name it {' or '.join(column.aliases)}")
    return Record(place, values)


READERS = {".tsv": _from_tsv, ".json": _from_json, ".jsonl": _from_json_lines, ".parquet": _from_parquet}
