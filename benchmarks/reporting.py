"""What every program of this folder shares: the option --results, the machine, Markdown tables, and the files of a
result.
"""

import argparse
import os
from pathlib import Path

from recipe.files import write_json
from recipe.provenance import git_commit, package_versions

RESULTS = Path(__file__).parent / "results"


def program_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the option --results."""
    parser = argparse.ArgumentParser(
        description=description, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=RESULTS,
        metavar="FOLDER",
        help="folder of NAME.md and NAME.json; default: benchmarks/results",
    )
    return parser


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


def markdown_table(columns: dict[str, str], rows: list[dict]) -> str:
    """A Markdown table; `columns` maps a row's key to its heading. Floats get two digits or, from 100 on, none; what a
    row lacks is a dash.
    """
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + "--|" * len(columns)]
    lines += ["| " + " | ".join(_cell(row.get(key)) for key in columns) + " |" for row in rows]
    return "\n".join(lines)


def save(folder: Path, name: str, values: dict, markdown: str) -> None:
    """Write NAME.json and NAME.md."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{name}.json", values)
    (folder / f"{name}.md").write_text(markdown.rstrip() + "\n", encoding="utf-8")


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
