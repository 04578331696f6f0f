"""Tokenise the corpus and write next-sentence pairs. The same as `domain-bert pairs`."""

import sys

from recipe.cli import main

if __name__ == "__main__":
    main(["pairs", *sys.argv[1:]])
