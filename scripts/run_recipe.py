"""Run all stages of a recipe, from text to report; what is done and unchanged is skipped.

python scripts/run_recipe.py configs/demo.yaml
python scripts/run_recipe.py configs/pubmed-base-128.yaml --until pairs
"""

import sys

from recipe.cli import exit_with_one_line, parse_recipe_and_options
from recipe.pipeline import run_all


def main() -> None:
    """Read the command line and run."""
    recipe, options = parse_recipe_and_options(
        __doc__,
        sys.argv[1:],
        lambda parser: parser.add_argument("--until", metavar="STAGE", help="last stage that is run, such as pairs"),
    )
    run_all(recipe, **options)


if __name__ == "__main__":
    exit_with_one_line(main)
