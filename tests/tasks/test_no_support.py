"""No number without support: a score over nothing is a dash with its reason, from the metric to the model card."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import run_script
from hypothesis import given
from hypothesis import strategies as st
from made_up_task import write_checkpoint
from made_up_texts import HALLMARKS

from recipe.errors import InputError
from recipe.report.key_numbers import key_numbers
from recipe.report.model_card import task_results
from recipe.report.plots import png_of, task_scores_figure
from recipe.report.run_files import RunFiles
from recipe.tasks.catalog import TASK_TYPES, NamedTask, TaskEntry, read_checked
from recipe.tasks.experiments.blurb import blurb_table, read_systems
from recipe.tasks.experiments.comparison import compare
from recipe.tasks.experiments.results import mean_and_deviation, reason_in, score_in, table_of
from recipe.tasks.experiments.stage import summarize
from recipe.tasks.finetuning.training import BestEpoch
from recipe.tasks.types.metrics import EntityF1, LabelF1, PearsonCorrelation, WordF1
from recipe.tasks.types.ner import TASK_TYPE as NER
from recipe.tasks.types.questions import AnswerReading
from recipe.tasks.types.relations import RelationReading
from recipe.tasks.types.similarity import TASK_TYPE as SIMILARITY

TAGS = st.lists(st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y"]), min_size=1, max_size=4), max_size=4)
NUMBERS = st.lists(st.sampled_from([0.0, 1.0, 2.5]), max_size=4)
RATIOS = {"precision", "recall", "f1", "accuracy", "macro_f1", "pearson"}
# Files of each type: text for two different answers, for one, and what the message calls the one.
FILES = {
    "ner": ("x\tB-X\ny\tO\n", "x\tO\ny\tO\n", "contains no entity"),
    "pico": ("x\tI-PAR\ny\tO\n", "x\tI-PAR\ny\tB-PAR\n", "has one answer only, 'I-PAR'"),
    "relations": ("1\t@A$ x\tR\n2\t@A$ y\tfalse\n", "1\t@A$ x\tfalse\n2\t@A$ y\tfalse\n", "only, 'false'"),
    "similarity": ("1\tx\ty\t2\n2\tx\tz\t3\n", "1\tx\ty\t2\n2\tx\tz\t2.0\n", "only, 2"),
    "documents": (
        f"{HALLMARKS[0]}\tx\t1_s0\nnone\ty\t2_s0\n",
        "none\tx\t1_s0\nnone\ty\t2_s0\n",
        "only, without a label",
    ),
    "questions": ("1\tx\ty\tyes\n2\tx\tz\tno\n", "1\tx\ty\tyes\n2\tx\tz\tyes\n", "only, 'yes'"),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "relations": {"positive": ["R"]},
    "documents": {"labels": HALLMARKS},
    "questions": {"answers": ["yes", "no"]},
}


def all_scores(scores: dict) -> Iterator[dict]:
    """The scores and all that are inside of them."""
    yield scores
    for value in scores.values():
        if isinstance(value, dict):
            yield from all_scores(value)


def assert_supported(scores: dict) -> None:
    """Each ratio is a number with support, or None with a reason; nothing is NaN."""
    for inner in all_scores(scores):
        ratios = {name: value for name, value in inner.items() if name in RATIOS}
        assert not any(value is not None and math.isnan(value) for value in ratios.values())
        if inner.get("support") == 0:
            # The support of an accuracy is the number of texts.
            assert {value for name, value in ratios.items() if name != "accuracy"} <= {None}, inner
        for name, value in ratios.items():
            if value is None and name != "accuracy":
                assert inner["reason"], inner
    json.dumps(scores, allow_nan=False)


@given(TAGS, st.data())
def test_every_ratio_of_entities_and_words_has_support_or_is_none(gold, data):
    predicted = [
        data.draw(st.lists(st.sampled_from(["O", "B-X", "I-X"]), min_size=len(s), max_size=len(s))) for s in gold
    ]
    assert_supported(EntityF1().compute(predictions=predicted, references=gold, mode="both") if gold else {})
    types = [[[tag[2:] for tag in tags] for tags in side] for side in (predicted, gold)]
    scores = WordF1().compute(predictions=types[0], references=types[1]) if gold else {"f1": None, "reason": "nothing"}
    assert (scores["f1"] is None) == (not any(name for names in types[1] for name in names))
    assert_supported({**scores, "reason": "see micro"})


@given(st.lists(st.tuples(*[st.lists(st.sampled_from("abc"), unique=True)] * 2), min_size=1, max_size=5))
def test_every_ratio_of_labels_has_support_or_is_none(pairs):
    gold, predicted = zip(*pairs, strict=True)
    assert_supported(LabelF1().compute(predictions=predicted, references=gold, labels=["a", "b", "c"]))
    classes = [(gold[0] if gold else "false", found[0] if found else "false") for gold, found in pairs]
    assert_supported(RelationReading(["false", "a", "b", "c"]).scores(*zip(*classes, strict=True)))
    assert_supported(AnswerReading(["false", "a", "b", "c"]).scores(*zip(*classes, strict=True)))


@given(NUMBERS, st.data())
def test_a_correlation_has_two_sides_that_vary_or_is_none(gold, data):
    predicted = data.draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=len(gold), max_size=len(gold)))
    scores = PearsonCorrelation().compute(predictions=predicted, references=gold) if gold else {}
    if gold:
        assert (scores["pearson"] is None) == (len({*gold}) < 2 or len({*predicted}) < 2)
        side = "gold scores" if len({*gold}) < 2 else "predictions"
        assert scores.get("reason", f"all {side} are the same number") == f"all {side} are the same number"
    assert_supported(scores)


@pytest.mark.parametrize("split", ["train", "devel", "test"])
@pytest.mark.parametrize("task_type", FILES)
def test_a_split_of_one_answer_is_refused_before_training(tmp_path, task_type, split):
    two, one, message = FILES[task_type]
    entry = TaskEntry("mine", task_type, options=OPTIONS.get(task_type, {}))
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.tsv").write_text(two)
    read_checked(entry, tmp_path)
    (tmp_path / f"{'dev' if split == 'devel' else split}.tsv").write_text(one)
    with pytest.raises(InputError, match=f"{split} .*{message}.*, so ") as refused:
        read_checked(entry, tmp_path)
    assert "\n" not in str(refused.value)
    task = TASK_TYPES[task_type].read(tmp_path, **entry.options)
    with pytest.raises(InputError, match=r"max_test_examples 9: .*; raise the limit"):
        NamedTask(entry, TASK_TYPES[task_type], task, [], "").cut(9, 9)


def test_the_command_refuses_a_devel_split_without_entities_in_one_line(tmp_path):
    data = tmp_path / "task"
    data.mkdir()
    for name in ("train", "devel", "test"):
        (data / f"{name}.tsv").write_text("x\tB-X\ny\tO\n" if name != "devel" else "x\tO\ny\tO\n")
    checkpoint = write_checkpoint(tmp_path / "model")
    done = run_script("finetune", "--model", str(checkpoint), "--task", str(data), "--protocol", "quick")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "devel contains no entity: every word is O, so it cannot choose an epoch; " in line


def test_an_epoch_without_a_score_is_no_better_than_one_with_any():
    scores = iter([None, -0.5, None, -0.7])
    best = BestEpoch(lambda model: next(scores), patience=None)
    for epoch in range(4):
        best.on_epoch_end(None, None, None, model=Numbered(epoch))
    assert (best.best_score, best.epoch, best.weights["epoch"]) == (-0.5, 2, 1)
    never = BestEpoch(lambda model: None, patience=None)
    for epoch in range(2):
        never.on_epoch_end(None, None, None, model=Numbered(epoch))
    assert (never.best_score, never.epoch, never.weights["epoch"]) == (None, 1, 0)


class Numbered:
    """A model whose only weight is a number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self}

    def detach(self) -> "Numbered":
        return self

    def to(self, device: str, copy: bool) -> int:
        return self.number


