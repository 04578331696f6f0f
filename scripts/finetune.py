"""Fine-tune and evaluate a model on a task. With a recipe: the stage "task" of a run, which writes RUN/task.

python scripts/finetune.py configs/demo.yaml
python scripts/finetune.py configs/demo.yaml --task.name=bc5-chem --task.baselines='[random, dictionary]'

With --model: any checkpoint by a protocol (a grid chosen on devel, several seeds, one test evaluation), which writes
runs/tasks/TASK/MODEL. The same command continues where it was stopped. Of a job array, job I of N takes --shard I/N;
run shard 1 again when all are done.

python scripts/finetune.py --model runs/demo/model --task bc5-chem --protocol small
python scripts/finetune.py --model runs/demo/model --task bc5-chem --baseline random --learning_rate 1e-4,2e-4
accelerate launch --num_processes 8 scripts/finetune.py --model runs/demo/model --task bc5-chem --protocol blurb
"""

import sys

from recipe.cli import exit_with_one_line, run_with_recipe
from recipe.pipeline import run_stage


def main() -> None:
    """Run the protocol of the command line."""
    from recipe.tasks.experiments.command import finetune, parse_arguments

    finetune(**parse_arguments(__doc__, sys.argv[1:]))


if __name__ == "__main__":
    # A recipe comes first and without a name, as with every other stage.
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        run_with_recipe(lambda recipe: run_stage(recipe, "task"), __doc__)
    else:
        exit_with_one_line(main)
