"""Finished experiments -> the BLURB score: the mean over its six types of tasks of the mean over the tasks of each
type.
"""

import statistics
from dataclasses import dataclass, field
from pathlib import Path

from recipe.errors import InputError
from recipe.files import read_json
from recipe.formatting import NOT_KNOWN, percent
from recipe.tasks.catalog import KINDS, task_table
from recipe.tasks.experiments.results import mean_and_deviation

# The types in the words of the BLURB paper (arXiv 2007.15779), by kind; BLURB has all tasks of the table and no other.
TYPES = {
    "ner": "NER",
    "pico": "PICO",
    "relations": "relation extraction",
    "similarity": "sentence similarity",
    "documents": "document classification",
    "questions": "question answering",
}


@dataclass
class Contestant:
    """The scores of one contestant (0..1, means over the seeds) by task; `looks`: tasks whose test was read more than
    once.
    """

    name: str
    scores: dict[str, float] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)

    def of_type(self, kind: str) -> dict[str, float]:
        """The scores of the tasks of a kind."""
        return {task: score for task, score in self.scores.items() if task_table()[task].kind == kind}

    def missing(self) -> list[str]:
        """The tasks of BLURB without a score."""
        return [task for task in task_table() if task not in self.scores]

    def score(self) -> float | None:
        """The BLURB score; None while a task is missing, since a mean over fewer is another number."""
        return (
            None
            if self.missing()
            else statistics.fmean(statistics.fmean(self.of_type(kind).values()) for kind in TYPES)
        )


def read_contestants(folder: Path) -> list[Contestant]:
    """The contestants of all experiments below a folder such as runs/tasks; a contestant is the last two folders of
    TASK/MODEL/CONTESTANT/result.json.

    Raises:
        InputError: for a folder without results of BLURB's tasks, a result that cannot be read, or two of one
            contestant on one task.
    """
    found: dict[str, Contestant] = {}
    for path in sorted(folder.rglob("result.json")):
        name = "/".join(path.parts[-3:-1])
        task, score, looks = _read(path)
        if task not in task_table():
            continue
        contestant = found.setdefault(name, Contestant(name))
        if task in contestant.scores:
            raise InputError(
                f"{path}: is a second result of {name} on {task} below {folder}; name a folder with one of them"
            )
        contestant.scores[task] = score
        if looks > 1:
            contestant.looks[task] = looks
    if not found:
        raise InputError(
            f"{folder}: holds no result.json of a task of BLURB; name the folder of finished experiments, such as"
            " runs/tasks"
        )
    return list(found.values())


def blurb_table(contestants: list[Contestant]) -> str:
    """A Markdown table of the types' means, with the BLURB score where it is complete, and a line for each contestant
    that lacks a task.
    """
    headings = ["contestant", *TYPES.values(), "BLURB score"]
    rows = [
        [contestant.name, *(_cell(contestant, kind) for kind in TYPES), percent(contestant.score())]
        for contestant in contestants
    ]
    lines = [headings, ["--"] * len(headings), *rows]
    table = "".join("| " + " | ".join(line) + " |\n" for line in lines)
    return table + "".join(_remark(contestant) for contestant in contestants)


def _read(path: Path) -> tuple[str, float, int]:
    try:
        result = read_json(path)
        return result["task"], mean_and_deviation(result, KINDS[result["kind"]].score)[0], result.get("looks", 1)
    except (ValueError, KeyError, TypeError, AttributeError, ImportError, statistics.StatisticsError):
        raise InputError(
            f"{path}: is no result of scripts/finetune.py; run that experiment again, or move the file away"
        ) from None


def _cell(contestant: Contestant, kind: str) -> str:
    """The mean of a type, with how many of its tasks it is over where some are missing."""
    scores, tasks = contestant.of_type(kind), sum(entry.kind == kind for entry in task_table().values())
    if not scores:
        return NOT_KNOWN
    return percent(statistics.fmean(scores.values())) + (
        f" ({len(scores)} of {tasks} tasks)" if len(scores) < tasks else ""
    )


def _remark(contestant: Contestant) -> str:
    looks = "".join(f"; test of {task} was read {number} times" for task, number in contestant.looks.items())
    missing = contestant.missing()
    if not missing:
        return f"\n{contestant.name}: complete{looks}\n" if looks else ""
    return f"\n{contestant.name}: the BLURB score is not complete: missing {', '.join(missing)}{looks}\n"
