"""YAML + `--section.key=value` -> `Recipe`, with the nearest known key where one is unknown."""

import dataclasses
import difflib
import re
import types
import typing
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from recipe.config import Recipe
from recipe.errors import InputError


def load_recipe(path: str | Path, overrides: dict[str, str] | None = None) -> Recipe:
    """Read a YAML file and put `overrides` ("section.key" -> text) over it.

    Raises:
        InputError: for an unreadable file, an unknown key (with the nearest known one), a value of the wrong kind or
            out of range.
    """
    values = _flatten(_read_yaml(Path(path)), str(path))
    for place, text in (overrides or {}).items():
        values[place] = (yaml_value(text, f"--{place}"), f"--{place}")
    return build_recipe(values)


def yaml_value(text: str, source: str) -> Any:
    """One value written as YAML, in the rules of YAML 1.2: 5e-5 is a number, no and off are strings."""
    try:
        return yaml.load(text, Loader=_PlainLoader)
    except yaml.YAMLError as error:
        raise InputError(f"{source}: {text!r} is not a YAML value ({_first_line(error)})") from None


def known_keys() -> dict[str, dataclasses.Field]:
    """Every key of a recipe in its order, with the field behind it."""
    return {place: config_field for place, config_field, _ in Recipe().entries()}


def nearest_key_hint(unknown: str) -> str:
    """A hint such as "; did you mean pairs.max_seq_length?", or where to find the list."""
    # First the whole key; then its last part, for those who name the wrong section or none.
    names = list(known_keys())
    last_parts = {name.split(".")[-1]: name for name in names}
    near = difflib.get_close_matches(unknown, names, 1, 0.7)
    if not near:
        near = [last_parts[name] for name in difflib.get_close_matches(unknown.split(".")[-1], last_parts, 1, 0.7)]
    return f"; did you mean {near[0]}?" if near else "; --help lists the known keys"


class _PlainLoader(yaml.SafeLoader):
    """YAML 1.1's surprises taken out: only true and false are booleans, and 5e-5 is a number."""


# PyYAML reads YAML 1.1, where 5e-5 is text and `no` is false.
_PlainLoader.yaml_implicit_resolvers = {
    letter: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float")
    ]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:[0-9][0-9_]*\.[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+)$"
    ),
    list("-+.0123456789"),
)


def _read_yaml(path: Path) -> dict:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_PlainLoader)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); name a recipe such as configs/demo.yaml"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: is not YAML ({_first_line(error)})") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: holds a {type(content).__name__}; a recipe has sections such as `corpus:` with keys below them"
        )
    return content


def _flatten(content: dict, source: str) -> dict[str, tuple[Any, str]]:
    sections = {top.name for top in fields(Recipe) if dataclasses.is_dataclass(top.default_factory)}
    flat: dict[str, tuple[Any, str]] = {}
    for name, value in content.items():
        if name in sections and isinstance(value, dict):
            flat |= {f"{name}.{inner}": (inner_value, source) for inner, inner_value in value.items()}
        elif name in sections and value is not None:
            raise InputError(f"{source}: section {name} holds {value!r}; put its keys below it, indented")
        elif name not in sections:
            flat[str(name)] = (value, source)
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
    return Recipe(**top, **{section: types_of[section](**entries) for section, entries in sections.items()})


def coerce(value: Any, config_field: dataclasses.Field, place: str) -> Any:
    """The value in the type of a config field; one value is a list of one where a list is wanted."""
    wanted: Any = config_field.type
    if isinstance(wanted, types.UnionType):
        if value is None:
            return None
        wanted = next(option for option in typing.get_args(wanted) if option is not type(None))
    if typing.get_origin(wanted) is list:
        (inner,) = typing.get_args(wanted)
        return [_coerce_one(entry, inner, place) for entry in (value if isinstance(value, list) else [value])]
    return _coerce_one(value, wanted, place)


def _coerce_one(value: Any, wanted: type, place: str) -> Any:
    if wanted is str and not isinstance(value, (dict, list, type(None))):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if wanted is bool and isinstance(value, bool):
        return value
    if wanted is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    # An infinite number cannot become an int.
    if wanted is int and isinstance(value, (int, float)) and not isinstance(value, bool) and value % 1 == 0:
        return int(value)
    named = {str: "text", bool: "true or false", float: "a number", int: "a whole number"}[wanted]
    raise InputError(f"{place} is {value!r}; it takes {named}")


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
