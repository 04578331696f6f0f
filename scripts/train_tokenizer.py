"""Train the WordPiece tokenizer of a recipe. Writes RUN/tokenizer. The same as `domain-bert tokenizer`."""

import sys

from recipe.cli import main

if __name__ == "__main__":
    main(["tokenizer", *sys.argv[1:]])
