"""Upload a finished run to the Hub, private unless --public. The same as `domain-bert push`."""

import sys

from recipe.cli import main

if __name__ == "__main__":
    main(["push", *sys.argv[1:]])
