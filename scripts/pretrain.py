"""Pretrain the BERT of a recipe from scratch; the same command goes on after an interruption. Writes RUN/model.

python scripts/pretrain.py configs/demo.yaml
accelerate launch --config_file configs/accelerate/ddp.yaml scripts/pretrain.py configs/pubmed-base-128.yaml
--training.learning_rate=4e-4
"""

from recipe.cli import end_other_ranks, run_with_recipe
from recipe.pipeline import run_stage

if __name__ == "__main__":
    run_with_recipe(lambda recipe: run_stage(recipe, "pretrain"), __doc__)
    end_other_ranks()
