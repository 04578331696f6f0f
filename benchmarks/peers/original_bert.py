"""Runs in a venv of its own: the original BERT script, create_pretraining_data.py as tf-models-official ships it,
without its masking.

python original_bert.py build TEXT VOCABULARY MAX_SEQ_LENGTH OUTPUT    # one pass; OUTPUT is a TFRecord file
python original_bert.py count OUTPUT MAX_SEQ_LENGTH                    # prints JSON
"""

import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def build(text: str, vocabulary: str, max_seq_length: str, output: str) -> None:
    from absl import app
    from official.nlp.data import create_pretraining_data as original

    # The pair builder alone is compared. max_predictions_per_seq=0 would still shuffle every row's tokens, so the call
    # is taken out.
    original.create_masked_lm_predictions = lambda tokens, *rest: (tokens, [], [])
    flags = {
        "input_file": text,
        "output_file": output,
        "vocab_file": vocabulary,
        "max_seq_length": max_seq_length,
        "dupe_factor": 1,
    }
    app.run(
        original.main,
        [
            sys.argv[0],
            "--do_lower_case",
            "--max_predictions_per_seq=0",
            *(f"--{name}={value}" for name, value in flags.items()),
        ],
    )


def count(path: str, max_seq_length: str) -> None:
    """Rows, overlong rows, label 1; and rows of label 1 whose segments consist of the same single token (for the text
    of two documents).
    """
    import tensorflow

    counts = {"pairs": 0, "overlong": 0, "label_1": 0, "one_word_rows": 0}
    for record in tensorflow.data.TFRecordDataset(path):
        features = tensorflow.train.Example.FromString(record.numpy()).features.feature
        length = sum(features["input_mask"].int64_list.value)
        label = features["next_sentence_labels"].int64_list.value[0]
        tokens = features["input_ids"].int64_list.value[:length]
        counts["pairs"] += 1
        counts["overlong"] += length > int(max_seq_length)
        counts["label_1"] += label
        counts["one_word_rows"] += label == 1 and len(set(tokens)) == 3
    print(json.dumps(counts))


if __name__ == "__main__":
    {"build": build, "count": count}[sys.argv[1]](*sys.argv[2:])
