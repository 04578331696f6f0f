"""Train the WordPiece tokenizer of a recipe on its training documents. Writes RUN/tokenizer.

python scripts/train_tokenizer.py configs/demo.yaml
"""

from recipe.cli import run_with_recipe
from recipe.pipeline import run_stage

if __name__ == "__main__":
    run_with_recipe(lambda recipe: run_stage(recipe, "tokenizer"), __doc__)
