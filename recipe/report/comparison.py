"""Several run folders -> one page that says in what they differ and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.files import atomic_write
from recipe.formatting import NOT_KNOWN, compact, duration, percent, score_name
from recipe.privacy.traces import hidden, public_settings
from recipe.records import paths_of, recorded_recipe
from recipe.report.charts import line_chart
from recipe.report.run_files import RunFiles, read_run_files
from recipe.report.templates import render

# A seventh line has no colour of its own.
MOST_RUNS = 6
# What differs between any two runs and explains nothing.
_OF_NO_INTEREST = ("run_dir", "hub.repo")


@dataclass(frozen=True)
class Run:
    """A run with a name that tells it from the others, its recipe as it may be shown, and its files."""

    name: str
    recipe: Recipe
    files: RunFiles


def write_comparison(folders: Sequence[Path], output: Path) -> None:
    """Write one page about two to six runs.

    Raises:
        InputError: if there are too many, one is named twice, or one is no run folder or cannot be read.
    """
    if len(folders) > MOST_RUNS:
        raise InputError(f"{len(folders)} runs do not fit into one picture; name {MOST_RUNS} or fewer")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError("one run is named twice; name each once")
    recipes = [recorded_recipe(folder) for folder in folders]
    runs = [
        Run(name, public_settings(recipe), read_run_files(folder))
        for name, recipe, folder in zip(_names(folders), recipes, folders, strict=True)
    ]
    page = render("comparison.html.j2", **_contents(runs))
    for recipe in recipes:
        page = hidden(page, paths_of(recipe))
    with atomic_write(output) as partial:
        partial.write_text(page, encoding="utf-8")


def _names(folders: Sequence[Path]) -> list[str]:
    """The last part of each path; as much of the path as is needed where two have the same."""
    parts = [folder.resolve().parts for folder in folders]
    length = next(n for n in range(1, 99) if len({part[-n:] for part in parts}) == len(parts))
    return ["/".join(part[-length:]) for part in parts]


def _contents(runs: Sequence[Run]) -> dict[str, Any]:
    vocabularies = {(run.files.tokenizer or {}).get("sha256") or run.recipe.tokenizer.vocab_size for run in runs}
    return {
        "title": f"{len(runs)} runs",
        "numbers": [_numbers(run) for run in runs],
        "headings": _headings(runs),
        "settings": _differences(runs),
        "names": [run.name for run in runs],
        "charts": _charts(runs),
        "same_vocabulary": len(vocabularies) == 1,
    }


def _headings(runs: Sequence[Run]) -> list[str]:
    tasks = {(run.files.task["task"], score_name(run.files.task["score"])) for run in runs if run.files.task}
    task = " ".join(next(iter(tasks))) if len(tasks) == 1 else "task"
    return ["run", "parameters", "steps", "tokens", "time", "MLM loss", "MLM accuracy", "NSP balanced", task]


def _numbers(run: Run) -> list[tuple[str, float | str]]:
    """The cells of a run: what is shown, and the value by which the column is sorted."""
    files, training, evaluation = run.files, run.files.training or {}, run.files.evaluation or {}
    system = ((files.task or {}).get("systems") or {}).get("pretrained") or {}
    values = (
        (training.get("parameters"), compact),
        (files.last("step"), lambda value: f"{value:,}"),
        (files.last("tokens_seen"), compact),
        (training.get("seconds"), duration),
        (evaluation.get("mlm_loss"), lambda value: f"{value:.3f}"),
        (evaluation.get("mlm_accuracy"), percent),
        (evaluation.get("nsp_balanced_accuracy"), percent),
        (system.get("mean"), percent),
    )
    cells = [(NOT_KNOWN, "") if value is None else (form(value), value) for value, form in values]
    return [(run.name, run.name), *cells]


def _differences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Each key whose value differs, with its value in each run."""
    values = [{place: value for place, _, value in run.recipe.entries()} for run in runs]
    return [
        (place, [str(found[place]) for found in values])
        for place in values[0]
        if place not in _OF_NO_INTEREST and len({str(found[place]) for found in values}) > 1
    ]


def _charts(runs: Sequence[Run]) -> list[tuple[str, str, dict[str, Any]]]:
    wanted = (
        ("eval_mlm_loss", 1, "MLM loss, validation", "Compare only runs of one vocabulary and one validation text."),
        ("eval_nsp_balanced_accuracy", 100, "NSP balanced accuracy (%), validation", "A coin has 50 %."),
    )
    found = []
    for field, scale, title, caption in wanted:
        lines = {
            run.name: [
                (line["tokens_seen"], scale * line[field])
                for line in run.files.validation_log()
                if line.get(field) is not None
            ]
            for run in runs
        }
        if chart := line_chart(lines, title):
            found.append((title, caption, chart))
    return found