RUNS = [
    {"f1": 0.5, "precision": 0.5, "support": 4, "unseen": {"recall": None, "support": 0, "reason": "R1"}},
    {"f1": 0.7, "precision": None, "support": 4, "reason": "R2", "unseen": {"recall": None, "support": 0}},
]


def test_a_mean_over_fewer_seeds_is_not_given():
    assert mean_and_deviation(RUNS, "precision") == mean_and_deviation(RUNS, "unseen.recall") == (None, None)
    assert mean_and_deviation(RUNS, "f1")[0] == pytest.approx(0.6)
    assert mean_and_deviation(RUNS[:1], "f1") == (0.5, None), "one run has no deviation"
    assert [reason_in(RUNS, name) for name in ("f1", "precision", "unseen.recall")] == [None, "R2", "R1"]
    # As results were written before: a recall of 0 over nothing. The support is that of test, not of devel.
    old = {"f1": 0.0, "support": 0, "devel_score": 0.4}
    assert (score_in(old, "f1"), score_in(old, "devel_score")) == (None, 0.4)


def test_the_table_has_a_dash_and_its_reason_and_stands_last():
    def result(system: str, score: float | None) -> dict[str, Any]:
        return {"system": system, "runs": [{"pearson": score, "support": 3, "reason": "R"}]}

    lines = table_of([result("flat", None), result("bad", -0.4), result("good", 0.8)], SIMILARITY).splitlines()
    assert [line.split(" | ")[:2] for line in lines[2:5]] == [
        ["| good", "80.0 %"],
        ["| bad", "-40.0 %"],
        ["| flat", "–"],
    ]
    assert lines[5:] == ["", "flat: no pearson, since R"]


