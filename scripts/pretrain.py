"""Pretrain the BERT of a recipe; the same command resumes. Writes RUN/model. The same as `domain-bert pretrain`.

accelerate launch --config_file configs/accelerate/ddp.yaml scripts/pretrain.py configs/pubmed-base-128.yaml
"""

import sys

from recipe.cli import main

if __name__ == "__main__":
    main(["pretrain", *sys.argv[1:]])
