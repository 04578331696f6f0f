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
            InputError: for an unknown option, with the nearest known one. Of an option twice the last one counts, as
                scripts that append options expect.
        """
        names = [argument.split("=")[0] for argument in arguments if argument.startswith("--")]
        is_help = bool({"-h", "--help"} & {*arguments})
        for name in names:
            # Before an option is missed that was meant by this one.
            if name not in self._option_string_actions and name != "--" and not is_help:
                raise self._unknown(name)
        known, unknown = self.parse_known_args(arguments)
        if unknown:
            raise self._unknown(unknown[0].split("=")[0])
        return vars(known)

    def _unknown(self, name: str) -> InputError:
        options = [
            option[2:] for option in self._option_string_actions if option.startswith("--") and option != "--help"
        ]
        if not name.startswith("-"):
            why = f"{name[:80]!r} is one argument too many"
        elif near := nearest_name(name.lstrip("-"), options):
            why = f"unknown argument {name[:80]}; did you mean --{near}?"
        else:
            few = f"; it takes --{', --'.join(options)}" if len(options) <= _FEW else ""
            why = f"unknown argument {name[:80]}{few}"
        return InputError(f"{why}; `{self.prog} --help` lists all options")


def nearest_name(unknown: str, names: Sequence[str]) -> str | None:
    """The name that was probably meant, such as pairs.max_seq_length for max_seq_len; None if none is near."""
    # The whole name; then its last part, for those who name the wrong section or none.
    unknown = unknown.lower().replace("-", "_")[:100]
    # Of pairs.max_seq_length and task.max_seq_length the first, which is what most recipes are about.
    last_parts = {name.split(".")[-1]: name for name in reversed(names)}
    if unknown in last_parts:
        return last_parts[unknown]
    if unknown in last_parts:
        return last_parts[unknown]
    near = difflib.get_close_matches(unknown, names, 1, 0.7)
    if not near:
        near = [last_parts[name] for name in difflib.get_close_matches(unknown.split(".")[-1], last_parts, 1, 0.7)]
    return near[0] if near else None
