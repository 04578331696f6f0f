"""Prepare a large corpus by many tasks: clean text, tokenizer, token ids and pairs as the stages corpus, tokenizer and
pairs make them, byte for byte.

python scripts/prepare_cluster.py configs/pubmed-base-128.yaml --executor local --tasks 16 --workers 8
python scripts/prepare_cluster.py configs/pubmed-base-128.yaml --executor slurm --tasks 200 --partition cpu --time
4:00:00
python scripts/prepare_cluster.py configs/pubmed-base-128.yaml --executor ray --tasks 200

The same command goes on after an interruption; docs/cluster.md tells what it takes.
"""

import sys

from recipe.cli import exit_with_one_line, parse_recipe_and_options
from recipe.cluster.launch import add_options, launch


def main() -> None:
    """Read the command line and launch."""
    recipe, options = parse_recipe_and_options(__doc__, sys.argv[1:], add_options)
    launch(recipe, **options)


if __name__ == "__main__":
    exit_with_one_line(main)
