"""Tokenise the corpus and write its next-sentence pairs. Writes RUN/store and RUN/pairs.

python scripts/build_pairs.py configs/demo.yaml
"""

from recipe.cli import run_with_recipe
from recipe.pipeline import run_stage

if __name__ == "__main__":
    run_with_recipe(lambda recipe: run_stage(recipe, "pairs"), __doc__)
