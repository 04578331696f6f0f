"""Tokenise the corpus and write its next-sentence pairs. Writes RUN/store and RUN/pairs.

python scripts/build_pairs.py configs/demo.yaml
"""

from recipe.cli import run_with_recipe
from recipe.config import Recipe
from recipe.pipeline import run_stage


def main(recipe: Recipe) -> None:
    """Run both stages."""
    run_stage(recipe, "tokens")
    run_stage(recipe, "pairs")


if __name__ == "__main__":
    run_with_recipe(main, __doc__)
