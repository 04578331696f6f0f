"""result.json of the contestants -> one table."""

import statistics
from pathlib import Path
from typing import Any

from recipe.files import atomic_write, read_json
from recipe.formatting import NOT_KNOWN, model_name, percent, plus_minus
from recipe.tasks.types.task_type import Kind


def read_results(output: Path) -> list[dict[str, Any]]:
    """The results below an output folder, by name."""
    return [read_json(path) for path in sorted(output.glob("*/result.json"))]


def mean_and_deviation(result: dict[str, Any], score: str) -> tuple[float, float]:
    """Mean and sample deviation (0 for one seed) over the seeds; `score` may lead into inner scores: "seen.recall"."""
    values = [_inner(run, score) for run in result["runs"]]
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def table_of(results: list[dict[str, Any]], kind: Kind) -> str:
    """A Markdown table, the best contestant first."""
    headings = [
        "contestant",
        f"test {kind.score}",
        *(name.replace(".", " ") for name in kind.columns),
        f"devel {kind.score}",
        "seeds",
        "chosen",
    ]
    rows = [
        _row(result, kind) for result in sorted(results, key=lambda result: -mean_and_deviation(result, kind.score)[0])
    ]
    lines = [headings, ["--"] * len(headings), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def write_table(output: Path, kind: Kind) -> str:
    """Write OUTPUT/table.md; gives its text."""
    results = read_results(output)
    counts = ", ".join(f"{sizes['test']:,} {what}" for what, sizes in results[0]["counts"].items())
    text = (
        f"{results[0]['task']}: {kind.metric}, mean ± deviation over the seeds; test holds"
        f" {counts}.\n\n{table_of(results, kind)}"
    )
    with atomic_write(output / "table.md") as partial:
        partial.write_text(text, encoding="utf-8")
    return text


def _row(result: dict[str, Any], kind: Kind) -> list[str]:
    chosen = result.get("chosen")
    devel = percent(mean_and_deviation(result, "devel_score")[0]) if chosen else NOT_KNOWN
    setting = f"{chosen['learning_rate']:g}, batch {chosen['batch_size']}" if chosen else NOT_KNOWN
    means = [percent(mean_and_deviation(result, name)[0]) for name in kind.columns]
    looks = f" ({result['looks']} looks at test)" if result.get("looks", 1) > 1 else ""
    return [
        model_name(result["contestant"]) + looks,
        plus_minus(*mean_and_deviation(result, kind.score)),
        *means,
        devel,
        str(len(result["runs"])),
        setting,
    ]


def _inner(scores: dict[str, Any], name: str) -> float:
    for part in name.split("."):
        scores = scores[part]
    return float(scores)  # type: ignore[arg-type]
