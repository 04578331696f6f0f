"""Options of `domain-bert cluster` -> the phases that are not done, on the executor that was asked for."""

import argparse
import importlib
from typing import Any

from recipe.cluster.phases import pending_phases
from recipe.config import Recipe
from recipe.errors import InputError
from recipe.records import write_recipe
from recipe.run_folder.events import log_event

# Option -> kind of value, executors that take it, help.
OPTIONS: dict[str, tuple[type, tuple[str, ...], str]] = {
    "tasks": (int, ("local", "slurm", "ray"), "tasks of each parallel phase; default: 1"),
    "workers": (int, ("local", "slurm", "ray"), "most tasks at once; default: all"),
    "partition": (str, ("slurm",), "partition of the jobs; needed"),
    "time": (str, ("slurm",), "time limit of a job; default: 24:00:00"),
    "mem_per_cpu_gb": (int, ("slurm", "ray"), "memory for each CPU of a task, in GB; default: 4"),
    "cpus_per_task": (int, ("slurm", "ray"), "CPUs of a task, of which a parallel one uses one; default: 1"),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that stand next to the recipe's keys."""
    group = parser.add_argument_group("cluster")
    group.add_argument(
        "--executor", choices=("local", "slurm", "ray"), default="local", help="where the tasks run; default: local"
    )
    for name, (kind, executors, text) in OPTIONS.items():
        group.add_argument(f"--{name}", type=kind, metavar="VALUE", help=f"{' and '.join(executors)}: {text}")


def launch(recipe: Recipe, executor: str, **options: Any) -> None:
    """Run, or submit, what is left of the stages corpus, tokenizer and pairs.

    Args:
        options: those of OPTIONS, None where they are not given.

    Raises:
        InputError: if an option is of another executor, input or settings cannot serve, or a package is missing.
    """
    given = {name: value for name, value in options.items() if value is not None}
    _check(executor, given)
    executors = _executors(executor)
    resources = executors.Resources(**{"tasks": 1, **given})
    phases = pending_phases(recipe)
    if not phases:
        print(f"{recipe.run_dir}: corpus, tokenizer and pairs are done and unchanged")
        return
    write_recipe(recipe.folder, recipe)
    log_event(recipe.folder, "start", stage="cluster")
    if executor == "slurm":
        ids = executors.submit_to_slurm(recipe, phases, resources)
        jobs = ", ".join(f"{phase.name} {id_}" for phase, id_ in zip(phases, ids, strict=True))
        print(f"submitted: {jobs}; logs in {recipe.folder / 'cluster' / 'logs'}")
    else:
        (executors.run_here if executor == "local" else executors.run_on_ray)(recipe, phases, resources)


def _check(executor: str, given: dict[str, Any]) -> None:
    for name, value in given.items():
        takers = OPTIONS[name][1]
        if executor not in takers:
            raise InputError(f"--{name} {value} is an option of --executor {' and '.join(takers)}; leave it out")
        if isinstance(value, int) and value < 1:
            raise InputError(f"--{name} is {value}; it must be 1 or more")
    if executor == "slurm" and "partition" not in given:
        raise InputError("--executor slurm needs --partition, a partition of your cluster; `sinfo` lists them")


def _executors(executor: str) -> Any:
    # Imported here, by name, so that a package that is not installed is one line and not a traceback.
    try:
        if executor == "ray":
            importlib.import_module("ray")
        return importlib.import_module("recipe.cluster.executors")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("recipe"):
            raise
        package = error.name.partition(".")[0]
        raise InputError(
            f"--executor {executor} needs {package}, which is not installed: pip install {package}"
        ) from None
