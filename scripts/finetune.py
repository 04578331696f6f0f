"""Fine-tune and evaluate on a task: a recipe's, or any checkpoint by --model. The same as `domain-bert finetune`."""

import sys

from recipe.cli import main

if __name__ == "__main__":
    main(["finetune", *sys.argv[1:]])
