"""YAML without its surprises: what looks like text is text, and what could be read in two ways is refused."""

import re
from typing import Any

import yaml

from recipe.errors import InputError

# A recipe has sections, keys and lists.
_MOST_NESTED = 8
# Numbers as people write them. Not those of YAML 1.1, in which 017 is 15, 1:30 is 90 and 2024-01-01 a date, while 5e-5
# is text; `no` and `off` are text too.
_DIGITS = r"(?:0|[1-9][0-9]{0,300}(?:_[0-9]{1,300}){0,9})"
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(rf"[-+]?{_DIGITS}")
_FLOAT = re.compile(rf"[-+]?(?:{_DIGITS}\.[0-9]*|\.[0-9]+|{_DIGITS}(?=[eE]))(?:[eE][-+]?[0-9]+)?")


class _Loader(yaml.SafeLoader):
    """Composes nodes and refuses what a recipe does not need."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            # Ten lines of them can stand for more text than fits into memory.
            raise _Refused(line, f"*{event.anchor} is an alias, which is not read; write the value again")
        if getattr(event, "tag", None) is not None:
            raise _Refused(line, f"{event.tag} is a tag, which is not read; write the value without it")
        self.depth += 1
        if self.depth > _MOST_NESTED:
            raise _Refused(line, f"is nested more than {_MOST_NESTED} deep; a recipe has sections, keys and lists")
        node = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(node, yaml.MappingNode):
            _refuse_repeated(node)
        return node


class _Refused(Exception):
    """YAML that is well-formed, but not of ours."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


def compose(text: str, source: str) -> yaml.Node | None:
    """The nodes of a YAML text, None if it is empty.

    Args:
        source: where the text is from, for messages: a file or an option.

    Raises:
        InputError: for what is not YAML, a key twice, an alias, a tag, or too deep a nesting; it names the line.
    """
    lines = text.count("\n") + 1
    try:
        return yaml.compose(text, Loader=_Loader)
    except _Refused as error:
        raise InputError(f"{_place(source, error.line, lines)}: {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        why = "begins with a tab; indent by spaces" if _is_tab(text, mark) else f"is not YAML ({error.problem})"
        raise InputError(f"{_place(source, mark.line + 1 if mark else 1, lines)}: {why}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # among them a control character
        raise InputError(f"{source}: is not YAML ({' '.join(str(error).split())[:150]})") from None


def value_of(node: yaml.Node | None, as_text: bool = False) -> Any:
    """The value of a node.

    Args:
        as_text: give 1.50, 017 and True as the texts that they are written as, not as number or boolean.
    """
    if isinstance(node, yaml.MappingNode):
        return {key.value: value_of(value, as_text) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [value_of(value, as_text) for value in node.value]
    if not isinstance(node, yaml.ScalarNode):
        return None
    text = node.value
    # What is in quotes or a block is text.
    if node.style is not None:
        return text
    if _NULL.fullmatch(text):
        return None
    if as_text:
        return text
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _refuse_repeated(node: yaml.MappingNode) -> None:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise _Refused(line, "a list or mapping stands where a key belongs; write the name of a key")
        if key.value in seen:
            raise _Refused(line, f"the key {key.value} is in line {seen[key.value]} already; remove one of the two")
        seen[key.value] = line


def _place(source: str, line: int, lines: int) -> str:
    return source if lines == 1 else f"{source}, line {line}"


def _is_tab(text: str, mark: Any) -> bool:
    return mark is not None and text[mark.index - mark.column : mark.index + 1].strip(" ").startswith("\t")
