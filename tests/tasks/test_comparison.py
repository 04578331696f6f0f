"""The paired bootstrap against laws that it must keep."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import run_script

from recipe.errors import InputError
from recipe.tasks.experiments.comparison import bootstrap, compare
from recipe.tasks.types.ner import counts_by_sentence, f1_of_counts

UNITS = 400


def made_up_counts(recall: float, seeds: int, seed: int) -> np.ndarray:
    """Gold, predicted and right entities of each sentence: two gold ones each, found with a chance that is half the
    sentence's and half the model's.
    """
    hard = np.random.default_rng(0).random((UNITS, 2))
    draw = np.random.default_rng(seed)
    right = (hard * 0.5 + draw.random((seeds, UNITS, 2)) * 0.5 < recall).sum(-1)
    gold = np.full_like(right, 2)
    return np.stack([gold, right + 1, right], axis=-1).astype(float)


def test_equal_models_have_a_difference_of_nothing():
    counts = made_up_counts(0.6, 1, 1)
    assert not bootstrap(counts, counts, f1_of_counts, 700, 1).any()


def test_the_interval_covers_the_difference():
    first, second = made_up_counts(0.7, 3, 1), made_up_counts(0.5, 3, 2)
    drawn = bootstrap(first, second, f1_of_counts, 2000, 1)
    expected = f1_of_counts(first.sum(1)).mean() - f1_of_counts(second.sum(1)).mean()
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert low < expected < high
    assert drawn.mean() == pytest.approx(expected, abs=0.005)
    assert len(drawn) == 2000


def test_sentences_are_drawn_together_for_both():
    first, second = made_up_counts(0.6, 1, 1), made_up_counts(0.6, 1, 2)
    paired = bootstrap(first, second, f1_of_counts, 2000, 1).std()
    shuffled = bootstrap(first, second[:, np.random.default_rng(3).permutation(UNITS)], f1_of_counts, 2000, 1).std()
    assert paired < 0.95 * shuffled, "hard sentences are hard for both: pairing must narrow the interval"


def test_seeds_that_differ_widen_the_interval():
    same, unlike = made_up_counts(0.6, 1, 1), np.concatenate([made_up_counts(0.4, 1, 1), made_up_counts(0.8, 1, 1)])
    other = made_up_counts(0.6, 1, 2)
    assert (
        bootstrap(unlike, other, f1_of_counts, 1000, 1).std() > 3 * bootstrap(same, other, f1_of_counts, 1000, 1).std()
    )


def test_seeds_of_a_group_that_are_alike_count_as_one():
    low, high, other = (made_up_counts(recall, 3, seed) for recall, seed in ((0.4, 1), (0.8, 2), (0.6, 3)))
    unlike = np.concatenate([low, high])
    gap = f1_of_counts(high.sum(1)).mean() - f1_of_counts(low.sum(1)).mean()
    # The mean of two groups that are drawn has half the gap's square over two as its variance; of six seeds, over six.
    grouped = bootstrap(unlike, other, f1_of_counts, 4000, 1, groups=(2, 1))
    mixed = bootstrap(unlike, other, f1_of_counts, 4000, 1)
    assert grouped.std() == pytest.approx(gap / 2 / 2**0.5, rel=0.05)
    assert mixed.std() == pytest.approx(gap / 2 / 6**0.5, rel=0.1)
    assert grouped.mean() == pytest.approx(mixed.mean(), abs=0.01)


def test_groups_of_one_seed_are_seeds():
    first, second = made_up_counts(0.7, 3, 1), made_up_counts(0.5, 3, 2)
    apart, together = (bootstrap(first, second, f1_of_counts, 4000, 1, (number, number)).std() for number in (3, 1))
    assert apart == pytest.approx(together, rel=0.05)


def test_counts_of_a_predictions_file():
    text = "zinc\tB-C\tB-C\nion\tI-C\tO\nx\ty\tB-C\tB-C\n\nno\tO\tI-C\n\n"
    assert counts_by_sentence(text).tolist() == [[2, 2, 1], [0, 0, 0]]
    assert f1_of_counts(counts_by_sentence(text)).tolist() == pytest.approx([0.5, np.nan], nan_ok=True)


def write_system(folder: Path, recall: float, *seeds: int, task: str = "bc5-chem", sentences: int = UNITS) -> Path:
    (folder / "predictions").mkdir(parents=True)
    for seed in seeds:
        is_found = np.random.default_rng(seed).random(sentences) < recall
        lines = [f"zinc\tB-C\t{'B-C' if found else 'O'}\n\n" for found in is_found]
        (folder / "predictions" / f"seed-{seed}.tsv").write_text("".join(lines))
    result = {"task": task, "task_type": "ner", "system": "pretrained", "runs": [{"f1": 0.5} for _ in seeds]}
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def test_several_pretraining_seeds_of_each_side(tmp_path):
    ours = [write_system(tmp_path / "ours-1", 0.6, 1, 2), write_system(tmp_path / "ours-2", 0.8, 3, 4)]
    theirs = [write_system(tmp_path / "theirs", 0.5, 5, 6)]
    found = compare(ours, theirs, samples=2000)
    assert (found.seeds, found.models, found.names[0]) == ((4, 2), (2, 1), f"{ours[0]} and 1 more")
    each = [compare([one], theirs, samples=2000) for one in ours]
    assert found.scores[0] == pytest.approx(np.mean([one.scores[0] for one in each]))
    # The interval knows that another pretraining seed may be as either of the two.
    assert found.low < each[0].high < each[1].low < found.high
    ran = run_script("compare", ",".join(map(str, ours)), str(theirs[0]), "--samples", "2000")
    assert ran.stdout.strip() == found.line()
    assert ran.stdout.strip().endswith("and 4 x 2 seeds of 2 x 1 models")


@pytest.mark.parametrize(
    ("other", "part"),
    [
        ({"task": "bc2gm"}, "is a result of bc5-chem, "),
        ({"sentences": 3}, "were scored on different test files"),
        ({"seeds": (1, 2)}, r"seeds of .*/a: 1, of .*/b: 2; "),
        (None, "is named twice"),
    ],
)
def test_folders_that_are_not_one_system_are_refused(tmp_path, other, part):
    first = write_system(tmp_path / "a", 0.6, 1)
    second = first
    if other is not None:
        seeds = other.pop("seeds", (1,))
        second = write_system(tmp_path / "b", 0.6, *seeds, **other)
    with pytest.raises(InputError, match=part):
        compare([first, second], [first], samples=10)
