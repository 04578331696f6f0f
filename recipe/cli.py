"""Command line -> one call, and the one place where bad input becomes one line and exit status 2."""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from recipe.config import HubConfig, Recipe, range_text
from recipe.config_file import build_recipe, known_keys, load_recipe, nearest_key_hint, yaml_value
from recipe.errors import InputError
from recipe.processes import is_first_process
from recipe.records import recorded_recipe, write_recipe

AddOptions = Callable[[argparse.ArgumentParser], Any]


def exit_with_one_line(call: Callable[[], None]) -> None:
    """Call it; an `InputError` is printed as one line and ends the process with status 2, an interrupt with 130."""
    try:
        call()
    except InputError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to resume", file=sys.stderr)
        sys.exit(130)


def run_with_recipe(call: Callable[[Recipe], None], description: str | None) -> None:
    """Read `CONFIG [--section.key=value ...]` from the command line and call `call` with the recipe."""
    exit_with_one_line(lambda: call(parse_recipe(description, sys.argv[1:])))


def run_with_folder(call: Callable[[Path], None], description: str | None) -> None:
    """Read `RUN [--hub.key=value ...]` from the command line, keep these keys in the run, and call `call`."""

    def read_and_call() -> None:
        # What was trained is a fact, so of the settings only those of the card can be changed afterwards.
        keys = {place: field for place, field in known_keys().items() if place.startswith("hub.")}
        values = _parse(description, sys.argv[1:], keys, lambda parser: parser.add_argument("run", help="run folder"))
        run = Path(values.pop("run"))
        recipe = recorded_recipe(run)
        known = {place: (value, "recipe") for place, _, value in recipe.entries()}
        overrides = {
            place: (yaml_value(text, f"--{place}"), f"--{place}") for place, text in values.items() if text is not None
        }
        hub: HubConfig = build_recipe(known | overrides).hub
        write_recipe(run, replace(recipe, hub=hub))
        call(run)

    exit_with_one_line(read_and_call)


def end_other_ranks() -> None:
    """End this process here unless it is the first of several."""
    # A thread of the process group that wants the interpreter while it shuts down aborts the process ("terminate
    # called without an active exception"). torchrun then ends the first rank, which may still be writing.
    if not is_first_process():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def parse_recipe(description: str | None, arguments: list[str]) -> Recipe:
    """`CONFIG [--section.key=value ...]` -> Recipe; `--help` lists every key with its help, range and default."""
    return parse_recipe_and_options(description, arguments, lambda parser: None)[0]


def parse_recipe_and_options(
    description: str | None, arguments: list[str], add_options: AddOptions
) -> tuple[Recipe, dict[str, Any]]:
    """The same with options of a script's own, which `add_options` adds to the parser; they come by name."""

    def add_config(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("config", help="recipe in YAML, such as configs/demo.yaml")
        add_options(parser)

    values = _parse(description, arguments, known_keys(), add_config)
    config = values.pop("config")
    overrides = {place: value for place in known_keys() if (value := values.pop(place)) is not None}
    return load_recipe(config, overrides), values


def _parse(description: str | None, arguments: list[str], keys: dict, add_options: AddOptions) -> dict[str, Any]:
    """Values by name: the options of a script, and the text of each key of the recipe, None where it is absent."""
    parser = argparse.ArgumentParser(
        description=description, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    groups: dict[str, argparse._ArgumentGroup] = {}
    for place, field in keys.items():
        section = place.rpartition(".")[0] or "run"
        if section not in groups:
            groups[section] = parser.add_argument_group(section)
        default = field.default_factory() if callable(field.default_factory) else field.default
        limits = range_text(field)
        default_text = f"{limits + '; ' if limits else ''}default: {'null' if default is None else default}"
        text = f"{field.metadata['help']} [{default_text}]".replace("%", "%%")
        groups[section].add_argument(f"--{place}", dest=place, metavar="VALUE", help=text)
    # Not parse_args: it answers an unknown option with 80 lines of usage instead of the nearest key.
    known, unknown = parser.parse_known_args(arguments)
    if unknown:
        name = unknown[0].split("=")[0]
        hint = (
            nearest_key_hint(name.lstrip("-")) if len(keys) == len(known_keys()) else f"; it takes {', '.join(keys)}"
        )
        raise InputError(f"unknown argument {name}{hint}")
    return vars(known)
