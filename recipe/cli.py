"""Command line -> one call: `CONFIG [--section.key=value ...]`, and the one place where bad input becomes one line and
exit status 2.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recipe.config import Recipe, range_text
from recipe.config_file import known_keys, load_recipe, nearest_key_hint
from recipe.errors import InputError
from recipe.processes import is_first_process

SCRIPTS = Path(__file__).parent.parent / "scripts"


def run_with_recipe(call: Callable[[Recipe], None], description: str | None) -> None:
    """Read the recipe from the command line and call `call` with it."""
    exit_with_one_line(lambda: call(parse_recipe(description, sys.argv[1:])))


def exit_with_one_line(call: Callable[[], None]) -> None:
    """Call it; an `InputError` is printed as one line and ends the process with status 2, an interrupt with status
    130.
    """
    # Python puts the script's folder first on the path, where scripts/evaluate.py would hide the library `evaluate`.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != SCRIPTS]
    try:
        call()
    except InputError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoint or finished stage", file=sys.stderr)
        sys.exit(130)


def end_other_ranks() -> None:
    """End this process here unless it is the first of several.

    A thread of the process group that wants the interpreter while it shuts down aborts the process ("terminate called
    without an active exception"), and torchrun then ends the first rank, which may still be writing.
    """
    if not is_first_process():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def parse_recipe(description: str | None, arguments: list[str]) -> Recipe:
    """`CONFIG [--section.key=value ...]` -> Recipe; `--help` lists every key with its help, range and default."""
    return parse_recipe_and_options(description, arguments, lambda parser: None)[0]


def parse_recipe_and_options(
    description: str | None, arguments: list[str], add_options: Callable[[argparse.ArgumentParser], None]
) -> tuple[Recipe, dict[str, Any]]:
    """The same with options of a script's own, which `add_options` adds to the parser; they come by name, as argparse
    gives them.
    """
    parser = _parser(description)
    add_options(parser)
    known, unknown = parser.parse_known_args(arguments)
    if unknown:
        name = unknown[0].split("=")[0]
        raise InputError(f"unknown argument {name}{nearest_key_hint(name.lstrip('-'))}")
    values = vars(known)
    config = values.pop("config")
    overrides = {place: value for place in known_keys() if (value := values.pop(place)) is not None}
    return load_recipe(config, overrides), values


def _parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="recipe in YAML, such as configs/demo.yaml")
    groups: dict[str, argparse._ArgumentGroup] = {}
    for place, config_field in known_keys().items():
        section = place.rpartition(".")[0] or "run"
        if section not in groups:
            groups[section] = parser.add_argument_group(section)
        groups[section].add_argument(f"--{place}", dest=place, metavar="VALUE", help=_help_of(config_field))
    return parser


def _help_of(config_field) -> str:
    default = config_field.default_factory() if callable(config_field.default_factory) else config_field.default
    limits = range_text(config_field)
    text = (
        f"{config_field.metadata['help']} [{limits + '; ' if limits else ''}default:"
        f" {'null' if default is None else default}]"
    )
    return text.replace("%", "%%")
