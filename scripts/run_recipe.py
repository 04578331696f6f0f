"""Run all stages of a recipe, from text to report. The same as `domain-bert run`."""

import sys

from recipe.cli import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
