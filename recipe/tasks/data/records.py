"""A split of a task (TSV, JSON, JSON lines, Parquet) -> records: values by their names, and the place in the file."""

import csv
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
# BLURB's scripts write dev.tsv, the Hub has validation, and PubMedQA's own files are dev_set.json and so on.
DEVEL_STEMS = ("dev", "devel", "validation", "dev_set")
STEMS = {"train": ("train", "train_set"), "devel": DEVEL_STEMS, "test": ("test", "test_set")}
# Of tasks without a task.yaml.
ENDINGS = (".tsv", ".json", ".jsonl", ".parquet")
# A line that has so many names of columns is a heading; text contains none or, by chance, one.
LEAST_NAMES = 2


@dataclass(frozen=True)
class Column:
    """A value of a record, its names in files (small letters and digits only), and whether every record needs it."""

    name: str
    aliases: tuple[str, ...]
    is_needed: bool = True


@dataclass(frozen=True)
class Record:
    """Values by the columns' names, and where they are, such as "test.tsv, line 3"."""

    place: str
    values: dict[str, Any]

    def text(self, name: str) -> str:
        """A value as text, with one space between words; parts of a list are joined."""
        value = self.values[name]
        # PubMedQA's contexts are a list of paragraphs.
        parts = value if isinstance(value, list) else [value]
        # One line, since a text is one column of a predictions file.
        joined = " ".join(" ".join(map(str, parts)).split())
        if not joined or not all(isinstance(part, (str, int, float)) for part in parts):
            raise InputError(f"{self.place}: {name} is not text ({str(value)[:60]!r}); every record needs some")
        try:
            joined.encode()
        except UnicodeEncodeError:
            problem = "contains half a character (a lone surrogate)"
            raise InputError(f"{self.place}: {name} {problem}; correct its escape sequences") from None
        return joined


def find_split(folder: Path, split: str, endings: Sequence[str] = ENDINGS, remedy: str = "") -> Path:
    """The file of a split, such as dev.tsv; none or more than one is an `InputError`, of which `remedy` is the end."""
    names = [folder / f"{stem}{ending}" for stem in STEMS[split] for ending in endings]
    found = [path for path in names if path.is_file()]
    if not found:
        needed = f"a task has one file for each of train, dev and test, as {', '.join(endings)}"
        raise InputError(f"{folder / STEMS[split][0]}{endings[0]}: is missing; {needed}{remedy}")
    if len(found) > 1:
        raise InputError(f"{folder}: {found[0].name} and {found[1].name} are one split; keep one of them")
    return found[0]


def read_records(path: Path, columns: Sequence[Column]) -> tuple[list[Record], int]:
    """The records of a file, and how many fields of a TSV were in quotes, which were taken off.

    A TSV has the columns in the given order, or a heading that names them. JSON is a list of objects, an object of
    objects (its keys become the first column that files call "id"), or one object per line.
    """
    if path.suffix == ".tsv":
        return _from_tsv(path, columns)
    return [_named(entry, place, columns) for place, entry in read_entries(path)], 0


def read_entries(path: Path) -> Iterator[tuple[str, Any]]:
    """Place and values of each record by the names in the file: a heading's in CSV and TSV, else those of objects."""
    return _ENTRIES[path.suffix](path)


def _from_tsv(path: Path, columns: Sequence[Column]) -> tuple[list[Record], int]:
    lines = [(number, line) for number, line in enumerate(lines_of(path), start=1) if line.strip()]
    heading = _heading(lines[0][1].split("\t"), columns) if lines else None
    order = heading or [column.name for column in columns]
    records, unquoted = [], 0
    for number, line in lines[heading is not None :]:
        cells = line.split("\t")
        if len(cells) != len(order):
            named = ", ".join(name or "?" for name in order)
            count = f"has {len(cells)} columns instead of {len(order)} ({named})"
            raise InputError(f"{path}, line {number}: {line[:60]!r} {count}; separate them by single tabs")
        plain = [_unquoted(cell) for cell in cells]
        unquoted += sum(found != cell for found, cell in zip(plain, cells, strict=True))
        values = {name: cell for name, cell in zip(order, plain, strict=True) if name}
        records.append(Record(f"{path}, line {number}", values))
    return records, unquoted


