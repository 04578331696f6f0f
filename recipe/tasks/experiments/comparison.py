"""Two results -> the difference of their scores and its interval, by a paired bootstrap over test and seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recipe.errors import InputError
from recipe.files import read_json
from recipe.formatting import percent, points
from recipe.tasks.catalog import TASK_TYPES
from recipe.tasks.experiments.results import reason_in, system_title

# Samples that are drawn at once: more would only take more memory.
BLOCK = 500


@dataclass(frozen=True)
class Comparison:
    """Mean scores of A and B (0..1), the 95 % interval of A - B, and what was drawn.

    A score over nothing is None, with its reason. Without both scores there is no interval. `samples` counts those
    in which both systems have a score, `seeds` the fine-tuning seeds of each, `models` what they began from.
    """

    names: tuple[str, str]
    scores: tuple[float | None, float | None]
    reasons: tuple[str | None, str | None]
    low: float | None
    high: float | None
    share_better: float | None
    samples: int
    units: int
    unit: str
    seeds: tuple[int, int]
    models: tuple[int, int]

    def line(self) -> str:
        """All of it in one line."""
        (first, second), (score_a, score_b) = self.names, self.scores
        both = f"{first} {percent(score_a, 2)}, {second} {percent(score_b, 2)}"
        if score_a is None or score_b is None or self.low is None or self.high is None:
            both_sides = (self.names, self.reasons)
            reasons = [
                f"{name} has no score, since {reason}" for name, reason in zip(*both_sides, strict=True) if reason
            ]
            return f"{both}: no difference; {'; '.join(reasons) or 'in no sample do both have a score'}"
        models = "" if self.models == (1, 1) else f" of {self.models[0]} x {self.models[1]} models"
        return (
            f"{both}: {points(score_a - score_b)}, 95 %"
            f" interval {points(self.low)} to {points(self.high)}; better in {percent(self.share_better)} of"
            f" {self.samples:,} paired samples of {self.units:,} {self.unit} and {self.seeds[0]} x {self.seeds[1]}"
            f" seeds{models}"
        )


@dataclass(frozen=True)
class _Tested:
    """What a system's folder holds: its result, and the predictions of each fine-tuning seed."""

    folder: Path
    result: dict[str, Any]
    texts: list[str]


def compare(first: Sequence[Path], second: Sequence[Path], samples: int = 10_000, seed: int = 1) -> Comparison:
    """Compare two systems.

    Args:
        first: the system's folder, such as OUTPUT/pretrained. Of several, one for each pretraining seed, pretraining
            seeds are drawn first, then fine-tuning seeds of each. second: likewise.

    Raises:
        InputError: if a folder holds no result, or they are of unlike tasks, test files or numbers of seeds.
    """
    systems = _system(first), _system(second)
    _require_one_test([*systems[0], *systems[1]])
    task_type = TASK_TYPES[systems[0][0].result["task_type"]]
    units = [np.stack([task_type.units(text) for each in system for text in each.texts]) for system in systems]
    models = (len(first), len(second))
    drawn = bootstrap(units[0], units[1], task_type.score_of, samples, seed, models)
    drawn = drawn[np.isfinite(drawn)]
    means = [float(task_type.score_of(found.sum(1)).mean()) for found in units]
    scores = [mean if np.isfinite(mean) else None for mean in means]
    is_known = None not in scores and len(drawn) > 0
    runs = [[run for each in system for run in each.result["runs"]] for system in systems]
    return Comparison(
        names=(_name(systems[0]), _name(systems[1])),
        scores=(scores[0], scores[1]),
        reasons=(reason_in(runs[0], task_type.score), reason_in(runs[1], task_type.score)),
        low=float(np.quantile(drawn, 0.025)) if is_known else None,
        high=float(np.quantile(drawn, 0.975)) if is_known else None,
        share_better=float((drawn > 0).mean()) if is_known else None,
        samples=len(drawn),
        units=units[0].shape[1],
        unit=task_type.unit,
        seeds=(len(units[0]), len(units[1])),
        models=models,
    )


