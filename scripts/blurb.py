"""Print the BLURB score of finished experiments: the mean over six types of tasks, or what is missing for it.

python scripts/blurb.py runs/tasks
"""

import argparse
from pathlib import Path

from recipe.cli import exit_with_one_line


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="folder of the results of scripts/finetune.py, as FOLDER/TASK/MODEL/SYSTEM",
    )
    arguments = parser.parse_args()

    def print_table() -> None:
        from recipe.tasks.experiments.blurb import blurb_table, read_systems

        print(blurb_table(read_systems(arguments.folder)), end="")

    exit_with_one_line(print_table)


if __name__ == "__main__":
    main()
