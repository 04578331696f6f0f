"""The kind "pico": words of trial abstracts that tell participants, interventions and outcomes -> the macro F1 of
these types over words, as in BLURB.

Each word is O or I-X: BLURB's files have no B. EBM-NLP comes as its scripts write it, a word, a tab and its tag per
line (I-PAR, I-INT, I-OUT). The tags of any scheme of `recipe.tasks.data.schemes` are read; that a word begins
something is not kept. Tried on made-up files, not on the original, which nobody here has.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recipe.errors import InputError
from recipe.tasks.data.columns import NerTask, TaggedSentence, read_task
from recipe.tasks.data.records import TASK_SPLITS
from recipe.tasks.types.ner import EncodedSentences, encode_sentences, prediction_lines
from recipe.tasks.types.scores import macro_f1_of_counts, micro_scores
from recipe.tasks.types.task_type import Kind

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class PicoTask(NerTask):
    """Sentences whose words have the tags O and I-X."""

    def counts(self) -> dict[str, dict[str, int]]:
        """Sentences, and words with a type, by split."""
        splits = {split: getattr(self, split) for split in TASK_SPLITS}
        sizes = {name: len(sentences) for name, sentences in splits.items()}
        return {
            "sentences": sizes,
            "words with a type": {name: _typed_words(sentences) for name, sentences in splits.items()},
        }


@dataclass
class EncodedWords(EncodedSentences):
    """A split as rows of the model, with what its scores are held against."""

    def score(self, outputs: Sequence[Sequence[int]]) -> dict[str, Any]:
        """See `word_scores`.

        Raises:
            RuntimeError: if the gold words with a type that were scored are not as many as the file holds.
        """
        return word_scores(self.sentences, self.tags(outputs), gold=self.tags([row.labels for row in self.rows]))


def read(folder: Path) -> PicoTask:
    """Read a folder with train.tsv, devel.tsv (or dev.tsv) and test.tsv.

    Raises:
        InputError: see `recipe.tasks.data.columns.read_task`; also for a split in which no word has a type.
    """
    task = read_task(folder)
    for split in TASK_SPLITS:
        for sentence in getattr(task, split):
            sentence.tags = [tag if tag == "O" else f"I{tag[1:]}" for tag in sentence.tags]
        if not _typed_words(getattr(task, split)):
            raise InputError(
                f"{folder}: no word of {split} has a type, so there is nothing to score; tag words as I-PAR, I-INT or"
                " I-OUT"
            )
    labels = [label for label in task.labels if not label.startswith("B-")]
    return PicoTask(task.name, labels, task.train, task.devel, task.test, task.schemes, task.repairs)


def encode(task: PicoTask, tokenizer: "PreTrainedTokenizerFast", max_seq_length: int) -> dict[str, EncodedWords]:
    """The three splits as windows of at most `max_seq_length` tokens; every word is scored once."""
    encoded = {
        split: encode_sentences(getattr(task, split), tokenizer, max_seq_length, task.labels, set())
        for split in TASK_SPLITS
    }
    return {split: EncodedWords(**vars(found)) for split, found in encoded.items()}


def word_scores(
    sentences: Sequence[TaggedSentence], predicted: Sequence[list[str]], gold: Sequence[list[str]] | None = None
) -> dict[str, Any]:
    """Scores of predicted tags, word by word.

    Args:
        gold: the gold tags as they reached the scorer; None: the sentences' own.

    Returns:
        "f1" is the mean F1 of the types that the gold words have; "micro" and "per_type" the usual four. "support":
        gold words with a type.

    Raises:
        RuntimeError: if the gold words with a type that were scored are not as many as the sentences hold.
    """
    expected = [tag for sentence in sentences for tag in sentence.tags]
    words = expected if gold is None else [tag for tags in gold for tag in tags]
    found = [tag for tags in predicted for tag in tags]
    if words != expected or len(found) != len(words):
        raise RuntimeError(
            f"scored {len(found)} words, not the {len(expected)} of the task with their own tags; the F1 would not be"
            " comparable"
        )
    types = _types(words)
    gold_types, found_types = ([tag[2:] for tag in tags] for tags in (words, found))
    scores = micro_scores([{name} for name in gold_types], [{name} for name in found_types], types)
    micro = {name: scores[name] for name in ("precision", "recall", "f1")}
    return {"f1": scores["macro_f1"], "micro": micro, "per_type": scores["per_type"], "support": scores["support"]}


def counts_by_sentence(text: str) -> np.ndarray:
    """A predictions file -> gold, predicted and right words of each sentence, for one gold type behind the other,
    shape (sentences, 3 x types).
    """
    blocks = [[line.rsplit("\t", 2)[1:] for line in block.split("\n") if line] for block in text.split("\n\n")]
    types = _types([gold for block in blocks for gold, _ in block])
    rows = []
    for block in filter(None, blocks):
        for_type = Counter(
            (kind, tag[2:])
            for gold, found in block
            for kind, tag in ((0, gold), (1, found), (2, gold if gold == found else "O"))
        )
        rows.append([for_type[kind, name] for name in types for kind in range(3)])
    return np.array(rows, dtype=np.float64).reshape(len(rows), 3 * len(types))


def _types(tags: Sequence[str]) -> list[str]:
    """The types in gold tags; a predicted type that no gold word has makes others worse, but is no part of the mean."""
    return sorted({tag[2:] for tag in tags if tag != "O"})


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


KIND = Kind(
    head="tokens",
    score="f1",
    metric="macro F1 over the types of words on test",
    unit="sentences",
    columns=("micro.f1", "micro.precision", "micro.recall"),
    read=read,
    encode=encode,
    units=counts_by_sentence,
    score_of=macro_f1_of_counts,
    controls={"dictionary": _by_dictionary},
)
