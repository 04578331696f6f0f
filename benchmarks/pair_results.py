"""Figures of the pair builders -> ratios, a Markdown table and JSON in benchmarks/results/."""

import os
from pathlib import Path

from recipe.files import write_json
from recipe.provenance import git_commit, package_versions

RESULTS = Path(__file__).parent / "results"
COLUMNS = {
    "system": "system",
    "cpu_seconds": "CPU s",
    "cpu_seconds_net": "without start",
    "per_million_tokens": "CPU s per M tokens",
    "wall_seconds": "wall s",
    "peak_memory_mb": "peak memory MB",
    "peak_anonymous_mb": "of it anonymous",
    "output_mb": "output MB",
    "pairs": "pairs",
    "overlong_share": "overlong rows",
    "label_1_share": "share of label 1",
    "wrong_labels": "wrong labels",
    "wrong_of_two": "wrong labels, 2 documents",
}
SCALE_COLUMNS = {
    "text_mb": "text MB",
    "million_tokens": "M tokens",
    **{
        key: COLUMNS[key]
        for key in (
            "cpu_seconds",
            "per_million_tokens",
            "wall_seconds",
            "peak_memory_mb",
            "peak_anonymous_mb",
            "output_mb",
            "pairs",
        )
    },
}


def machine() -> dict:
    """CPU, cores this process may use, versions and commit."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else "unknown",
        "cores": len(os.sched_getaffinity(0)),
        "versions": package_versions(),
        "commit": git_commit(),
    }


def markdown(results: dict) -> str:
    """The report: ratios first, then the tables."""
    where = results["machine"]
    parts = ["# Pair builders, side by side", *(f"- {line}" for line in ratios(results["systems"]))]
    parts += [f"- {row['system']}: not run: {row['not_run']}" for row in results["systems"] if "not_run" in row]
    for name, line in (("new_pass", _new_pass_line), ("kills", _kills_line)):
        parts += [line(results[name])] if name in results else []
    corpus = ", ".join(results["corpus"])
    parts += [
        f"\n{results['text_mb']:.1f} MB of text ({corpus}) on {where['cores']} cores of {where['cpu']}, commit"
        f" {where['commit']}:\n"
    ]
    parts += [markdown_table(COLUMNS, results["systems"])]
    if "scale" in results:
        number = results["scale"][0]["num_proc"]
        parts += [
            f"\nOurs with num_proc {number} on larger texts (the same, repeated with altered words):\n",
            markdown_table(SCALE_COLUMNS, results["scale"]),
        ]
    parts += [
        "\nCPU time: of all processes, as the kernel counts it. Memory: largest sum of the processes' PSS, sampled"
        " every 0.1 s; anonymous: without pages"
    ]
    parts += [
        "of mapped files. Wrong labels, 2 documents: rows of label 1 whose B is from A's document, in a text of two"
        " documents."
    ]
    parts += ["Versions: " + ", ".join(f"{name} {version}" for name, version in where["versions"].items()) + "."]
    return "\n".join(parts)


def ratios(rows: list[dict]) -> list[str]:
    """One line per peer: how much more CPU time it takes than ours, and the speed-up of the second process."""
    done = {row["system"]: row for row in rows if "cpu_seconds" in row}
    one, two = done.get("ours, num_proc 1"), done.get("ours, num_proc 2")
    lines = [
        f"{name}: {row['cpu_seconds'] / one['cpu_seconds']:.1f}x our CPU time"
        f" ({row['cpu_seconds_net'] / one['cpu_seconds_net']:.1f}x without the start of the program),"
        f" {row['wall_seconds'] / one['wall_seconds']:.1f}x our wall time,"
        f" {row['peak_memory_mb'] / one['peak_memory_mb']:.1f}x our memory"
        for name, row in done.items()
        if one and not name.startswith("ours")
    ]
    if one and two:
        lines.append(f"ours: 2 processes take {one['wall_seconds'] / two['wall_seconds']:.2f}x less wall time than 1")
    return lines


def markdown_table(columns: dict[str, str], rows: list[dict]) -> str:
    """A Markdown table; `columns` maps a row's key to its heading. Floats get two digits or, from 100 on, none; what a
    row lacks is a dash.
    """
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + "--|" * len(columns)]
    lines += ["| " + " | ".join(_cell(row.get(key)) for key in columns) + " |" for row in rows]
    return "\n".join(lines)


def save(name: str, values: dict, markdown: str) -> None:
    """Write benchmarks/results/NAME.json and NAME.md."""
    RESULTS.mkdir(exist_ok=True)
    write_json(RESULTS / f"{name}.json", values)
    (RESULTS / f"{name}.md").write_text(markdown.rstrip() + "\n", encoding="utf-8")


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return (
            f"{value:,.0f}"
            if abs(value) >= 100
            else f"{value:.2f}"
            if abs(value) >= 0.1 or value == 0
            else f"{value:.2g}"
        )
    return f"{value:,}" if isinstance(value, int) else str(value)


def _new_pass_line(found: dict) -> str:
    return (
        f"- a new pass from the store: {found['per_million_tokens']:.3f} CPU-s per million tokens (median of"
        f" {found['passes']}); in {found['pairs']:,} pairs {found['overlong']} overlong, {found['wrong_labels']} wrong"
        " labels"
    )


def _kills_line(found: dict) -> str:
    return (
        f"- kill -9 at {found['kills']} random moments: {found['same_results']} same results,"
        f" {found['orphans_after_10_s']} processes alive after 10 s (num_proc {found['num_proc']}, build of"
        f" {found['build_seconds']:.1f} s)"
    )
