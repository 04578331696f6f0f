"""Find entities in text or PubMed XML by a fine-tuned model. Writes JSON lines, or HTML, to standard output while the
input comes in.

python scripts/predict.py runs/demo/task/pretrained/model abstracts.txt > entities.jsonl
zcat pubmed.xml.gz | python scripts/predict.py runs/demo/task/pretrained/model - --html > entities.html
"""

import argparse
import sys
from pathlib import Path

from recipe.cli import exit_with_one_line


def main() -> None:
    """Read the command line and predict."""
    parser = argparse.ArgumentParser(
        description=__doc__, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder of a model that was fine-tuned on entities")
    parser.add_argument(
        "file",
        metavar="FILE",
        help="text with a blank line between documents, or PubMed XML, also as .gz; - for standard input",
    )
    parser.add_argument("--html", action="store_true", help="a page with highlights instead of JSON lines")
    parser.add_argument("--use_cpu", action="store_true", help="stay on the CPU even where there is a GPU")
    arguments = parser.parse_args()

    def predict() -> None:
        from recipe.tasks.prediction.command import predict_file

        predict_file(arguments.model, arguments.file, arguments.html, arguments.use_cpu, sys.stdout)

    exit_with_one_line(predict)


if __name__ == "__main__":
    main()
