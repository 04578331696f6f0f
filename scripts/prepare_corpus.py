"""Read, split and clean the corpus of a recipe. Writes RUN/corpus. The same as `domain-bert corpus`."""

import sys

from recipe.cli import main

if __name__ == "__main__":
    main(["corpus", *sys.argv[1:]])
