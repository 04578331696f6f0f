"""Score the model on the validation pairs. Writes RUN/evaluation.json. The same as `domain-bert evaluate`."""

import sys

from recipe.cli import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