def scores_json(mean: float | None, baseline: float | None) -> dict[str, Any]:
    systems = {
        name: summarize(
            {"runs": [{"f1": score, "precision": None, "support": 3, "reason": "R"}]}, "f1", ("precision",)
        )
        for name, score in (("pretrained", mean), ("dictionary", baseline))
    }
    names = {"task": "t", "title": "x", "hub_task": "token-classification", "metric": "F1", "score": "f1"}
    return {**names, "columns": ["precision"], "counts": {}, "systems": systems}


@pytest.mark.parametrize(("mean", "baseline"), [(0.5, 0.4), (0.5, None), (None, 0.4), (None, None)])
def test_key_numbers_card_and_plot_have_no_number_of_nothing(mean, baseline):
    task = scores_json(mean, baseline)
    (row,) = key_numbers(RunFiles(Path(), task=task))
    assert row.value == ("–" if mean is None else "50.0 %")
    assert (row.is_better is None) == (mean is None or baseline is None)
    assert ("since R" in row.note + row.baseline_name) == (mean is None or baseline is None)
    assert [result.metric_type for result in task_results(task)] == ([] if mean is None else ["f1"])
    assert png_of(task_scores_figure({"a": [mean, 0.2], "b": [baseline]}, "F1"))


def write_result(folder: Path, task: str, score: float | None, **more: Any) -> Path:
    task_type = {"gad": "relations", "biosses": "similarity", "bc5-chem": "ner", "bc2gm": "ner"}[task]
    runs = [{TASK_TYPES[task_type].score: score, "support": 3, "reason": "R"}]
    (folder / "predictions").mkdir(parents=True)
    result = {"task": task, "task_type": task_type, "system": "pretrained", "runs": runs}
    (folder / "result.json").write_text(json.dumps({**result, **more}))
    return folder


def test_a_task_without_a_score_makes_the_average_a_dash(tmp_path):
    write_result(tmp_path / "a" / "base" / "pretrained", "bc5-chem", 0.5)
    write_result(tmp_path / "b" / "base" / "pretrained", "bc2gm", None)
    (system,) = read_systems(tmp_path)
    assert (system.score(), system.scores, system.reasons) == (None, {"bc5-chem": 0.5}, {"bc2gm": "R"})
    table = blurb_table([system])
    assert "| base/pretrained | – | – |" in table
    assert "not complete: bc2gm has no score, since R; missing bc5-disease" in table


def test_a_comparison_without_a_score_says_why(tmp_path):
    for name, found in (("flat", (1.0, 1.0, 1.0)), ("good", (0.1, 0.6, 0.8))):
        folder = write_result(tmp_path / name, "biosses", None if name == "flat" else 0.9)
        lines = [
            f"{n}\tx\ty\t{gold}\t{one}\n" for n, (gold, one) in enumerate(zip((0.0, 1.0, 2.0), found, strict=True))
        ]
        (folder / "predictions" / "seed-1.tsv").write_text("".join(lines))
    found = compare([tmp_path / "good"], [tmp_path / "flat"], samples=50)
    assert (found.scores[1], found.low, found.samples) == (None, None, 0)
    assert found.line().endswith(f"flat –: no difference; {tmp_path / 'flat'} has no score, since R")
    # A draw of one pair three times has no correlation: it is left out, and the samples that count are said.
    same = compare([tmp_path / "good"], [tmp_path / "good"], samples=200)
    assert 100 < same.samples < 200
    assert (same.low, same.high) == (0.0, 0.0)


def test_a_draw_without_gold_entities_has_no_score():
    counts = NER.units("x\tB-X\tB-X\n\ny\tO\tB-X\n\n")
    assert NER.score_of(np.stack([counts.sum(0), counts[1]])) == pytest.approx([2 / 3, np.nan], nan_ok=True)