def _heading(cells: Sequence[str], columns: Sequence[Column]) -> list[str] | None:
    """The columns' names in the order of a heading, "" for an unknown one; None for cells that are not a heading."""
    if sum(any(_plain(cell) in column.aliases for cell in cells) for column in columns) < LEAST_NAMES:
        return None
    order = [next((column.name for column in columns if _plain(cell) in column.aliases), "") for cell in cells]
    # A heading that names too few is taken for one of the given order in words of its own.
    is_complete = all(order.count(column.name) == 1 for column in columns if column.is_needed)
    return order if is_complete else [column.name for column in columns]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _unquoted(cell: str) -> str:
    """A cell without the quotes of Python's csv module ("a ""b"" c" is a "b" c); other quotes are part of the text."""
    # Some of BLURB's scripts write through that module and others do not, so both forms of one file are around.
    inner = cell[1:-1]
    is_quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if is_quoted else cell


def _json_entries(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        content = json.loads("\n".join(lines_of(path)))
    except (ValueError, RecursionError):
        # JSON of one object per line is not one JSON text.
        yield from _json_lines_entries(path)
        return
    # PubMedQA's own form: an object whose keys are the ids of its records.
    if isinstance(content, dict) and content and all(isinstance(value, dict) for value in content.values()):
        content = [{"id": name, **value} for name, value in content.items()]
    entries = content if isinstance(content, list) else [content]
    yield from ((f"{path}, entry {number}", entry) for number, entry in enumerate(entries, start=1))


def _json_lines_entries(path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(lines_of(path), start=1):
        if line.strip():
            place = f"{path}, line {number}"
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError) as error:
                remedy = "write one list of objects, or one object per line"
                raise InputError(f"{place}: is not JSON ({str(error)[:80]}); {remedy}") from None
            yield place, entry


def _parquet_entries(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        rows = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:100]
        raise InputError(f"{path}: is not a complete Parquet file ({reason}); fetch it again") from None
    yield from ((f"{path}, row {number}", row) for number, row in enumerate(rows, start=1))


def _table_entries(path: Path) -> Iterator[tuple[str, Any]]:
    """CSV or TSV with a heading; a CSV by the comma, semicolon or tab that gives its heading most columns."""
    lines = [f"{line}\n" for line in lines_of(path)]
    heading = lines[0]
    delimiter = "\t" if path.suffix == ".tsv" else max(",;\t", key=heading.count)
    # No cell of a TSV goes over its line: GLUE's have single quotes in their texts, which would swallow the lines
    # up to the next one.
    in_quotes = csv.reader(lines, delimiter=delimiter, strict=True)
    csv.field_size_limit(2**31 - 1)  # a cell may be a document; the default is 131,072 characters
    plain = ([_unquoted(cell) for cell in line.rstrip("\n").split("\t")] for line in lines)
    rows: Iterator[list[str]] = plain if path.suffix == ".tsv" else in_quotes
    number = 0
    try:
        names, number = [name.strip() for name in next(rows)], 1
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise InputError(f"{path}, line 1: the heading has {twice!r} twice; rename one of the two columns")
        for cells in rows:
            # A row is named by its first line; the reader has read its last one.
            place, number = f"{path}, line {number + 1}", number + 1 if rows is plain else in_quotes.line_num
            if not any(cells):
                continue
            if len(cells) != len(names):
                remedy = f"put quotes around a cell with {delimiter!r}" if rows is in_quotes else "use single tabs"
                has = f"has {len(cells)} cells, but the heading names {len(names)} ({', '.join(names)[:80]})"
                raise InputError(f"{place}: {has}; {remedy}")
            yield place, dict(zip(names, cells, strict=True))
    except csv.Error as error:
        raise InputError(f"{path}, line {number + 1}: is not a row of CSV ({error}); mend its quotes") from None


def _named(entry: Any, place: str, columns: Sequence[Column]) -> Record:
    """The values of an object by the columns' names; of several aliases the first one counts."""
    if not isinstance(entry, dict):
        raise InputError(f"{place}: {str(entry)[:60]!r} is not an object with names; write one for each record")
    by_name = {_plain(name): value for name, value in entry.items()}
    values = {}
    for column in columns:
        # The first one counts, so a list of aliases is an order of preference.
        alias = next((alias for alias in column.aliases if alias in by_name), None)
        if alias is not None:
            values[column.name] = by_name[alias]
        elif column.is_needed:
            found = " ".join(", ".join(entry).split())[:80] or "nothing"
            raise InputError(f"{place}: has no {column.name} (it has {found}); name it {' or '.join(column.aliases)}")
    return Record(place, values)


_ENTRIES = {
    ".csv": _table_entries,
    ".tsv": _table_entries,
    ".json": _json_entries,
    ".jsonl": _json_lines_entries,
    ".parquet": _parquet_entries,
}
