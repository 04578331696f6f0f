"""Compare two results on one task by a paired bootstrap. The same as `domain-bert compare`."""

import sys

from recipe.cli import main

if __name__ == "__main__":
    main(["compare", *sys.argv[1:]])
