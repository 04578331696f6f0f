"""How a tokenizer cuts words: pieces per word, share of whole words, longest splits, [UNK]; on any text and task,
beside other tokenizers.

python scripts/inspect_tokenizer.py runs/demo/tokenizer --text my_texts/ --task BC5CDR-chem-IOB --beside
path/to/bert-base-uncased --output fertility
"""

import sys

from recipe.cli import exit_with_one_line
from recipe.report.inspection import inspect_from_command_line

if __name__ == "__main__":
    exit_with_one_line(lambda: inspect_from_command_line(__doc__, sys.argv[1:]))
