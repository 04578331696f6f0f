"""Compare two results of scripts/finetune.py on one task by a paired bootstrap over sentences and seeds. Prints the
difference and its 95 % interval.

python scripts/compare.py runs/tasks/bc5-chem/my-bert/pretrained runs/tasks/bc5-chem/my-bert/random_initialisation
"""

import argparse
from pathlib import Path

from recipe.cli import exit_with_one_line


def main() -> None:
    """Read the command line and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", type=Path, metavar="A", help="folder of a system, with result.json and predictions/")
    parser.add_argument("second", type=Path, metavar="B", help="folder of another one on the same task")
    parser.add_argument("--samples", type=int, default=10_000, help="samples that are drawn; default: 10,000")
    parser.add_argument("--seed", type=int, default=1, help="where the draws start; default: 1")
    arguments = parser.parse_args()

    def compare_both() -> None:
        from recipe.tasks.experiments.comparison import compare

        print(compare(arguments.first, arguments.second, arguments.samples, arguments.seed).line())

    exit_with_one_line(compare_both)


if __name__ == "__main__":
    main()
