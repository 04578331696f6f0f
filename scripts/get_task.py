"""Download a task's files and check them. The same as `domain-bert get-task`."""

import sys

from recipe.cli import main

if __name__ == "__main__":
    main(["get-task", *sys.argv[1:]])
