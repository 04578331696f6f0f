"""The metrics against counts made by hand and against slow implementations of their own."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score

from recipe.model.bert import SUMS, metrics_of
from recipe.pretraining.evaluation import MaskedLMMetric, NextSentenceMetric
from recipe.tasks.types.metrics import EntityF1

TAGS = st.sampled_from(["O", "B-A", "I-A", "B-B-C", "I-B-C"])


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@st.composite
def tagged_pairs(draw) -> tuple[list[list[str]], list[list[str]]]:
    """Predictions and references: up to five sentences of up to seven words, tags at random, so that most I- are
    stray.
    """
    lengths = draw(st.lists(st.integers(0, 7), max_size=5))
    one = st.tuples(*[st.lists(TAGS, min_size=length, max_size=length) for length in lengths]).map(list)
    return draw(one), draw(one)


def slow_entities(sentences: list[list[str]]) -> list[tuple]:
    """Strict IOB2 read off the definition: every (start, stop, type) is tried, and is an entity if its tags are B-X,
    I-X, ... and no I-X follows.
    """
    found = []
    for number, tags in enumerate(sentences):
        for start in range(len(tags)):
            for stop in range(start + 1, len(tags) + 1):
                name = tags[start][2:]
                whole = tags[start:stop] == [f"B-{name}", *[f"I-{name}"] * (stop - start - 1)]
                if whole and tags[stop : stop + 1] != [f"I-{name}"]:
                    found.append((number, start, stop, name))
    return found


def slow_scores(predicted: list[tuple], gold: list[tuple]) -> dict[str, float | None]:
    if not gold:
        return {**dict.fromkeys(("precision", "recall", "f1")), "support": 0}
    right = sum(entity in gold for entity in predicted)
    precision = right / len(predicted) if predicted else None
    f1 = 2 * right / (len(predicted) + len(gold))
    return {"precision": precision, "recall": right / len(gold), "f1": f1, "support": len(gold)}


@settings(max_examples=200, deadline=None)
@given(tagged_pairs())
def test_strict_scores_equal_a_slow_implementation(pair):
    predictions, references = pair
    scores = EntityF1().compute(predictions=predictions, references=references)
    predicted, gold = slow_entities(predictions), slow_entities(references)
    per_type = scores.pop("per_type")
    for found in (scores, *per_type.values()):
        assert ("reason" in found) == (None in found.values())
        found.pop("reason", None)
    assert scores == pytest.approx(slow_scores(predicted, gold))
    assert set(per_type) == {entity[3] for entity in predicted + gold}
    for name, found in per_type.items():
        assert found == pytest.approx(
            slow_scores([e for e in predicted if e[3] == name], [e for e in gold if e[3] == name])
        )


@settings(max_examples=200, deadline=None)
@given(tagged_pairs())
def test_conlleval_scores_equal_seqevals_default(pair):
    predictions, references = pair
    scores = EntityF1().compute(predictions=predictions, references=references, mode="conlleval")
    if predictions:
        arguments = (references, predictions)
        expected = [score(*arguments, zero_division=0) for score in (precision_score, recall_score, f1_score)]
        found = [scores["precision"], scores["recall"], scores["f1"]]
        # Where seqeval says 0 of nothing, there is no score.
        assert [value or 0 for value in found] == pytest.approx(expected)
        assert (None in found) == ("reason" in scores)
    assert sum(found["support"] for found in scores["per_type"].values()) == scores["support"]


def test_a_stray_tag_tells_the_modes_apart():
    arguments = {"predictions": [["O", "I-A", "I-A"]], "references": [["O", "B-A", "I-A"]]}
    assert EntityF1().compute(**arguments)["f1"] == 0.0
    assert EntityF1().compute(**arguments, mode="conlleval")["f1"] == 1.0


@pytest.mark.parametrize("mode", ["strict", "conlleval"])
@pytest.mark.parametrize("sentences", [[], [[]], [["O", "O"]]])
def test_without_a_gold_entity_there_is_no_score_and_no_warning(mode, sentences):
    scores = EntityF1().compute(predictions=sentences, references=sentences, mode=mode)
    none = dict.fromkeys(("precision", "recall", "f1"))
    assert scores == {**none, "support": 0, "reason": "the gold answers contain none", "per_type": {}}


@pytest.mark.parametrize("mode", ["strict", "conlleval"])
def test_entities_on_one_side_only_give_zero_without_a_warning(mode):
    scores = EntityF1().compute(predictions=[["B-A"]], references=[["B-B"]], mode=mode)
    assert scores["f1"] == 0.0
    assert scores["per_type"]["A"]["support"] == 0
    assert scores["per_type"]["B"]["support"] == 1


def test_a_sentence_of_unlike_lengths_is_named():
    with pytest.raises(ValueError, match=r"sentence 1 has 2 predictions but 1 references"):
        EntityF1().compute(predictions=[["O"], ["O", "O"]], references=[["O"], ["O"]])
    with pytest.raises(ValueError, match="Mismatch in the number"):
        EntityF1().compute(predictions=[["O"]], references=[["O"], ["O"]])


@pytest.mark.parametrize("arguments", [{"mode": "loose"}, {"references": [["X-A"]]}, {"predictions": [["B"]]}])
def test_an_unknown_mode_or_tag_is_an_error(arguments):
    with pytest.raises(ValueError, match=r"it takes strict|a tag is O, B-X or I-X"):
        EntityF1().compute(**{"predictions": [["O"]], "references": [["O"]], **arguments})


def test_batches_add_up():
    metric = EntityF1()
    metric.add_batch(predictions=[["B-A"]], references=[["B-A"]])
    metric.add_batch(predictions=[["B-A"], ["O"]], references=[["O"], ["B-A"]])
    scores = metric.compute()
    assert (scores["precision"], scores["recall"], scores["support"]) == (0.5, 0.5, 2)


def test_masked_accuracy_skips_what_is_not_masked():
    predictions, references = np.array([5, 6, 7, 8]), np.array([5, -100, 7, 9])
    assert MaskedLMMetric().compute(predictions=predictions, references=references) == {
        "accuracy": pytest.approx(2 / 3)
    }
    with pytest.raises(ValueError, match="no masked token among 2"):
        MaskedLMMetric().compute(predictions=[1, 2], references=[-100, -100])


def test_a_constant_guess_has_balanced_accuracy_one_half():
    scores = NextSentenceMetric().compute(predictions=[1] * 10, references=[1] * 7 + [0] * 3)
    assert scores == pytest.approx({"accuracy": 0.7, "balanced_accuracy": 0.5, "share_of_label_1": 0.7})


def test_balanced_accuracy_is_the_mean_of_both_recalls():
    scores = NextSentenceMetric().compute(predictions=[0, 1, 1, 1, 0], references=[0, 0, 1, 1, 1])
    assert scores == pytest.approx(
        {"accuracy": 3 / 5, "balanced_accuracy": (1 / 2 + 2 / 3) / 2, "share_of_label_1": 3 / 5}
    )


@pytest.mark.parametrize("label", [0, 1])
def test_of_one_label_there_is_no_accuracy(label):
    scores = NextSentenceMetric().compute(predictions=[1, 0], references=[label] * 2)
    assert scores == {"accuracy": None, "balanced_accuracy": None, "share_of_label_1": label}


def test_a_mean_over_nothing_is_left_out():
    def metrics(**sums):
        return metrics_of(torch.tensor([float(sums.get(name, 0)) for name in SUMS], dtype=torch.float64))

    assert metrics() == {}
    assert metrics(pairs=4, nsp_loss=2, nsp_correct=4) == {"nsp_loss": 0.5}
    assert metrics(pairs=4, nsp_loss=2, nsp_correct=4, label_1=4, label_1_correct=4) == {"nsp_loss": 0.5}
    assert set(metrics(pairs=4, label_1=1, masked_tokens=3)) == {
        "mlm_loss",
        "mlm_accuracy",
        "nsp_loss",
        "nsp_accuracy",
        "nsp_balanced_accuracy",
    }


@pytest.mark.parametrize("labels", [[], [0, 2], [-100]])
def test_labels_that_are_no_next_sentence_labels_are_an_error(labels):
    with pytest.raises(ValueError, match="next-sentence labels"):
        NextSentenceMetric().compute(predictions=[0] * len(labels), references=labels)
