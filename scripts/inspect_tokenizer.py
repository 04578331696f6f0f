"""Show how a tokenizer cuts words, next to others. The same as `domain-bert inspect-tokenizer`."""

import sys

from recipe.cli import main

if __name__ == "__main__":
    main(["inspect-tokenizer", *sys.argv[1:]])
