"""The files or the data set of a `TaskYaml` -> the records of each split, their values by the roles of columns."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from recipe.corpus.readers.hub_dataset import explain_failure
from recipe.errors import InputError
from recipe.tasks.data.records import STEMS, Record, read_entries
from recipe.tasks.own.task_yaml import COLUMNS, TaskYaml, source_of

# Place and values of a row.
Entry = tuple[str, Any]
_NO_LABEL = "has no {role}; where a split has none, split one off train, such as `{split}: 0.1` in `splits`"


def read_splits(own: TaskYaml) -> dict[str, list[Record]]:
    """The records of each split that is in a file or a split of the Hub, by the roles of `COLUMNS` and "id".

    Raises:
        InputError: for a file or data set that cannot be read, a missing column or value; it names the row.
    """
    if own.source is None:
        entries = {split: _file_entries(own.file_of(split)) for split in own.named_splits}
    else:
        entries = _hub_entries(own)
    found = {}
    for split, of_split in entries.items():
        found[split] = [_record(own, split, place, entry) for place, entry in of_split]
        if not found[split]:
            raise InputError(f"{own.place}: {split} contains no row; name another file or split in `splits`")
    return found


def split_by_share(records: list[Record], shares: dict[str, float], roles: Iterable[str]) -> dict[str, list[Record]]:
    """Rows of train -> train, and the splits that are a share of it; equal texts are in one split.

    Args:
        shares: by split, 0..1, together less than 1.
        roles: of the values that are the text.
    """
    # By a hash of the text and not by chance or place: a row stays in its split when rows are added, a file that is
    # sorted by its labels is shared evenly, and a text that is there twice cannot be in train and in test.
    found: dict[str, list[Record]] = {"train": [], **{split: [] for split in shares}}
    for record in records:
        text = json.dumps([record.values[role] for role in roles])
        place, chosen = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64, "train"
        for split, share in shares.items():
            if 0 <= place < share:
                chosen = split
            place -= share
        found[chosen].append(record)
    return found


def _record(own: TaskYaml, split: str, place: str, entry: Any) -> Record:
    if not isinstance(entry, dict):
        raise InputError(f"{place}: {str(entry)[:60]!r} is not an object with names; write one for each row")
    values: dict[str, Any] = {}
    for role, defaults in {"id": ("id",), **COLUMNS[own.type]}.items():
        named = own.columns.get(role)
        if isinstance(named, list):
            values[role] = {column: _cell(own, place, entry, role, column) for column in named}
            continue
        column = named or next((name for name in defaults if name in entry), None)
        if role == "id" and column is None:
            continue
        values[role] = _cell(own, place, entry, role, column or defaults[0])
        # No label at all is an answer of "multilabel", if it is written: as an empty list or cell.
        is_missing = values[role] is None or (values[role] == "" and own.type != "multilabel")
        if is_missing and role in ("label", "score", "tags"):
            raise InputError(f"{place}: {_NO_LABEL.format(role=role, split=split)}")
    return Record(place, values)


def _cell(own: TaskYaml, place: str, entry: dict[str, Any], role: str, column: str) -> Any:
    if column not in entry:
        has = " ".join(", ".join(map(str, entry)).split())[:200] or "none"
        raise InputError(f"{place}: has no column {column!r} (it has {has}); name it by columns.{role} in {own.place}")
    value = entry[column]
    # NaN is what tables have where nothing was written.
    return None if value != value else value


def _file_entries(path: Path) -> Iterator[Entry]:
    if path.suffix != ".parquet":
        yield from read_entries(path)
        return
    entries = list(read_entries(path))
    # Files of `datasets` keep the names of classes next to the columns.
    known = json.loads((pq.read_schema(path).metadata or {}).get(b"huggingface", b"{}"))
    yield from _with_names(entries, known.get("info", {}).get("features", {}))


def _hub_entries(own: TaskYaml) -> dict[str, Iterator[Entry]]:
    # Not at the top: importing it takes seconds.
    import datasets

    name, options = source_of(own.source or "")
    with explain_failure(f"{own.place}: {own.source}"):
        # Kept in the cache of `datasets`, so a second run needs no network.
        found = datasets.load_dataset(name, options.get("name"), revision=options.get("revision"))
    entries = {}
    for split in own.named_splits:
        wanted = [str(own.splits[split])] if split in own.splits else [*STEMS[split]]
        chosen = next((name for name in wanted if name in found), None)
        if chosen is None:
            offer = "" if split == "train" else f", or a share of train, such as `{split}: 0.1`"
            has = f"has no split {wanted[-1]!r} (it has {', '.join(found)})"
            raise InputError(f"{own.place}: {own.source} {has}; name one by splits.{split}{offer}")
        rows = ((f"{own.source}, {chosen} row {number}", row) for number, row in enumerate(found[chosen], start=1))
        entries[split] = _with_names(rows, found[chosen].features.to_dict())
    return entries


def _with_names(entries: Iterable[Entry], features: dict[str, Any]) -> Iterator[Entry]:
    """Rows with the names of their classes instead of numbers; -1, the Hub's mark for no label, becomes None."""
    classes = {column: names for column, feature in features.items() if (names := _class_names(feature))}
    for place, entry in entries:
        named = {column: _named(entry[column], names) for column, names in classes.items() if column in entry}
        yield place, {**entry, **named}


def _class_names(feature: Any) -> list[str] | None:
    """The names of a ClassLabel, or of a list of them, as `datasets` writes features."""
    inner = feature[0] if isinstance(feature, list) and feature else feature
    inner = inner.get("feature", inner) if isinstance(inner, dict) else inner
    return inner.get("names") if isinstance(inner, dict) and inner.get("_type") == "ClassLabel" else None


def _named(value: Any, names: list[str]) -> Any:
    if isinstance(value, list):
        return [_named(one, names) for one in value]
    return value if not isinstance(value, int) else names[value] if 0 <= value < len(names) else None
