"""Runs in a venv of its own: TextDatasetForNextSentencePrediction of transformers 4 over a text.

python transformers_nsp.py build TEXT VOCABULARY MAX_SEQ_LENGTH fast|slow    # leaves its pickle next to TEXT
python transformers_nsp.py count PICKLE MAX_SEQ_LENGTH                       # prints JSON
"""

import json
import os
import pickle
import random
import sys

os.environ["HF_HUB_OFFLINE"] = "1"


def build(text: str, vocabulary: str, max_seq_length: str, kind: str) -> None:
    from transformers import BertTokenizer, BertTokenizerFast, TextDatasetForNextSentencePrediction

    random.seed(1)
    tokenizer = {"fast": BertTokenizerFast, "slow": BertTokenizer}[kind](vocab_file=vocabulary, do_lower_case=True)
    TextDatasetForNextSentencePrediction(tokenizer, text, int(max_seq_length))


def count(path: str, max_seq_length: str) -> None:
    """Rows, overlong rows, label 1; and rows of label 1 whose segments consist of the same single token (for the text
    of two documents).
    """
    with open(path, "rb") as file:
        rows = pickle.load(file)
    random_rows = [row for row in rows if row["next_sentence_label"].item() == 1]
    counts = {
        "pairs": len(rows),
        "overlong": sum(len(row["input_ids"]) > int(max_seq_length) for row in rows),
        "label_1": len(random_rows),
        # Two special tokens and one other: A and B are of one document.
        "one_word_rows": sum(len(set(row["input_ids"].tolist())) == 3 for row in random_rows),
    }
    print(json.dumps(counts))


if __name__ == "__main__":
    {"build": build, "count": count}[sys.argv[1]](*sys.argv[2:])
