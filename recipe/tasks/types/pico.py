"""The task type "pico": words of trial abstracts that tell participants, interventions and outcomes.

As in BLURB the score is the macro F1 of these types over words. Each word is O or I-X: BLURB's files of EBM-NLP, a
word, a tab and its tag per line (I-PAR, I-INT, I-OUT), have no B. Other tag schemes are read too; that a word begins
something is not kept.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recipe.tasks.data.columns import NerTask, TaggedSentence, read_task
from recipe.tasks.data.records import TASK_SPLITS
from recipe.tasks.types.ner import EncodedSentences, encode, prediction_lines
from recipe.tasks.types.scores import macro_f1_of_counts
from recipe.tasks.types.task_type import TaskType


class PicoTask(NerTask):
    """Sentences whose words have the tags O and I-X."""

    def counts(self) -> dict[str, dict[str, int]]:
        """Sentences, and words with a type, by split."""
        counted: dict[str, Callable] = {"sentences": len, "words with a type": _typed_words}
        return {what: {name: count(getattr(self, name)) for name in TASK_SPLITS} for what, count in counted.items()}


@dataclass
class EncodedWords(EncodedSentences):
    """A split as rows of the model, with its sentences."""

    def score(self, outputs: Sequence[Sequence[int]]) -> dict[str, Any]:
        """See `word_scores`."""
        return word_scores(self.sentences, self.tags(outputs), gold=self.tags([row.labels for row in self.rows]))


def read(folder: Path) -> PicoTask:
    """Read a folder of column files."""
    task = read_task(folder)
    for split in TASK_SPLITS:
        for sentence in getattr(task, split):
            # The score is over words, so B-X and I-X are one class; two would only split the examples.
            sentence.tags = [tag if tag == "O" else f"I{tag[1:]}" for tag in sentence.tags]
    # A head with classes that no word has would only learn to avoid them.
    labels = [label for label in task.labels if not label.startswith("B-")]
    return PicoTask(task.name, labels, task.train, task.devel, task.test, task.schemes, task.repairs)


def word_scores(
    sentences: Sequence[TaggedSentence], predicted: Sequence[list[str]], gold: Sequence[list[str]] | None = None
) -> dict[str, Any]:
    """`WordF1` of predicted tags; `gold`: the gold tags as they reached the scorer, None for the sentences' own.

    Raises:
        RuntimeError: if these are not the sentences' own, or not as many as the predicted ones.
    """
    from recipe.tasks.types.metrics import WordF1  # imported here: `evaluate` takes seconds

    expected = [sentence.tags for sentence in sentences]
    gold = expected if gold is None else gold
    if [*gold] != expected or [*map(len, predicted)] != [*map(len, expected)]:
        raise RuntimeError(
            f"scored {sum(map(len, predicted))} words, not the {sum(map(len, expected))} of the task with their own"
            " tags: not comparable"
        )
    types, found = ([[tag[2:] for tag in tags] for tags in side] for side in (gold, predicted))
    return WordF1().compute(predictions=found, references=types)  # type: ignore[no-any-return]


def counts_by_sentence(text: str) -> np.ndarray:
    """A predictions file -> gold, predicted, right words by sentence and type, shape (sentences, 3 x types)."""
    blocks = [[line.rsplit("\t", 2)[1:] for line in block.split("\n") if line] for block in text.split("\n\n")]
    # The types of all sentences, so that every row has the same columns.
    types = sorted({gold[2:] for block in blocks for gold, _ in block if gold != "O"})
    rows = []
    for block in filter(None, blocks):
        counters = (
            Counter(gold[2:] for gold, _ in block),
            Counter(found[2:] for _, found in block),
            Counter(gold[2:] for gold, found in block if gold == found),
        )
        rows.append([counter[name] for name in types for counter in counters])
    return np.array(rows, dtype=np.float64).reshape(len(rows), 3 * len(types))


def _typed_words(sentences: Sequence[TaggedSentence]) -> int:
    return sum(tag != "O" for sentence in sentences for tag in sentence.tags)


def _by_dictionary(task: PicoTask) -> tuple[str, dict[str, Any]]:
    """Each word has the tag that it has most often in training, without its case; an unknown word has O."""
    seen: dict[str, Counter[str]] = {}
    for sentence in task.train:
        for word, tag in zip(sentence.words, sentence.tags, strict=True):
            seen.setdefault(word.lower(), Counter())[tag] += 1
    best = {word: tags.most_common(1)[0][0] for word, tags in seen.items()}
    predicted = [[best.get(word.lower(), "O") for word in sentence.words] for sentence in task.test]
    return prediction_lines(task.test, predicted), word_scores(task.test, predicted)


TASK_TYPE = TaskType(
    title="PICO",
    hub_task="token-classification",
    head="tokens",
    score="f1",
    metric="macro F1 over the types of words on test",
    unit="sentences",
    columns=("micro.f1", "micro.precision", "micro.recall"),
    read=read,
    encode=partial(encode, encoded=EncodedWords),
    units=counts_by_sentence,
    score_of=macro_f1_of_counts,
    baselines={"dictionary": _by_dictionary},
)
