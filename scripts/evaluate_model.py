"""Score the pretrained model on the validation pairs. Writes RUN/evaluation.json.

python scripts/evaluate_model.py configs/demo.yaml
"""

from recipe.cli import run_with_recipe
from recipe.pipeline import run_stage

if __name__ == "__main__":
    run_with_recipe(lambda recipe: run_stage(recipe, "evaluate"), __doc__)
