"""result.json of the systems -> one table. A score over nothing is a dash, and its reason stands below the table."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipe.files import atomic_write, read_json
from recipe.formatting import NOT_KNOWN, model_name, percent, plus_minus, score_name
from recipe.tasks.types.scores import rank_of
from recipe.tasks.types.task_type import TaskType


def mean_and_deviation(runs: list[dict[str, Any]], score: str) -> tuple[float | None, float | None]:
    """Mean and sample deviation of a score; None where a run has no such score, and for the deviation of one run."""
    found = [score_in(run, score) for run in runs]
    values = [value for value in found if value is not None]
    # A mean over fewer seeds would be another number under the same name.
    if len(values) < len(found):
        return None, None
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def score_in(scores: dict[str, Any], name: str) -> float | None:
    """A score by its dotted name, such as "seen.recall", the recall inside of "seen"; None for one over nothing."""
    *path, last = name.split(".")
    inner = _inner(scores, path)
    # Results of earlier versions have a 0 where nothing supports a score. The support is that of test, not of devel.
    is_of_nothing = inner.get("support") == 0 and last != "devel_score"
    return None if inner[last] is None or is_of_nothing else float(inner[last])


def reason_in(runs: list[dict[str, Any]], name: str) -> str | None:
    """Why a mean over runs is None, in words; None if it is not."""
    run = next((run for run in runs if score_in(run, name) is None), None)
    return None if run is None else _inner(run, name.split(".")[:-1]).get("reason", "there is nothing to score")


def _inner(scores: dict[str, Any], path: list[str]) -> dict[str, Any]:
    for part in path:
        scores = scores[part]
    return scores


def dashes(reasons: dict[str, dict[str, str]]) -> list[str]:
    """Lines that explain the dashes of a table, from the reasons by system and score."""
    return [
        f"{system}: no {score_name(score)}, since {reason}"
        for system, of_system in reasons.items()
        for score, reason in of_system.items()
    ]


def reasons_of(runs: list[dict[str, Any]], scores: Sequence[str]) -> dict[str, str]:
    """Those of the scores whose mean over runs is None, each with its reason."""
    return {name: reason for name in scores if (reason := reason_in(runs, name)) is not None}


def system_title(result: dict[str, Any]) -> str:
    """A system in words; a random initialisation names the checkpoint whose shape it has."""
    of = f" of {result['checkpoint']}" if result.get("pretrained") is False else ""
    return model_name(result["system"]) + of


def table_of(results: list[dict[str, Any]], task_type: TaskType) -> str:
    """A Markdown table, the best system first."""
    columns = [name.replace(".", " ") for name in task_type.columns]
    headings = ["system", f"test {task_type.score}", *columns, f"devel {task_type.score}", "seeds", "chosen"]
    means = [rank_of(mean_and_deviation(result["runs"], task_type.score)[0]) for result in results]
    ordered = [results[place] for place in sorted(range(len(results)), key=lambda place: -means[place])]
    scores = (task_type.score, *task_type.columns)
    notes = dashes({system_title(result): reasons_of(result["runs"], scores) for result in ordered})
    return markdown_table(headings, [_row(result, task_type) for result in ordered]) + "".join(
        f"\n{note}\n" for note in notes
    )


def markdown_table(headings: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "".join("| " + " | ".join(line) + " |\n" for line in (headings, ["--"] * len(headings), *rows))


def write_table(output: Path, task_type: TaskType) -> str:
    """Write OUTPUT/table.md; gives its text."""
    results = [read_json(path) for path in sorted(output.glob("*/result.json"))]
    counts = ", ".join(f"{sizes['test']:,} {what}" for what, sizes in results[0]["counts"].items())
    note = f"{results[0]['task']}: {task_type.metric}, mean ± deviation over the seeds; test contains {counts}."
    text = f"{note}\n\n{table_of(results, task_type)}"
    with atomic_write(output / "table.md") as partial:
        partial.write_text(text, encoding="utf-8")
    return text


def _row(result: dict[str, Any], task_type: TaskType) -> list[str]:
    runs, chosen = result["runs"], result.get("chosen")
    # More than one evaluation of test stands next to the name: the reader must know that its score may be too good.
    times = f" ({result['test_evaluations']} test evaluations)" if result.get("test_evaluations", 1) > 1 else ""
    return [
        system_title(result) + times,
        plus_minus(*mean_and_deviation(runs, task_type.score)),
        *(percent(mean_and_deviation(runs, name)[0]) for name in task_type.columns),
        percent(mean_and_deviation(runs, "devel_score")[0]) if chosen else NOT_KNOWN,
        str(len(runs)),
        f"{chosen['learning_rate']:g}, batch {chosen['batch_size']}" if chosen else NOT_KNOWN,
    ]
