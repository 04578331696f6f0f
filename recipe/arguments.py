"""Command lines with the keys of a recipe, and the one place where bad input becomes one line and exit status 2."""

import argparse
import os
import select
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from recipe.config import Recipe, range_text
from recipe.config_file import build_recipe, is_text, known_keys, load_recipe, yaml_value
from recipe.errors import InputError
from recipe.inputs.options import Parser
from recipe.privacy.secrets import masked
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


# Characters of an error line. What a user gave may be longer than a screen.
_LONGEST = 1500


def exit_with_one_line(call: Callable[[], None]) -> None:
    """Call it; an `InputError` is printed as one line and ends the process with status 2.

    An interrupt ends it with 130, a reader of its output that has gone with 141, as in a shell.
    """
    try:
        call()
    except InputError as error:
        _exit_with(str(error))
    except MemoryError:
        _exit_with("the memory is full; ask for less, or use a larger machine")
    except BrokenPipeError:
        if not _has_lost_its_reader():
            raise
        sys.exit(141)
    except OSError as error:
        # A file that cannot be opened or written is the user's to mend; other errors of the system are ours.
        if not isinstance(error.filename, (str, bytes, os.PathLike)) or not error.strerror:
            raise
        _exit_with(f"{os.fsdecode(error.filename)}: {error.strerror}; check the path, its rights and the disk")
    except KeyboardInterrupt:
        print("interrupted; run the same command again to resume", file=sys.stderr)
        sys.exit(130)


def _has_lost_its_reader() -> bool:
    """Whether the reader of standard output, such as `head`, has gone; then what is left to print is thrown away."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    if not any(event & select.POLLERR for _, event in output.poll(0)):
        return False
    # Python would try again at its end, and print an error there.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _exit_with(message: str) -> NoReturn:
    # A bar of progress that is still open leaves the cursor in the middle of its line.
    if tqdm := getattr(sys.modules.get("tqdm"), "tqdm", None):
        for bar in list(getattr(tqdm, "_instances", ())):
            bar.close()
    line = masked(" ".join(message.split()))
    # What is cut would be masked only in part before.
    print(f"error: {line if len(line) <= _LONGEST else line[:_LONGEST] + '...'}", file=sys.stderr, flush=True)
    sys.exit(2)


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
    is_packaged = name in {path.stem for path in CONFIGS.glob("*.yaml")}
    return CONFIGS / f"{name}.yaml" if is_packaged and not Path(name).exists() else Path(name)


def parse_recipes(
    parser: Parser, arguments: Sequence[str], several: bool = False
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


def parse_run(parser: Parser, arguments: Sequence[str]) -> tuple[Path, dict[str, Any]]:
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
        changed = {
            place: (yaml_value(text, f"--{place}", is_text(keys[place])), f"--{place}")
            for place, text in given.items()
        }
        _change_hub(run, replace(recipe, hub=build_recipe(known | changed).hub))
    return run, values


def _change_hub(run: Path, recipe: Recipe) -> None:
    """Keep other settings of the card, and write the card anew unless it was completed by hand."""
    card = run / "model" / "README.md"
    if not card.is_file():
        write_recipe(run, recipe)
        return
    from recipe.report.model_card import model_card, write_model_card  # imports the Hub's client

    is_ours = card.read_text(encoding="utf-8", errors="replace") == model_card(run)
    write_recipe(run, recipe)
    if is_ours:
        write_model_card(run)
    else:
        print(f"{card}: was changed by hand, so only `domain-bert report {run}` writes it anew")


def parse_options(parser: Parser, arguments: Sequence[str]) -> dict[str, Any]:
    """The parser's own options by name.

    Raises:
        InputError: for an unknown option.
    """
    return _parse(parser, arguments, {})


def _parse(parser: Parser, arguments: Sequence[str], keys: dict[str, Any]) -> dict[str, Any]:
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
    return parser.parse_strictly(arguments)