def bootstrap(
    first: np.ndarray, second: np.ndarray, score_of, samples: int, seed: int, groups: tuple[int, int] = (1, 1)
) -> np.ndarray:
    """Differences of the mean score in `samples` draws, float64 of shape (samples,); NaN where one has no score.

    `first`, `second`: numbers of each unit that add up, shape (seeds, units, numbers), of the same units. `groups`: in
    how many groups of one size the seeds of each come, such as the fine-tuning seeds of each pretraining seed.
    """
    draw = np.random.default_rng(seed)
    units = first.shape[1]
    differences = []
    for start in range(0, samples, BLOCK):
        block = min(BLOCK, samples - start)
        # Both systems get the same units, since a hard sentence is hard for both; their seeds are not related, so they
        # are drawn apart.
        times = draw.multinomial(units, np.full(units, 1 / units), size=block).astype(np.float64)
        means = []
        for counts, number in zip((first, second), groups, strict=True):
            scores = score_of(np.einsum("bu,sun->bsn", times, counts, optimize=True))
            means.append(np.take_along_axis(scores, _drawn_seeds(draw, scores.shape, number), axis=1).mean(1))
        differences.append(means[0] - means[1])
    return np.concatenate(differences)


def _drawn_seeds(draw: np.random.Generator, shape: tuple[int, int], groups: int) -> np.ndarray:
    """Indices of seeds, int64 of `shape` (samples, seeds): groups are drawn first, then seeds within each.

    Seeds of one group are alike, so that drawing from all of them at once would make the interval too narrow.
    """
    samples, seeds = shape
    size = seeds // groups
    begins = size * draw.integers(0, groups, (samples, groups, 1))
    return (begins + draw.integers(0, size, (samples, groups, size))).reshape(samples, seeds)


def _system(folders: Sequence[Path]) -> list[_Tested]:
    """The folders of a system, one for each pretraining seed."""
    if twice := [folder for folder in folders if folders.count(folder) > 1]:
        raise InputError(f"{twice[0]} is named twice; a system takes one folder of each pretraining seed")
    found = []
    for folder in folders:
        paths = sorted((folder / "predictions").glob("seed-*.tsv"))
        found.append(_Tested(folder, _result(folder), [path.read_text(encoding="utf-8") for path in paths]))
        numbers = [len(each.texts) for each in (found[0], found[-1])]
        if numbers[0] != numbers[1]:
            seeds = f"seeds of {folders[0]}: {numbers[0]}, of {folder}: {numbers[1]}"
            raise InputError(f"{seeds}; a system needs as many for each pretraining seed")
    return found


def _require_one_test(found: Sequence[_Tested]) -> None:
    first = found[0]
    for other in found[1:]:
        if other.result["task"] != first.result["task"]:
            tasks = f"{first.folder} is a result of {first.result['task']}, {other.folder} of {other.result['task']}"
            raise InputError(f"{tasks}; name results of one task")
        # Only then does a drawn unit mean the same text on both sides.
        if _gold(other.texts[0]) != _gold(first.texts[0]):
            both = f"{first.folder} and {other.folder}"
            raise InputError(f"{both} were scored on different test files; run both on the same one")


def _name(system: Sequence[_Tested]) -> str:
    first = system[0]
    # The name "pretrained" would not tell two checkpoints apart, so their folders stand for them.
    name = str(first.folder) if first.result["system"] == "pretrained" else system_title(first.result)
    return name if len(system) == 1 else f"{name} and {len(system) - 1} more"


def _result(folder: Path) -> dict:
    if not (folder / "result.json").is_file():
        raise InputError(f"{folder}: contains no result.json; name a system's folder, such as OUTPUT/pretrained")
    return read_json(folder / "result.json")


def _gold(text: str) -> list[str]:
    """The lines without the last column, which is the prediction."""
    return [line.rpartition("\t")[0] for line in text.split("\n")]
