"""Records (JSON, Parquet, CSV, data sets of the Hub) -> documents: their fields by name, and texts that are lists."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from recipe.config import CorpusConfig
from recipe.corpus.document import RawDocument, paragraphs_of
from recipe.errors import InputError

_COLUMNS = ("text_column", "title_column", "id_column")
_MOST_NAMES = 40
_ABSENT = object()
_KINDS = {
    str: "a string",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


def document_of(record: Any, place: str, config: CorpusConfig, counts: Counter[str]) -> Iterator[RawDocument]:
    """The document of a record, if it has text; what has none is counted by its reason.

    A list is taken for sentences or for paragraphs by what is in it (`RawDocument`), a list of lists for paragraphs
    that are lists of sentences. Nulls in a list are left out and counted.

    Raises:
        InputError: if the record is not an object, a named field is absent, or the text is of another kind.
    """
    if record is None:
        counts["null_records"] += 1
        return
    if not isinstance(record, Mapping):
        raise InputError(f'{place}: contains {shown(record)}; write an object such as {{"text": ...}} in its place')
    text, title, id_ = (_value(record, name, place, config) for name in _COLUMNS)
    if text is None:
        counts["null_texts"] += 1
        return
    is_split: bool | None = False
    if isinstance(text, str):
        parts = paragraphs_of(text)
    elif isinstance(text, list):
        if not text:
            counts["empty_lists"] += 1
        strings, is_split = _strings_of(text, place, config, counts)
        parts = [folded for part in strings if (folded := " ".join(part.split()))]
    else:
        raise InputError(
            f"{place}: {config.text_column!r} is {shown(text)}, neither text nor a list of texts; set"
            f" corpus.text_column to another field{_fields_inside(text, config.text_column)}"
        )
    if parts:
        yield RawDocument(parts, place, _line(id_), _line(title), is_split)
    elif text != []:
        counts["documents_without_text"] += 1


def require_columns(names: Iterable[str], place: str, config: CorpusConfig) -> None:
    """Raise InputError if a column that the settings name is not there, nor one that may contain it."""
    names = list(names)
    for setting in _COLUMNS:
        wanted = getattr(config, setting)
        if wanted is not None and root_column(wanted, names) is None:
            raise InputError(_absent(wanted, setting, place, names))


def root_column(wanted: str, names: Iterable[str]) -> str | None:
    """The column in which a name stands: "body.text" itself or, if there is no such column, "body"; None if absent."""
    names = set(names)
    return next((name for name in _beginnings(wanted) if name in names), None)


def shown(value: Any) -> str:
    """What kind of value it is and how it begins, for messages."""
    kind = _KINDS.get(type(value), f"of the type {type(value).__name__}")
    return f"{kind} ({str(value)[:40]!r})"


def _value(record: Mapping[str, Any], setting: str, place: str, config: CorpusConfig) -> Any:
    """The field that a setting names, None if it names none; raises InputError if it is absent."""
    wanted = getattr(config, setting)
    if wanted is None:
        return None
    if wanted in record:
        return record[wanted]
    found = _find(record, wanted)
    if found is _ABSENT:
        raise InputError(_absent(wanted, setting, place, _names_of(record)))
    return found


def _find(value: Any, name: str) -> Any:
    """The value of a field by its name or, in objects inside the object, by the names on the way with dots."""
    if isinstance(value, list):
        # A list of objects stands for the list of their fields: "paragraphs.text".
        found = [None if element is None else _find(element, name) for element in value]
        is_absent = bool(value) and all(element is _ABSENT or element is None for element in found)
        return _ABSENT if is_absent else [None if element is _ABSENT else element for element in found]
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return _ABSENT
    # The longest name first: a field whose own name contains a dot wins.
    for beginning in _beginnings(name):
        if beginning in value:
            found = value[beginning]
            inside = found if beginning == name else _find(found, name[len(beginning) + 1 :])
            if inside is not _ABSENT:
                return inside
    return _ABSENT


def _beginnings(name: str) -> Iterator[str]:
    """The name, and what stands before each of its dots, the longest first."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _strings_of(
    values: list[Any], place: str, config: CorpusConfig, counts: Counter[str]
) -> tuple[list[str], bool | None]:
    """The strings of a list, and whether they are sentences; None if that is to be seen from them."""
    strings: list[str] = []
    is_split = None
    for number, value in enumerate(values, start=1):
        if isinstance(value, str):
            strings.append(value)
        elif value is None:
            counts["nulls_in_lists"] += 1
        elif isinstance(value, list) and all(isinstance(inner, str) or inner is None for inner in value):
            counts["nulls_in_lists"] += value.count(None)
            strings += [inner for inner in value if inner is not None]
            is_split = True
        else:
            raise InputError(
                f"{place}: element {number} of {config.text_column!r} is {shown(value)}, neither text nor null; set"
                f" corpus.text_column to another field{_fields_inside(value, config.text_column)}"
            )
    return strings, is_split


def _fields_inside(value: Any, name: str) -> str:
    inside = _names_of(value) if isinstance(value, Mapping) else []
    return f", such as {name}.{inside[0]}" if inside else ""


def _names_of(record: Mapping[str, Any]) -> list[str]:
    """The names of the fields, with those of objects inside."""
    names: list[str] = []
    for name, value in record.items():
        inner = value[0] if isinstance(value, list) and value else value
        names += [f"{name}.{below}" for below in _names_of(inner)] if isinstance(inner, Mapping) and inner else [name]
        if len(names) > _MOST_NAMES:
            break
    return names


def _absent(wanted: str, setting: str, place: str, names: list[str]) -> str:
    found = ", ".join(map(str, names[:_MOST_NAMES])) or "(there is none)"
    return f"{place}: there is no {wanted!r}; set corpus.{setting} to one of {found}"


def _line(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())
