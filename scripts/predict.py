"""Find entities in text or PubMed XML. The same as `domain-bert predict`."""

import sys

from recipe.cli import main

if __name__ == "__main__":
    main(["predict", *sys.argv[1:]])
