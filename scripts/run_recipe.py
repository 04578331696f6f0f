"""Run all stages of a recipe, from text to report; what is done and unchanged is skipped.

python scripts/run_recipe.py configs/demo.yaml
"""

from recipe.cli import run_with_recipe
from recipe.pipeline import run_all

if __name__ == "__main__":
    run_with_recipe(run_all, __doc__)
