"""Two results -> the difference of their scores, with the interval of a paired bootstrap over the units of test and
over the seeds.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recipe.errors import InputError
from recipe.files import read_json
from recipe.formatting import model_name, percent, points
from recipe.tasks.catalog import KINDS

# Samples that are drawn at once.
BLOCK = 500


@dataclass(frozen=True)
class Comparison:
    """Scores of A and B (0..1, means over the seeds), A - B with its 95 % interval, the share of samples in which A is
    better, and what was drawn.
    """

    names: tuple[str, str]
    scores: tuple[float, float]
    low: float
    high: float
    share_better: float
    samples: int
    units: int
    unit: str
    seeds: tuple[int, int]

    def line(self) -> str:
        """All of it in one line."""
        (first, second), (score_a, score_b) = self.names, self.scores
        return (
            f"{first} {percent(score_a, 2)}, {second} {percent(score_b, 2)}: {points(score_a - score_b)}, 95 %"
            f" interval {points(self.low)} to {points(self.high)}; better in {percent(self.share_better)} of"
            f" {self.samples:,} paired samples of {self.units:,} {self.unit} and {self.seeds[0]} x {self.seeds[1]}"
            " seeds"
        )


def compare(first: Path, second: Path, samples: int = 10_000, seed: int = 1) -> Comparison:
    """Compare two contestants' folders, such as OUTPUT/model and OUTPUT/random_weights.

    A sample draws the units of test (for NER: sentences) with replacement, the same for both, and the seeds of each
    with replacement, on their own.

    Raises:
        InputError: for a folder without results, or results of unlike tasks or test files.
    """
    results = [_result(folder) for folder in (first, second)]
    if results[0]["task"] != results[1]["task"]:
        raise InputError(
            f"{first} is a result of {results[0]['task']}, {second} of {results[1]['task']}; only one task's results"
            " can be compared"
        )
    kind = KINDS[results[0]["kind"]]
    texts = [
        [path.read_text(encoding="utf-8") for path in sorted((folder / "predictions").glob("seed-*.tsv"))]
        for folder in (first, second)
    ]
    if _gold(texts[0][0]) != _gold(texts[1][0]):
        raise InputError(f"{first} and {second} were scored on unlike test files; run both on the same one")
    units = [np.stack([kind.units(text) for text in of_seeds]) for of_seeds in texts]
    drawn = bootstrap(units[0], units[1], kind.score_of, samples, seed)
    scores = [float(kind.score_of(found.sum(1)).mean()) for found in units]
    low, high = np.quantile(drawn, [0.025, 0.975])
    names = (_name(results[0], first), _name(results[1], second))
    seeds = (len(units[0]), len(units[1]))
    return Comparison(
        names,
        (scores[0], scores[1]),
        float(low),
        float(high),
        float((drawn > 0).mean()),
        samples,
        units[0].shape[1],
        kind.unit,
        seeds,
    )


def bootstrap(first: np.ndarray, second: np.ndarray, score_of, samples: int, seed: int) -> np.ndarray:
    """Differences of the mean score in `samples` draws, float64 of shape (samples,).

    Args:
        first, second: numbers of each unit that add up, shape (seeds, units, numbers); the units are the same.
            score_of: see `recipe.tasks.types.task_type.Kind`.
    """
    draw = np.random.default_rng(seed)
    units = first.shape[1]
    differences = []
    for start in range(0, samples, BLOCK):
        block = min(BLOCK, samples - start)
        times = draw.multinomial(units, np.full(units, 1 / units), size=block).astype(np.float64)
        means = []
        for counts in (first, second):
            scores = score_of(np.einsum("bu,sun->bsn", times, counts, optimize=True))
            means.append(np.take_along_axis(scores, draw.integers(0, len(counts), scores.shape), axis=1).mean(1))
        differences.append(means[0] - means[1])
    return np.concatenate(differences)


def _result(folder: Path) -> dict:
    if not (folder / "result.json").is_file():
        raise InputError(
            f"{folder}: holds no result.json; name a contestant's folder of scripts/finetune.py, such as OUTPUT/model"
        )
    return read_json(folder / "result.json")


def _gold(text: str) -> list[str]:
    """Words and gold, without the predictions."""
    return [line.rpartition("\t")[0] for line in text.split("\n")]


def _name(result: dict, folder: Path) -> str:
    return model_name(result["contestant"]) if result["contestant"] != "model" else str(folder)
