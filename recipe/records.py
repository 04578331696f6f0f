"""RUN/stages.json: what each stage of a run was made with, and the recipe that follows from it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from recipe.config import Recipe
from recipe.config_file import build_recipe, known_keys, load_recipe
from recipe.errors import InputError
from recipe.files import read_json, sha256_of_json, write_json

_REMEDY = (
    "put it back from a backup, or remove it: `domain-bert run` then makes all stages again, and pretraining goes on"
    " from its last checkpoint"
)


def read_records(run: Path) -> dict[str, dict[str, Any]]:
    """The record of each stage that is done, by its name, in the order in which they were first done.

    Raises:
        InputError: if RUN/stages.json is not as it was written.
    """
    path = run / "stages.json"
    if not path.is_file():
        return {}
    content = read_json(path, _REMEDY)
    stages = content.get("stages")
    # Files of older versions have no sha256.
    if content.get("sha256", sha256_of_json(stages)) != sha256_of_json(stages):
        raise InputError(f"{path}: is not as it was written, its sha256 differs; {_REMEDY}")
    if not isinstance(stages, dict) or not all(
        isinstance(record, dict) and isinstance(record.get("settings"), dict) for record in stages.values()
    ):
        raise InputError(f"{path}: lacks the records of the stages; {_REMEDY}")
    return stages


def write_record(run: Path, name: str, record: dict[str, Any]) -> None:
    """Keep the record of a stage that has just been done."""
    stages = {**read_records(run), name: record}
    write_json(run / "stages.json", {"stages": stages, "sha256": sha256_of_json(stages)})


def recorded_recipe(run: Path, planned: Recipe | None = None) -> Recipe:
    """The settings that the stages of a run were really made with; what has not been done yet is as planned.

    Args:
        planned: the recipe at hand; None: the one that the last stage left in RUN/recipe.yaml.

    Raises:
        InputError: if the folder is not a run folder.
    """
    if planned is None:
        if not (run / "recipe.yaml").is_file():
            raise InputError(f"{run}: is not a run folder (recipe.yaml is missing); name one such as runs/demo")
        planned = load_recipe(run / "recipe.yaml")
    values = {place: (value, "recipe") for place, _, value in planned.entries()}
    known = known_keys()
    for name, record in read_records(run).items():
        # Later stages overlay earlier ones; keys of both, such as seed, are equal, else the later one was refused.
        # A key that a newer version of this package no longer has cannot shape anything here.
        recorded = {place: value for place, value in record["settings"].items() if place in known}
        values |= {place: (value, f"{run / 'stages.json'}, {name}") for place, value in recorded.items()}
    # The folder may have been moved since.
    return replace(build_recipe(values), run_dir=str(run))


def paths_of(recipe: Recipe) -> list[str]:
    """Every text of a recipe that may be a path, and the run folder as it is called from the root."""
    values = [value for _, _, value in recipe.entries()]
    texts = [text for value in values for text in (value if isinstance(value, list) else [value])]
    return [str(recipe.folder.resolve()), *(text for text in texts if isinstance(text, str))]


def write_recipe(run: Path, planned: Recipe) -> None:
    """Write RUN/recipe.yaml: the settings of what was done, and the planned ones of what was not."""
    run.mkdir(parents=True, exist_ok=True)
    (run / "recipe.yaml").write_text(recorded_recipe(run, planned).to_yaml(), encoding="utf-8")
