"""Finished experiments -> the BLURB score: over its six types of tasks, the mean of the means of each type."""

from dataclasses import dataclass, field
from pathlib import Path
from statistics import StatisticsError, fmean

from recipe.errors import InputError
from recipe.files import read_json
from recipe.formatting import NOT_KNOWN, percent
from recipe.tasks.catalog import BLURB_TYPES, TASK_TYPES, task_table
from recipe.tasks.experiments.results import markdown_table, mean_and_deviation, reason_in


@dataclass
class SystemScores:
    """By task: scores (0..1, means over the seeds), why others have none, and how often test was evaluated."""

    name: str
    scores: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    test_evaluations: dict[str, int] = field(default_factory=dict)

    def of_type(self, task_type: str) -> list[float]:
        """The scores of the tasks of a type."""
        return [score for task, score in self.scores.items() if task_table()[task].type == task_type]

    def missing(self) -> list[str]:
        """The tasks of BLURB without a result."""
        return [task for task in task_table() if task not in self.scores and task not in self.reasons]

    def score(self) -> float | None:
        """The BLURB score; None while a task is missing or has no score."""
        # A mean over fewer tasks would be another number under the same name.
        return None if self.missing() or self.reasons else fmean(fmean(self.of_type(name)) for name in BLURB_TYPES)


def read_systems(folder: Path) -> list[SystemScores]:
    """The systems of all experiments below a folder such as runs/tasks, by TASK/MODEL/SYSTEM/result.json."""
    found: dict[str, SystemScores] = {}
    for path in sorted(folder.rglob("result.json")):
        # MODEL/SYSTEM: the same baseline of two models is two systems.
        name = "/".join(path.parts[-3:-1])
        task, score, reason, times = _read(path)
        # Results of folders of one's own lie there too.
        if task not in task_table():
            continue
        system = found.setdefault(name, SystemScores(name))
        if task in system.scores or task in system.reasons:
            raise InputError(f"{path}: is a second result of {name} on {task}; name a folder with one of them")
        if score is None:
            system.reasons[task] = reason or ""
        else:
            system.scores[task] = score
        if times > 1:
            system.test_evaluations[task] = times
    if not found:
        raise InputError(
            f"{folder}: contains no result of a task that has its name in BLURB; name a folder such as runs/tasks,"
            " after `domain-bert finetune --model DIR --task bc5-chem` (--data FOLDER for files that are elsewhere)"
        )
    return list(found.values())


def blurb_table(systems: list[SystemScores]) -> str:
    """A Markdown table of the types' means and the BLURB score, with a line for each system that lacks a task."""
    headings = ["system", *(task_type.title for task_type in BLURB_TYPES.values()), "BLURB score"]
    rows = [[each.name, *(_cell(each, name) for name in BLURB_TYPES), percent(each.score())] for each in systems]
    return markdown_table(headings, rows) + "".join(_remark(system) for system in systems)


def _read(path: Path) -> tuple[str, float | None, str | None, int]:
    try:
        result = read_json(path)
        runs, score = result["runs"], TASK_TYPES[result["task_type"]].score
        mean = mean_and_deviation(runs, score)[0]
        return result["task"], mean, reason_in(runs, score), result.get("test_evaluations", 1)
    except (ValueError, KeyError, TypeError, AttributeError, StatisticsError):
        raise InputError(f"{path}: is no result of `domain-bert finetune`; run it again or remove the file") from None


def _cell(system: SystemScores, task_type: str) -> str:
    scores, tasks = system.of_type(task_type), sum(entry.type == task_type for entry in task_table().values())
    # A mean over the other tasks would hide the one that was run and has no score.
    if not scores or any(task_table()[task].type == task_type for task in system.reasons):
        return NOT_KNOWN
    of = f" ({len(scores)} of {tasks} tasks)" if len(scores) < tasks else ""
    return percent(fmean(scores)) + of


def _remark(system: SystemScores) -> str:
    found = system.test_evaluations.items()
    times = "".join(f"; test of {task} was evaluated {number} times" for task, number in found)
    lacks = [f"{task} has no score, since {reason}" for task, reason in system.reasons.items()]
    if missing := system.missing():
        lacks.append(f"missing {', '.join(missing)}")
    if not lacks:
        return f"\n{system.name}: complete{times}\n" if times else ""
    return f"\n{system.name}: the BLURB score is not complete: {'; '.join(lacks)}{times}\n"
