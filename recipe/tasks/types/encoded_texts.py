"""Examples -> rows of a model that reads whole texts, one for each; what the model says -> scores and predictions."""

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from recipe.errors import InputError
from recipe.tasks.data.examples import Example, TextTask
from recipe.tasks.data.records import TASK_SPLITS
from recipe.tasks.types.task_type import Row, TaskType, Tokenizer
from recipe.tasks.types.truncation import longest_first, nearest
from recipe.tokens.plain_text import plain_text_tokenizer


class Reading(Protocol):
    """How a task type reads its head, and what it makes of the answers."""

    def label(self, gold: Any) -> Any:
        """A gold answer as the label of a row."""

    def answer(self, label: Any) -> Any:
        """The label of a row, gold or the model's, as an answer."""

    def scores(self, gold: Sequence[Any], predicted: Sequence[Any]) -> dict[str, Any]:
        """The scores of answers, with their "support"."""

    def line(self, example: Example, predicted: Any) -> str:
        """An example in a predictions file: columns with tabs between them, the last two gold and prediction."""


@dataclass
class EncodedTexts:
    """A split as rows of the model, one for each example."""

    examples: list[Example]
    rows: list[Row]
    truncated: int
    reading: Reading

    def score(self, outputs: Sequence[Sequence[Any]]) -> dict[str, Any]:
        """The task type's scores, and "truncated"; each example of the file is scored once, by its own gold."""
        # The gold answers go the way of the predictions, from the rows back, so a lost or swapped row is noticed.
        gold = self._answers([row.labels for row in self.rows])
        expected = [example.gold for example in self.examples]
        if gold != expected or len(outputs) != len(expected):
            raise RuntimeError(f"scored {len(outputs)} of {len(expected)} examples, or by other gold: not comparable")
        return {**self.reading.scores(gold, self._answers(outputs)), "truncated": self.truncated}

    def predictions(self, outputs: Sequence[Sequence[Any]]) -> str:
        """One line for each example; see `Reading.line`."""
        return prediction_lines(self.examples, self._answers(outputs), self.reading)

    def _answers(self, outputs: Sequence[Sequence[Any]]) -> list[Any]:
        return [self.reading.answer(label) for (label,) in outputs]


@dataclass(frozen=True)
class ClassReading(ABC):
    """The part of `Reading` that all task types with one class per example share; answers are classes."""

    labels: list[str]

    def label(self, gold: str) -> int:
        """The class's number."""
        return self.labels.index(gold)

    def answer(self, label: int) -> str:
        """The number's class."""
        return self.labels[label]

    @abstractmethod
    def scores(self, gold: Sequence[str], predicted: Sequence[str]) -> dict[str, Any]:
        """See `Reading.scores`."""

    def line(self, example: Example, predicted: str) -> str:
        """id, text, gold, prediction."""
        return f"{example.id}\t{example.text}\t{example.gold}\t{predicted}"


def label_scores(gold: Sequence[Iterable[str]], predicted: Sequence[Iterable[str]], labels: list[str]) -> dict:
    """`LabelF1` of the labels of each text."""
    from recipe.tasks.types.metrics import LabelF1  # imported here: `evaluate` takes seconds

    sides = [[sorted(answer) for answer in side] for side in (predicted, gold)]
    return LabelF1().compute(predictions=sides[0], references=sides[1], labels=labels)  # type: ignore[no-any-return]


def text_task_type(
    reading: Callable[[list[str]], Reading],
    baselines: Mapping[str, Callable[[TextTask], Sequence[Any]]],
    must_stay: re.Pattern[str] | None = None,
    **values: Any,
) -> TaskType:
    """A task type of whole texts: `reading` for a task's labels, `baselines`: task -> answers to its test."""

    def encode(task: TextTask, tokenizer: Tokenizer, max_seq_length: int) -> dict[str, EncodedTexts]:
        return encode_texts(task, tokenizer, max_seq_length, reading(task.labels), must_stay)

    def evaluate(answers_of: Callable[[TextTask], Sequence[Any]], task: TextTask) -> tuple[str, dict[str, Any]]:
        predicted, gold = answers_of(task), [example.gold for example in task.test]
        how = reading(task.labels)
        return prediction_lines(task.test, predicted, how), how.scores(gold, predicted)

    evaluated = {name: partial(evaluate, answers_of) for name, answers_of in baselines.items()}
    return TaskType(encode=encode, baselines=evaluated, **values)


