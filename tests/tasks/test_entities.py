"""Entities of tags against seqeval, in both readings."""

import warnings
from collections.abc import Sequence
from random import Random

import pytest
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support as conlleval_scores
from seqeval.metrics.v1 import precision_recall_fscore_support as strict_scores
from seqeval.scheme import IOB2

from recipe.tasks.data.entities import EntityCounts, conlleval_entities, count_entities_of, strict_entities

CASES = 3000
TAGS = ["O", "O", "B-A", "I-A", "B-B-C", "I-B-C"]


def random_case(draw: Random) -> tuple[list[list[str]], list[list[str]]]:
    """Gold and predicted tags of one to five sentences; the predictions copy some of the gold, so that entities are
    right.
    """
    gold = [draw.choices(TAGS, k=draw.randint(1, 9)) for _ in range(draw.randint(1, 5))]
    kept = draw.random()
    return gold, [[tag if draw.random() < kept else draw.choice(TAGS) for tag in tags] for tags in gold]


@pytest.mark.parametrize("mode", ["strict", "conlleval"])
def test_3000_random_cases_equal_seqeval(mode):
    draw, right = Random(7), 0
    arguments = {"scheme": IOB2} if mode == "strict" else {}
    score = strict_scores if mode == "strict" else conlleval_scores
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(CASES):
            gold, predicted = random_case(draw)
            counts = count_entities_of(gold, predicted, mode)
            scores = counts.scores()
            precision, recall, f1, _ = score(gold, predicted, average="micro", zero_division=0, **arguments)
            assert_equal(scores, (precision, recall, f1))
            rows = [
                list(row)
                for row in zip(*score(gold, predicted, average=None, zero_division=0, **arguments), strict=True)
            ]
            assert len(rows) == len(scores["per_type"])
            for ours, row in zip(scores["per_type"].values(), rows, strict=True):
                assert_equal(ours, row[:3])
                assert ours["support"] == row[3]
            assert scores["support"] == sum(row[3] for row in rows)
            right += counts.right.total()
    assert right > CASES, "hardly an entity was right: the cases show nothing"


def assert_equal(ours: dict, theirs: Sequence[float]) -> None:
    """The scores are seqeval's; where it divides by nothing, or nothing is gold, they are None with a reason."""
    for key, value in zip(("precision", "recall", "f1"), theirs, strict=True):
        assert value == 0.0 if ours[key] is None else ours[key] == pytest.approx(value)
    assert (ours["recall"] is None) == (ours["f1"] is None) == (ours["support"] == 0)
    assert (None in ours.values()) == ("reason" in ours)


def test_a_stray_tag_tells_the_readings_apart():
    tags = ["I-A", "O", "B-A", "I-B", "I-B", "B-B", "I-B"]
    assert strict_entities(tags) == [(2, 3, "A"), (5, 7, "B")]
    assert conlleval_entities(tags) == [(0, 1, "A"), (2, 3, "A"), (3, 5, "B"), (5, 7, "B")]


def test_counts_add_up_over_sentences():
    counts = EntityCounts()
    counts.add([(0, 1, "A")], [(0, 1, "A"), (2, 3, "B")])
    counts.add([(0, 2, "A")], [])
    scores = counts.scores()
    assert (scores["precision"], scores["recall"], scores["f1"], scores["support"]) == (0.5, 0.5, 0.5, 2)
    nothing = {"precision": None, "recall": None, "f1": None, "support": 0, "reason": "the gold answers contain none"}
    assert scores["per_type"]["B"] == nothing
