"""Prepare a large corpus by many tasks. The same as `domain-bert cluster`."""

import sys

from recipe.cli import main

if __name__ == "__main__":
    main(["cluster", *sys.argv[1:]])
