"""What fine-tuning needs to know of a task type: a module of recipe/tasks/types with a constant `TASK_TYPE`.

No task type imports torch or `evaluate` when it is imported, so that bad input is found before anything slow happens.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast as Tokenizer
else:
    Tokenizer = Any


@dataclass(frozen=True)
class Row:
    """One row of the model: token ids, the positions that its head reads, the gold label of each, segments of a pair.

    A head on tokens reads many positions, one on whole texts only [CLS]. A label is a class (int), a number (float),
    or a 0.0 or 1.0 for each of many labels.
    """

    input_ids: list[int]
    positions: list[int]
    labels: list[Any]
    token_type_ids: list[int] = field(default_factory=list)

    def without_segments(self) -> "Row":
        """The row for a model such as DistilBERT, which has none."""
        return replace(self, token_type_ids=[])


class Task(Protocol):
    """A task as it stands in its files."""

    name: str
    labels: list[str]

    def summary(self) -> str:
        """Sizes and repairs in one line."""

    def counts(self) -> dict[str, dict[str, int]]:
        """What is counted, by split: {"sentences": {"train": 4560, ...}, "entities": {"train": 5203, ...}}."""

    def answers(self) -> dict[str, set[Any]]:
        """The different gold answers of each split."""


class EncodedSplit(Protocol):
    """A split encoded for one tokenizer; `truncated`: texts of which a row lacks a part.

    `outputs` of a model are one label per position of each row.
    """

    rows: list[Row]
    truncated: int

    def score(self, outputs: Sequence[Sequence[Any]]) -> dict[str, Any]:
        """The scores of a model's outputs; a RuntimeError if what was scored is not all that the file contains."""

    def predictions(self, outputs: Sequence[Sequence[Any]]) -> str:
        """The text of a predictions file: every unit with gold and prediction."""


@dataclass(frozen=True)
class TaskType:
    """A task type.

    title: its name in words. hub_task: the Hub's name of the task in a model card. head: what the model ends in, a key
    of `recipe.tasks.finetuning.heads.HEADS`. score: the score that chooses on devel and is reported on test; metric:
    the same in words. unit: what a bootstrap draws, in words. columns: further scores of the table. read: folder and
    options of tasks.yaml -> task. encode: task, tokenizer and most tokens of a row -> splits. baselines: without a
    model, task -> text of a predictions file and scores. units: text of a predictions file -> numbers that add up,
    float64 of shape (units, numbers), one row for each unit that a bootstrap draws; score_of: such numbers, added up,
    shape (..., numbers) -> score, shape (...).
    """

    title: str
    hub_task: str
    head: str
    score: str
    metric: str
    unit: str
    columns: tuple[str, ...]
    read: Callable[..., Any]
    encode: Callable[[Any, Tokenizer, int], dict[str, Any]]
    units: Callable[[str], np.ndarray]
    score_of: Callable[[np.ndarray], np.ndarray]
    baselines: Mapping[str, Callable[[Any], tuple[str, dict[str, Any]]]] = field(default_factory=dict)
