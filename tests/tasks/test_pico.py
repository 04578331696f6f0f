"""PICO: word-level macro F1 against a count of its own, every word scored once at any length, tags of any scheme,
files that are refused.
"""

from random import Random

import numpy as np
import pytest
from made_up_task import build_tokenizer

from recipe.errors import InputError
from recipe.tasks.data.columns import TaggedSentence
from recipe.tasks.types.ner import prediction_lines
from recipe.tasks.types.pico import TASK_TYPE, counts_by_sentence, read, word_scores

GOOD = "-DOCSTART-\tO\n\nrats\tI-PAR\nwith\tI-PAR\nfever\tI-OUT\n.\tO\n\nzinc\tI-INT\n"
TAGS = ["O", "I-INT", "I-OUT", "I-PAR"]


def write(folder, test: str):
    for name, text in (("train", GOOD), ("dev", GOOD), ("test", test)):
        (folder / f"{name}.tsv").write_text(text)
    return folder


@pytest.mark.parametrize(
    "test", [GOOD, GOOD.replace("rats\tI", "rats\tB").replace("fever\tI", "fever\tB").replace("zinc\tI", "zinc\tB")]
)
def test_words_have_a_type_or_none_in_any_scheme(tmp_path, test):
    task = read(write(tmp_path, test))
    assert task.test == [
        TaggedSentence(["rats", "with", "fever", "."], ["I-PAR", "I-PAR", "I-OUT", "O"]),
        TaggedSentence(["zinc"], ["I-INT"]),
    ]
    assert task.labels == TAGS
    assert task.counts() == {
        "sentences": dict.fromkeys(("train", "devel", "test"), 2),
        "words with a type": dict.fromkeys(("train", "devel", "test"), 4),
    }
    assert "2 / 2 / 2 sentences, 4 / 4 / 4 words with a type (train / devel / test)" in task.summary()


@pytest.mark.parametrize(
    ("test", "message"),
    [("rats\tPAR\n", r"test\.tsv, line 1: 'PAR' is not a tag"), ("rats\n", r"test\.tsv, line 1: .* has 1 columns")],
)
def test_bad_files_are_named(tmp_path, test, message):
    with pytest.raises(InputError, match=message):
        read(write(tmp_path, test))


@pytest.mark.parametrize("seed", range(100))
def test_scores_are_those_of_counted_words(seed):
    draw = Random(seed)
    gold = [[draw.choice(TAGS) for _ in range(draw.randint(1, 9))] for _ in range(draw.randint(1, 9))] + [["I-OUT"]]
    predicted = [[tag if draw.random() < 0.5 else draw.choice([*TAGS, "I-NEW"]) for tag in tags] for tags in gold]
    sentences = [TaggedSentence(["w"] * len(tags), tags) for tags in gold]
    scores = word_scores(sentences, predicted)
    pairs = [pair for both in zip(gold, predicted, strict=True) for pair in zip(*both, strict=True)]
    f1s = []
    for tag in sorted({tag for tag, _ in pairs} - {"O"}):
        right, expected, found = (
            sum(test(g, p) for g, p in pairs)
            for test in (lambda g, p, t=tag: g == p == t, lambda g, _, t=tag: g == t, lambda _, p, t=tag: p == t)
        )
        f1s.append(2 * right / (expected + found))
    assert scores["f1"] == pytest.approx(np.mean(f1s))
    assert scores["support"] == sum(tag != "O" for tag, _ in pairs)
    units = counts_by_sentence(prediction_lines(sentences, predicted))
    assert len(units) == len(gold)
    assert TASK_TYPE.score_of(units.sum(0)) == pytest.approx(scores["f1"])


@pytest.mark.parametrize("max_seq_length", [8, 32])
def test_every_word_is_scored_once_at_any_length(tmp_path, max_seq_length):
    task = read(write(tmp_path, GOOD + "".join(f"{word}\tI-OUT\n" for word in ["renal", "carbonate", "zinc"] * 9)))
    split = TASK_TYPE.encode(task, build_tokenizer(), max_seq_length)["test"]
    scores = split.score([row.labels for row in split.rows])
    assert (scores["f1"], scores["support"], split.truncated) == (1.0, 31, 0)
    split.rows[0].labels[0] = 0
    with pytest.raises(RuntimeError, match="scored 32 words, not the 32 of the task with their own tags"):
        split.score([row.labels for row in split.rows])


def test_the_dictionary_gives_each_word_its_most_frequent_tag(tmp_path):
    text, scores = TASK_TYPE.baselines["dictionary"](read(write(tmp_path, "Zinc\tI-INT\nnew\tI-PAR\n.\tO\n")))
    assert text == "Zinc\tI-INT\tI-INT\nnew\tI-PAR\tO\n.\tO\tO\n\n"
    assert scores["f1"] == 0.5
