"""Command lines with the keys of a recipe, and the one place where bad input becomes one line and exit status 2."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from recipe.config import Recipe, range_text
from recipe.config_file import build_recipe, known_keys, load_recipe, nearest_key_hint, yaml_value
from recipe.errors import InputError
from recipe.processes import is_first_process
from recipe.records import recorded_recipe, write_recipe

CONFIGS = Path(__file__).parent / "configs"
# What people change first; --help shows these before the others.
FIRST_KEYS = (
    "run_dir",
    "corpus.path",
    "corpus.format",
    "tokenizer.vocab_size",
    "pairs.max_seq_length",
    "training.max_steps",
    "training.global_batch_size",
    "training.per_device_batch_size",
    "training.learning_rate",
    "task.name",
)


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


def end_other_ranks() -> None:
    """End this process here unless it is the first of several."""
    # A thread of the process group that wants the interpreter while it shuts down aborts the process ("terminate
    # called without an active exception"). torchrun then ends the first rank, which may still be writing.
    if not is_first_process():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def config_path(name: str) -> Path:
    """The file of a recipe: a path, or the name of one that comes with the package, such as "demo"."""
    packaged = CONFIGS / f"{name}.yaml"
    return packaged if packaged.is_file() and not Path(name).exists() else Path(name)


def parse_recipes(
    parser: argparse.ArgumentParser, arguments: Sequence[str], several: bool = False
) -> tuple[list[Recipe], dict[str, Any]]:
    """`CONFIG ... [--section.key VALUE ...]` and the parser's own options -> the recipes, and these options by name.

    Args:
        several: whether more than one CONFIG may be named; the keys are set in all of them.

    Raises:
        InputError: for an unreadable file, an unknown key or a value that cannot work.
    """
    text = "recipe in YAML, or the name of a packaged one such as demo"
    parser.add_argument("config", metavar="CONFIG", nargs="+" if several else 1, help=text)
    keys = known_keys()
    values = _parse(parser, arguments, keys)
    names = values.pop("config")
    overrides = {place: value for place in keys if (value := values.pop(place)) is not None}
    if len(names) > 1 and "run_dir" in overrides:
        raise InputError("--run_dir with several recipes: they would write into one folder; set it in their files")
    # All are read before the first one runs: a typing error in a second phase shall not be found after days.
    return [load_recipe(config_path(name), overrides) for name in names], values


def parse_run(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """`RUN [--hub.key VALUE ...]` and the parser's own options -> the run folder, and these options by name.

    The keys are kept in RUN/recipe.yaml.

    Raises:
        InputError: if RUN is not a run folder, or a value cannot work.
    """
    parser.add_argument("run", metavar="RUN", help="run folder, such as runs/demo")
    # What was trained is a fact, so of the settings only those of the card can be changed afterwards.
    keys = {place: field for place, field in known_keys().items() if place.startswith("hub.")}
    values = _parse(parser, arguments, keys)
    run = Path(values.pop("run"))
    given = {place: text for place in keys if (text := values.pop(place)) is not None}
    recipe = recorded_recipe(run)
    if given:
        known = {place: (value, "recipe") for place, _, value in recipe.entries()}
        changed = {place: (yaml_value(text, f"--{place}"), f"--{place}") for place, text in given.items()}
        write_recipe(run, replace(recipe, hub=build_recipe(known | changed).hub))
    return run, values


def parse_options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> dict[str, Any]:
    """The parser's own options by name.

    Raises:
        InputError: for an unknown option.
    """
    return _parse(parser, arguments, {})


def _parse(parser: argparse.ArgumentParser, arguments: Sequence[str], keys: dict[str, Any]) -> dict[str, Any]:
    groups: dict[str, argparse._ArgumentGroup] = {}
    first = [place for place in FIRST_KEYS if place in keys]
    for place in [*first, *(place for place in keys if place not in first)]:
        section = "changed first" if place in first else place.rpartition(".")[0] or "run"
        if section not in groups:
            groups[section] = parser.add_argument_group(section)
        field = keys[place]
        default = field.default_factory() if callable(field.default_factory) else field.default
        limits = range_text(field)
        default_text = f"{limits + '; ' if limits else ''}default: {'null' if default is None else default}"
        text = f"{field.metadata['help']} [{default_text}]".replace("%", "%%")
        groups[section].add_argument(f"--{place}", dest=place, metavar="VALUE", help=text)
    # Not parse_args: it answers an unknown option with 80 lines of usage instead of the nearest key.
    known, unknown = parser.parse_known_args(arguments)
    if unknown:
        name = unknown[0].split("=")[0]
        hint = nearest_key_hint(name.lstrip("-")) if "seed" in keys else ""
        if keys and not hint:
            hint = f"; it takes {', '.join(keys)}"
        raise InputError(f"unknown argument {name}{hint}; `{parser.prog} --help` lists all options")
    return vars(known)
