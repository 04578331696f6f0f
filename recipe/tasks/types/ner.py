"""The task type "ner": sentences of tagged words -> rows of a model, scores, predictions.

As in PubMedBERT (Gu et al., arXiv 2007.15779) the head is linear on the first piece of each word and the tags are B, I
and O. Every gold word is scored, however long its sentence is.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from recipe.tasks.data.columns import NerTask, TaggedSentence, count_entities, read_task
from recipe.tasks.data.dictionary import Words, mention_dictionary, mentions_of, words_of
from recipe.tasks.data.entities import strict_entities
from recipe.tasks.data.records import TASK_SPLITS
from recipe.tasks.types.scores import f1_of_counts
from recipe.tasks.types.task_type import Row, TaskType, Tokenizer
from recipe.tasks.types.windows import Window, join_windows, make_windows

# Share of a mention's training occurrences that must be entities. The second one leaves out words such as "acid" that
# mostly are not, and is the harder baseline: F1 73.0 against 65.8 on BC5-chem.
DICTIONARIES = {"dictionary": 0.0, "dictionary_of_reliable_mentions": 0.5}


@dataclass
class EncodedSentences:
    """A split as rows of the model, its sentences, and `known`: the mentions of training with their types."""

    sentences: list[TaggedSentence]
    windows: list[Window]
    rows: list[Row]
    labels: list[str]
    known: set[tuple[Words, str]]
    # Long sentences become several windows, so nothing is truncated.
    truncated: int = 0

    def tags(self, outputs: Sequence[Sequence[int]]) -> list[list[str]]:
        """The windows' label ids as one tag per word of each sentence."""
        joined = join_windows(self.windows, outputs, [len(sentence.words) for sentence in self.sentences])
        return [[self.labels[label] for label in sentence] for sentence in joined]

    def score(self, outputs: Sequence[Sequence[int]]) -> dict[str, Any]:
        """See `entity_scores`."""
        # The gold tags go the way of the predictions, so a word that a window lost is missed in the support.
        predicted, gold = self.tags(outputs), self.tags([row.labels for row in self.rows])
        return entity_scores(self.sentences, predicted, self.known, gold)

    def predictions(self, outputs: Sequence[Sequence[int]]) -> str:
        """See `prediction_lines`."""
        return prediction_lines(self.sentences, self.tags(outputs))


def encode(
    task: NerTask, tokenizer: Tokenizer, max_seq_length: int, encoded: type[EncodedSentences] = EncodedSentences
) -> dict[str, Any]:
    """The three splits as windows of at most `max_seq_length` tokens, as objects of the class `encoded`."""
    known = set(mentions_of(task.train))
    ids = {label: index for index, label in enumerate(task.labels)}
    splits = {}
    for split in TASK_SPLITS:
        sentences, rows = getattr(task, split), []
        windows = make_windows([sentence.words for sentence in sentences], tokenizer, max_seq_length)
        for window in windows:
            tags = sentences[window.sentence].tags
            rows.append(Row(window.input_ids, window.positions, [ids[tags[word]] for word in window.words]))
        splits[split] = encoded(sentences, windows, rows, task.labels, known)
    return splits


def entity_scores(
    sentences: Sequence[TaggedSentence],
    predicted: Sequence[list[str]],
    known: set[tuple[Words, str]],
    gold: Sequence[list[str]] | None = None,
) -> dict[str, Any]:
    """Scores of predicted tags.

    `known`: mentions of training and their types; `gold`: the gold tags as they reached the scorer, None for the
    sentences' own. Returns what `EntityF1` gives in mode "both", and "seen" and "unseen": strict recall and support of
    gold entities that are, or are not, a mention of training with the same type.

    Raises:
        RuntimeError: if the number of gold entities that were scored is not the sentences'.
    """
    from recipe.tasks.types.metrics import EntityF1  # imported here: `evaluate` takes seconds

    gold = [sentence.tags for sentence in sentences] if gold is None else gold
    scores = EntityF1().compute(predictions=predicted, references=gold, mode="both")
    if scores["support"] != (expected := count_entities(sentences)):
        raise RuntimeError(f"scored {scores['support']} gold entities, but the task has {expected}: not comparable")
    return {**scores, **_recall_of_seen_and_unseen(sentences, predicted, known)}


def prediction_lines(sentences: Sequence[TaggedSentence], predicted: Sequence[list[str]]) -> str:
    """word, gold tag, predicted tag: one line per word, a blank line after a sentence."""
    lines = []
    for sentence, tags in zip(sentences, predicted, strict=True):
        for word, gold, tag in zip(sentence.words, sentence.tags, tags, strict=True):
            lines.append(f"{word}\t{gold}\t{tag}\n")
        lines.append("\n")
    return "".join(lines)


def counts_by_sentence(text: str) -> np.ndarray:
    """`prediction_lines` -> gold, predicted, right entities of each sentence by strict IOB2, shape (sentences, 3)."""
    rows = []
    for block in text.split("\n\n"):
        # From the right, since a word may contain white space: a tab too, as the reader of columns allows it.
        columns = [line.rsplit("\t", 2) for line in block.split("\n") if line]
        if columns:
            gold, predicted = ({*strict_entities([line[column] for line in columns])} for column in (1, 2))
            rows.append([len(gold), len(predicted), len(gold & predicted)])
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _recall_of_seen_and_unseen(
    sentences: Sequence[TaggedSentence], predicted: Sequence[list[str]], known: set[tuple[Words, str]]
) -> dict[str, Any]:
    # Recall only: a wrong prediction is neither a seen nor an unseen mention, so there is no precision to split.
    gold, right = Counter[str](), Counter[str]()
    for sentence, tags in zip(sentences, predicted, strict=True):
        found = set(strict_entities(tags))
        for first, last, name in strict_entities(sentence.tags):
            # With the type: the same words of another type must be learned anew.
            group = "seen" if (words_of(sentence.words[first:last]), name) in known else "unseen"
            gold[group] += 1
            right[group] += (first, last, name) in found
    return {
        group: {"recall": right[group] / gold[group], "support": gold[group]}
        if gold[group]
        else {"recall": None, "support": 0, "reason": f"no gold entity is {group}"}
        for group in ("seen", "unseen")
    }


def _by_dictionary(task: NerTask, least_share: float) -> tuple[str, dict[str, Any]]:
    dictionary = mention_dictionary(task.train, least_share)
    tags = [dictionary.tags(sentence.words) for sentence in task.test]
    return prediction_lines(task.test, tags), entity_scores(task.test, tags, set(mentions_of(task.train)))


TASK_TYPE = TaskType(
    title="named entity recognition",
    hub_task="token-classification",
    head="tokens",
    score="f1",
    metric="strict IOB2 entity F1 on test",
    unit="sentences",
    columns=("precision", "recall", "seen.recall", "unseen.recall", "conlleval.f1"),
    read=read_task,
    encode=encode,
    units=counts_by_sentence,
    score_of=f1_of_counts,
    baselines={name: partial(_by_dictionary, least_share=share) for name, share in DICTIONARIES.items()},
)
