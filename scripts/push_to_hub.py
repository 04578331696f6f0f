"""Upload a finished run to the Hub, private unless --public is given; log in first with `hf auth login`.

python scripts/push_to_hub.py runs/demo --repo NAME/MODEL
"""

import argparse
from pathlib import Path

from recipe.cli import exit_with_one_line


def main() -> None:
    """Read the command line and push."""
    parser = argparse.ArgumentParser(
        description=__doc__, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of the run, such as runs/demo")
    parser.add_argument("--repo", metavar="NAME/MODEL", help="repository; default: hub.repo of the run's recipe")
    parser.add_argument(
        "--public", action="store_true", help="make a new repository public; default: hub.private of the run's recipe"
    )
    arguments = parser.parse_args()

    def push() -> None:
        from recipe.report.push import push_run

        print(push_run(arguments.run, arguments.repo, arguments.public))

    exit_with_one_line(push)


if __name__ == "__main__":
    main()
