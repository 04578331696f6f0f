"""Fine-tune and score the pretrained model, and the same model with random weights, on named entities. Writes
RUN/task.

python scripts/finetune_ner.py configs/demo.yaml
python scripts/finetune_ner.py configs/demo.yaml --task.data=BC5CDR-chem-IOB
"""

from recipe.cli import run_with_recipe
from recipe.pipeline import run_stage

if __name__ == "__main__":
    run_with_recipe(lambda recipe: run_stage(recipe, "task"), __doc__)
