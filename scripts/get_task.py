"""Fetch a task's files from where they are published, at a pinned commit, and check them. Writes data/tasks/NAME.

python scripts/get_task.py bc5-chem
"""

import argparse
import os
from pathlib import Path

from recipe.cli import exit_with_one_line


def main() -> None:
    """Read the command line and fetch."""
    parser = argparse.ArgumentParser(
        description=__doc__, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "task",
        metavar="NAME",
        help="name in recipe/tasks/tasks.yaml, such as bc5-chem, jnlpba, gad, biosses, hoc, pubmedqa",
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder of the files; default: data/tasks/NAME")
    parser.add_argument(
        "--base_url",
        default=os.environ.get("TASKS_BASE_URL"),
        help="address of a mirror; default: TASKS_BASE_URL, or that of the table",
    )
    arguments = parser.parse_args()

    def fetch() -> None:
        from recipe.tasks.catalog import DATA
        from recipe.tasks.fetch import fetch_task

        print(fetch_task(arguments.task, arguments.output or DATA / arguments.task, arguments.base_url))

    exit_with_one_line(fetch)


if __name__ == "__main__":
    main()