def majority(task: TextTask, answers: Iterable[Any]) -> list[Any]:
    """The most frequent of some answers of training, for every text of test."""
    (answer, _), *_ = Counter(answers).most_common(1)
    return [answer] * len(task.test)


def prediction_lines(examples: Sequence[Example], predicted: Sequence[Any], reading: Reading) -> str:
    """The text of a predictions file."""
    return "".join(reading.line(example, answer) + "\n" for example, answer in zip(examples, predicted, strict=True))


def encode_texts(
    task: TextTask,
    tokenizer: Tokenizer,
    max_seq_length: int,
    reading: Reading,
    must_stay: re.Pattern[str] | None = None,
) -> dict[str, EncodedTexts]:
    """The three splits, each example as [CLS] text [SEP] or [CLS] text [SEP] other [SEP]; `must_stay` is never cut."""
    encoded = {}
    for split in TASK_SPLITS:
        examples = getattr(task, split)
        rows, truncated = rows_of(examples, tokenizer, max_seq_length, reading.label, must_stay)
        encoded[split] = EncodedTexts(examples, rows, truncated, reading)
    return encoded


def rows_of(
    examples: Sequence[Example],
    tokenizer: Tokenizer,
    max_seq_length: int,
    label_of: Callable[[Any], Any] = lambda gold: 0,
    must_stay: re.Pattern[str] | None = None,
) -> tuple[list[Row], int]:
    """One row for each example, and how many lack a part; without `label_of` the labels mean nothing."""
    rows, truncated, plain = [], 0, plain_text_tokenizer(tokenizer)
    # Windows with a vote, as for entities, are left out: BLURB has none, and one row per example keeps "scored once"
    # plain.
    texts, others = (plain.encode([getattr(each, side) for each in examples]) for side in ("text", "other"))
    for example, text, other in zip(examples, texts, others, strict=True):
        ids, other_ids = plain.ids_of(text), plain.ids_of(other)
        if example.other:
            parts = longest_first(ids, other_ids, max_seq_length - 3)
        else:
            stays = _stays(example, text, must_stay, max_seq_length - 2)
            parts = (nearest(ids, stays, max_seq_length - 2), [])
        truncated += sum(map(len, parts)) < len(ids) + len(other_ids)
        rows.append(_row(*parts, bool(example.other), label_of(example.gold), tokenizer))
    return rows, truncated


def _stays(example: Example, encoding: Any, must_stay: re.Pattern[str] | None, max_num_tokens: int) -> list[bool]:
    """For each token, whether it belongs to what must stay."""
    if must_stay is None or len(encoding.ids) <= max_num_tokens:
        return [False] * len(encoding.ids)
    # By characters, since a placeholder is several pieces.
    spans = [match.span() for match in must_stay.finditer(example.text)]
    stays = [any(first < end and start < last for start, end in spans) for first, last in encoding.offsets]
    if sum(stays) > max_num_tokens:
        needed = f"the placeholders of {example.id} ({example.text[:60]!r}) alone take {sum(stays) + 2}"
        raise InputError(f"max_seq_length is {max_num_tokens + 2}, but {needed}; raise it")
    return stays


def _row(text: list[int], other: list[int], is_pair: bool, label: Any, tokenizer: Tokenizer) -> Row:
    first = [tokenizer.cls_token_id, *text, tokenizer.sep_token_id]
    if not is_pair:
        return Row(first, [0], [label])
    # Two segments, as in pretraining on pairs; a single text is all of the first, the default.
    second = [*other, tokenizer.sep_token_id]
    return Row([*first, *second], [0], [label], [0] * len(first) + [1] * len(second))
