"""Options of a command line: what is wrong with them is one line with the nearest option, never a page of usage."""

import argparse
import difflib
from collections.abc import Sequence
from typing import Any, NoReturn

from recipe.errors import InputError

# Of so few options all are named where none is near.
_FEW = 8


class Parser(argparse.ArgumentParser):
    """A parser whose errors are an `InputError`."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(allow_abbrev=False, **arguments)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; `{self.prog} --help` lists all options")

    def parse_strictly(self, arguments: Sequence[str]) -> dict[str, Any]:
        """The values of all options by name.

        Raises:
            InputError: for an unknown option, with the nearest known one, and for an option that is given twice.
        """
        names = [argument.split("=")[0] for argument in arguments if argument.startswith("--")]
        for name in names:
            action = self._option_string_actions.get(name)
            # Of two values the last one would count, without a word.
            if action is not None and not isinstance(action, argparse._AppendAction) and names.count(name) > 1:
                raise InputError(f"{name} is given {names.count(name)} times; give it once")
        known, unknown = self.parse_known_args(arguments)
        if unknown:
            raise InputError(f"{self._explain(unknown[0])}; `{self.prog} --help` lists all options")
        return vars(known)

    def _explain(self, unknown: str) -> str:
        name = unknown.split("=")[0]
        if not name.startswith("-"):
            return f"{name[:80]!r} is one argument too many"
        options = [option[2:] for option in self._option_string_actions if option.startswith("--")]
        if near := nearest_name(name.lstrip("-"), options):
            return f"unknown argument {name}; did you mean --{near}?"
        return f"unknown argument {name}" + (f"; it takes --{', --'.join(options)}" if len(options) <= _FEW else "")


def nearest_name(unknown: str, names: Sequence[str]) -> str | None:
    """The name that was probably meant, such as pairs.max_seq_length for max_seq_len; None if none is near."""
    # First the whole name; then its last part, for those who name the wrong section or none.
    unknown = unknown.lower().replace("-", "_")[:100]
    last_parts = {name.split(".")[-1]: name for name in names}
    near = difflib.get_close_matches(unknown, names, 1, 0.7)
    if not near:
        near = [last_parts[name] for name in difflib.get_close_matches(unknown.split(".")[-1], last_parts, 1, 0.7)]
    return near[0] if near else None
