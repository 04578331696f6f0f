"""The plain way of benchmarks/finetune.py: its rows, and the table."""

import sys

import pytest
from conftest import ROOT
from made_up_task import LABELS, build_tokenizer, made_up_sentences

sys.path.append(str(ROOT / "benchmarks"))

from finetune import _padded_row, rows_of

from recipe.tasks.types.windows import make_windows


def test_rows_are_padded_to_128_and_labelled_at_first_pieces():
    tokenizer = build_tokenizer()
    sentence = made_up_sentences("test")[1]
    row = _padded_row(sentence, tokenizer, LABELS)
    (window,) = make_windows([sentence.words], tokenizer, 128)
    assert {name: len(values) for name, values in row.items()} == dict.fromkeys(
        ("input_ids", "attention_mask", "labels"), 128
    )
    assert row["input_ids"][: len(window.input_ids)] == window.input_ids
    assert [position for position, label in enumerate(row["labels"]) if label != -100] == window.positions
    assert [LABELS[row["labels"][position]] for position in window.positions] == sentence.tags


def test_speed_is_the_share_of_the_time():
    runs = {"padded to 128": [{"seconds": 40.0, "f1": 0.8, "train": 10, "devel": 10, "epochs": 2}], "ours": []}
    runs["ours"] = [
        {"seconds": seconds, "f1": f1, "train": 10, "devel": 10, "epochs": 2}
        for seconds, f1 in ((8.0, 0.8), (12.0, 0.9))
    ]
    padded, ours = rows_of(runs)
    assert (padded["speed"], padded["rate"], padded["seeds"]) == (1.0, 1.0, 1)
    assert ours["speed"] == 4.0
    assert (ours["f1"], ours["deviation"]) == (pytest.approx(85), pytest.approx(7.07, abs=0.01))
