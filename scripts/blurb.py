"""Print the BLURB score of finished experiments. The same as `domain-bert blurb`."""

import sys

from recipe.cli import main

if __name__ == "__main__":
    main(["blurb", *sys.argv[1:]])
