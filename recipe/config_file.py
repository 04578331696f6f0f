"""YAML + `--section.key=value` -> `Recipe`, with the nearest known key where one is unknown."""

import dataclasses
import types
import typing
from dataclasses import fields
from pathlib import Path
from typing import Any

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.inputs.options import nearest_name
from recipe.inputs.regular_files import refuse_special_file
from recipe.inputs.strict_yaml import compose, value_of

# Bytes. A recipe with every key and its comment has 20,000.
_LARGEST = 300_000


def load_recipe(path: str | Path, overrides: dict[str, str] | None = None) -> Recipe:
    """Read a YAML file and put `overrides` ("section.key" -> text) over it.

    Raises:
        InputError: for an unreadable file, an unknown key (with the nearest known one), a key twice, a value of the
            wrong kind or out of range.
    """
    node = compose(_read(Path(path)), str(path))
    values, texts = (_flatten(_mapping(value_of(node, as_text), str(path)), str(path)) for as_text in (False, True))
    # Of a key that takes text what was written: a folder 017 or 1.50 is no number.
    values |= {
        place: texts[place] for place, config_field in known_keys().items() if place in texts and is_text(config_field)
    }
    for place, written in (overrides or {}).items():
        config_field = known_keys().get(place)
        as_text = config_field is not None and is_text(config_field)
        values[place] = (yaml_value(written, f"--{place}", as_text), f"--{place}")
    return build_recipe(values)


def yaml_value(text: str, source: str, as_text: bool = False) -> Any:
    """One value written as YAML, in our rules: 5e-5 is a number; no, off, 017 and 1:30 are texts."""
    return value_of(compose(text, f"{source} {shortened(text)}"), as_text)


def is_text(config_field: dataclasses.Field) -> bool:
    """Whether a key takes text, or a list of texts."""
    return str in {config_field.type, *typing.get_args(config_field.type)}


def known_keys() -> dict[str, dataclasses.Field]:
    """Every key of a recipe in its order, with the field behind it."""
    return {place: config_field for place, config_field, _ in Recipe().entries()}


def nearest_key_hint(unknown: str) -> str:
    """A hint such as "; did you mean pairs.max_seq_length?", or where to find the list."""
    names = [*known_keys(), *sorted({place.split(".")[0] for place in known_keys() if "." in place})]
    near = nearest_name(unknown, names)
    return f"; did you mean {near}?" if near else "; --help lists the known keys"


def _read(path: Path) -> str:
    refuse_special_file(path, "name a recipe such as configs/demo.yaml")
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read ({reason}); name a recipe such as configs/demo.yaml") from None
    if len(content) > _LARGEST:
        raise InputError(f"{path}: is larger than {_LARGEST:,} bytes, so it is not a recipe; is it the corpus?")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path}: is UTF-16; save it as UTF-8, such as by iconv -f utf-16 -t utf-8")
    if b"\0" in content:
        raise InputError(
            f"{path}: contains zero bytes, so it is not text in UTF-8; name a recipe, or save it as UTF-8"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: is not UTF-8 ({error.reason}); a recipe is text") from None


def _mapping(content: Any, source: str) -> dict:
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(
            f"{source}: holds {'a list' if isinstance(content, list) else shortened(content)}; a recipe has sections"
            " such as `corpus:` with keys below them, and a blank after each colon"
        )
    return content


def _flatten(content: dict, source: str) -> dict[str, tuple[Any, str]]:
    sections = {top.name for top in fields(Recipe) if dataclasses.is_dataclass(top.default_factory)}
    flat: dict[str, tuple[Any, str]] = {}
    for name, value in content.items():
        if name in sections and isinstance(value, dict):
            entries = {f"{name}.{inner}": (inner_value, source) for inner, inner_value in value.items()}
        elif name in sections and value is not None:
            raise InputError(f"{source}: section {name} holds {shortened(value)}; put its keys below it, indented")
        else:
            entries = {} if name in sections else {str(name): (value, source)}
        # pairs.num_proc at the top and num_proc below pairs are one key.
        if twice := sorted(flat.keys() & entries.keys()):
            raise InputError(f"{source}: {twice[0]} is given twice; remove one of the two")
        flat |= entries
    return flat


def build_recipe(values: dict[str, tuple[Any, str]]) -> Recipe:
    """The recipe of values by key, each with the name of its source for messages.

    Raises:
        InputError: for an unknown key, a value of the wrong kind or out of range.
    """
    # All values by key first, then the dataclasses: so a file and a command line are merged before anything is
    # checked.
    known = known_keys()
    sections: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {}
    for place, (value, source) in values.items():
        if place not in known:
            raise InputError(f"{source}: unknown key {place}{nearest_key_hint(place)}")
        section, _, name = place.rpartition(".")
        (sections.setdefault(section, {}) if section else top)[name or place] = coerce(
            value, known[place], f"{source}: {place}"
        )
    types_of = typing.get_type_hints(Recipe)
    made = {section: types_of[section](**entries) for section, entries in sections.items()}
    return Recipe(**top, **made, written=frozenset(values))


def coerce(value: Any, config_field: dataclasses.Field, place: str) -> Any:
    """The value in the type of a config field; one value is a list of one where a list is wanted.

    Numbers may also stand with commas between them: 1,2,3.
    """
    wanted: Any = config_field.type
    if isinstance(wanted, types.UnionType):
        if value is None:
            return None
        wanted = next(option for option in typing.get_args(wanted) if option is not type(None))
    if typing.get_origin(wanted) is list:
        (inner,) = typing.get_args(wanted)
        # On a command line brackets want quotes. A path may contain a comma.
        if isinstance(value, str) and "," in value and inner is not str:
            value = yaml_value(f"[{value}]", place)
        return [_coerce_one(entry, inner, place) for entry in (value if isinstance(value, list) else [value])]
    return _coerce_one(value, wanted, place)


def _coerce_one(value: Any, wanted: type, place: str) -> Any:
    if wanted is str and not isinstance(value, (dict, list, type(None))):
        return _checked_text(str(value).lower() if isinstance(value, bool) else str(value), place)
    if wanted is bool and isinstance(value, bool):
        return value
    if wanted is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if abs(value) < 1e308 else float("inf")
    # An infinite number cannot become an int.
    if wanted is int and isinstance(value, (int, float)) and not isinstance(value, bool) and value % 1 == 0:
        return int(value)
    named = {str: "text", bool: "true or false", float: "a number", int: "a whole number"}[wanted]
    raise InputError(f"{place} is {shortened(value)}; it takes {named}")


def _checked_text(text: str, place: str) -> str:
    # No path and no name contains them, and what does cannot be opened, written or shown in one line.
    if any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in text):
        raise InputError(f"{place} is {shortened(text)}; it contains a control character, take it out")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f"{place} is {shortened(text)}; it is not UTF-8, give it another name") from None
    return text


def shortened(value: Any) -> str:
    """How a value is written, cut after 80 characters."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value[:200] if isinstance(value, (str, list)) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."
