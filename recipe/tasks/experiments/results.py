"""result.json of the systems -> one table."""

import statistics
from pathlib import Path
from typing import Any

from recipe.files import atomic_write, read_json
from recipe.formatting import NOT_KNOWN, model_name, percent, plus_minus
from recipe.tasks.types.task_type import TaskType


def mean_and_deviation(runs: list[dict[str, Any]], score: str) -> tuple[float, float]:
    """Mean and sample deviation (0 for one run) of a score; "seen.recall" is the recall inside of "seen"."""
    values = [score_in(run, score) for run in runs]
    # Of one run no deviation is known; 0 keeps the column readable.
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def score_in(scores: dict[str, Any], name: str) -> float:
    """A score by its dotted name."""
    for part in name.split("."):
        scores = scores[part]
    return float(scores)  # type: ignore[arg-type]


def system_title(result: dict[str, Any]) -> str:
    """A system in words; a random initialisation names the checkpoint whose shape it has."""
    of = f" of {result['checkpoint']}" if result.get("pretrained") is False else ""
    return model_name(result["system"]) + of


def table_of(results: list[dict[str, Any]], task_type: TaskType) -> str:
    """A Markdown table, the best system first."""
    columns = [name.replace(".", " ") for name in task_type.columns]
    headings = ["system", f"test {task_type.score}", *columns, f"devel {task_type.score}", "seeds", "chosen"]
    ordered = sorted(results, key=lambda result: -mean_and_deviation(result["runs"], task_type.score)[0])
    return markdown_table(headings, [_row(result, task_type) for result in ordered])


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
