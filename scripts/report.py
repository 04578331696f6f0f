"""Write RUN/report.html, its plots and the model card. The same as `domain-bert report`."""

import sys

from recipe.cli import main

if __name__ == "__main__":
    main(["report", *sys.argv[1:]])
