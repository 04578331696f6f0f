"""The kind "ner": sentences whose words have tags -> rows of a model, scores, predictions. Every gold word is scored,
however long its sentence is.

As in PubMedBERT (Gu et al., arXiv 2007.15779) the head is linear on the first piece of each word and the tags are B, I
and O.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from recipe.tasks.data.columns import NerTask, TaggedSentence, count_entities, read_task
from recipe.tasks.data.entities import MODES, EntityCounts, count_entities_of, scores_of, strict_entities
from recipe.tasks.data.records import TASK_SPLITS
from recipe.tasks.types.dictionary import Words, mention_dictionary, mentions_of, words_of
from recipe.tasks.types.scores import f1_of_counts
from recipe.tasks.types.task_type import Kind, Row
from recipe.tasks.types.windows import Window, join_windows, make_windows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

METRIC = "strict IOB2 entity F1 on test"
# Share of a mention's training occurrences that must be entities, for the two dictionaries.
DICTIONARIES = {"dictionary": 0.0, "dictionary_of_reliable_mentions": 0.5}


@dataclass
class EncodedSentences:
    """A split as rows of the model, with what its scores are held against; `known` holds the training mentions and
    their types.
    """

    sentences: list[TaggedSentence]
    windows: list[Window]
    rows: list[Row]
    labels: list[str]
    known: set[tuple[Words, str]]
    # Long sentences become several windows, so nothing is cut.
    truncated: int = 0

    def tags(self, outputs: Sequence[Sequence[int]]) -> list[list[str]]:
        """The windows' label ids as one tag per word of each sentence."""
        joined = join_windows(self.windows, outputs, [len(sentence.words) for sentence in self.sentences])
        return [[self.labels[label] for label in sentence] for sentence in joined]

    def score(self, outputs: Sequence[Sequence[int]]) -> dict[str, Any]:
        """See `entity_scores`.

        Raises:
            RuntimeError: if the gold entities that were scored are not as many as the file holds.
        """
        # The gold tags go the way of the predictions, so a word that a window lost is missed in the support.
        return entity_scores(
            self.sentences, self.tags(outputs), self.known, gold=self.tags([row.labels for row in self.rows])
        )

    def predictions(self, outputs: Sequence[Sequence[int]]) -> str:
        """See `prediction_lines`."""
        return prediction_lines(self.sentences, self.tags(outputs))


def encode(task: NerTask, tokenizer: "PreTrainedTokenizerFast", max_seq_length: int) -> dict[str, EncodedSentences]:
    """The three splits as windows of at most `max_seq_length` tokens."""
    known = set(mentions_of(task.train))
    return {
        split: encode_sentences(getattr(task, split), tokenizer, max_seq_length, task.labels, known)
        for split in TASK_SPLITS
    }


def encode_sentences(
    sentences: list[TaggedSentence],
    tokenizer: "PreTrainedTokenizerFast",
    max_seq_length: int,
    labels: list[str],
    known: set[tuple[Words, str]],
) -> EncodedSentences:
    """One split; see `EncodedSentences`."""
    ids = {label: index for index, label in enumerate(labels)}
    windows = make_windows([sentence.words for sentence in sentences], tokenizer, max_seq_length)
    tags = [sentences[window.sentence].tags for window in windows]
    rows = [
        Row(window.input_ids, window.positions, [ids[of[word]] for word in window.words])
        for window, of in zip(windows, tags, strict=True)
    ]
    return EncodedSentences(sentences, windows, rows, labels, known)


def entity_scores(
    sentences: Sequence[TaggedSentence],
    predicted: Sequence[list[str]],
    known: set[tuple[Words, str]],
    gold: Sequence[list[str]] | None = None,
) -> dict[str, Any]:
    """Scores of predicted tags.

    Args:
        known: mentions of training and their types. gold: the gold tags as they reached the scorer; None: the
            sentences' own.

    Returns:
        "precision", "recall", "f1", "support" and "per_type" by strict IOB2; "conlleval" with the first four by
        seqeval's default reading; "seen" and "unseen" with the strict recall and support of gold entities that are, or
        are not, a mention of training with the same type.

    Raises:
        RuntimeError: if the gold entities that were scored are not as many as the sentences hold.
    """
    gold = [sentence.tags for sentence in sentences] if gold is None else gold
    scores, lenient = (count_entities_of(gold, predicted, mode).scores() for mode in MODES)
    if scores["support"] != (expected := count_entities(list(sentences))):
        raise RuntimeError(
            f"scored {scores['support']} gold entities, but the task holds {expected}; the F1 would not be comparable"
        )
    del lenient["per_type"]
    return {**scores, "conlleval": lenient, **_recall_by_acquaintance(sentences, predicted, known)}


def prediction_lines(sentences: Sequence[TaggedSentence], predicted: Sequence[list[str]]) -> str:
    """word, gold tag, predicted tag: one line per word, a blank line after a sentence."""
    blocks = []
    for sentence, tags in zip(sentences, predicted, strict=True):
        blocks.append(
            "".join(
                f"{word}\t{gold}\t{tag}\n" for word, gold, tag in zip(sentence.words, sentence.tags, tags, strict=True)
            )
            + "\n"
        )
    return "".join(blocks)


def counts_by_sentence(text: str) -> np.ndarray:
    """`prediction_lines` -> gold, predicted and right entities of each sentence by strict IOB2, shape (sentences, 3)."""
    rows = []
    for block in text.split("\n\n"):
        # A word may hold white space, but no tab that the reader would not have taken for a gap.
        columns = [line.rsplit("\t", 2) for line in block.split("\n") if line]
        if columns:
            gold, predicted = ({*strict_entities([line[place] for line in columns])} for place in (1, 2))
            rows.append([len(gold), len(predicted), len(gold & predicted)])
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _recall_by_acquaintance(
    sentences: Sequence[TaggedSentence], predicted: Sequence[list[str]], known: set[tuple[Words, str]]
) -> dict[str, Any]:
    counts = {"seen": EntityCounts(), "unseen": EntityCounts()}
    for sentence, tags in zip(sentences, predicted, strict=True):
        found = set(strict_entities(tags))
        for first, last, name in strict_entities(sentence.tags):
            group = "seen" if (words_of(sentence.words[first:last]), name) in known else "unseen"
            counts[group].add([(first, last, name)], found & {(first, last, name)})
    scores = {
        group: scores_of(found.gold.total(), found.predicted.total(), found.right.total())
        for group, found in counts.items()
    }
    return {group: {"recall": found["recall"], "support": found["support"]} for group, found in scores.items()}


def _by_dictionary(task: NerTask, least_share: float) -> tuple[str, dict[str, Any]]:
    dictionary = mention_dictionary(task.train, least_share)
    tags = [dictionary.tags(sentence.words) for sentence in task.test]
    return prediction_lines(task.test, tags), entity_scores(task.test, tags, set(mentions_of(task.train)))


KIND = Kind(
    head="tokens",
    score="f1",
    metric=METRIC,
    unit="sentences",
    columns=("precision", "recall", "seen.recall", "unseen.recall", "conlleval.f1"),
    read=read_task,
    encode=encode,
    units=counts_by_sentence,
    score_of=f1_of_counts,
    controls={name: partial(_by_dictionary, least_share=share) for name, share in DICTIONARIES.items()},
)
