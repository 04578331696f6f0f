"""A fine-tuned NER model: texts -> entities with their places in characters."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from transformers import AutoConfig, AutoTokenizer

from recipe.corpus.sentences import split_sentences
from recipe.errors import InputError
from recipe.tasks.data.entities import conlleval_entities
from recipe.tasks.finetuning.inference import logits_of
from recipe.tasks.finetuning.loading import load_weights
from recipe.tasks.finetuning.token_classifier import token_classifier_class
from recipe.tasks.types.task_type import Row
from recipe.tasks.types.windows import Window, join_windows, windows_of_pieces

# Sentences that are sorted by length together.
SENTENCES_PER_BLOCK = 512
_LABEL = re.compile(r"O|[BI]-\S+")
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Found:
    """An entity: its type, its place in the text (first character, last + 1), its text, and the mean probability of
    its words' labels.
    """

    type: str
    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True)
class _Sentence:
    """Place in the text, token ids of each word, and each word's place in the sentence."""

    start: int
    pieces: list[list[int]]
    places: list[tuple[int, int]]


class Tagger:
    """A checkpoint folder whose config.json names the labels O, B-X and I-X.

    Words are what the tokenizer's pre-tokenizer makes of the text. Spans are those of transformers'
    pipeline("token-classification", aggregation_strategy="first"): the label of a word is that of its first piece, and
    an I-X without a beginning opens an entity.

    Raises:
        InputError: for a folder that holds no such model.
    """

    def __init__(self, folder: Path, use_cpu: bool = False) -> None:
        for name in ("config.json", "tokenizer.json"):
            if not (folder / name).is_file():
                raise InputError(
                    f"{folder / name}: is missing; name the model/ folder that scripts/finetune.py or"
                    " scripts/finetune_ner.py wrote"
                )
        config = AutoConfig.from_pretrained(folder)
        self.labels = [config.id2label[index] for index in range(config.num_labels)]
        if unknown := [label for label in self.labels if not _LABEL.fullmatch(label)]:
            raise InputError(
                f"{folder / 'config.json'}: names the label {unknown[0]!r}; tags of entities are O, B-X and I-X, so"
                " fine-tune the model first"
            )
        self.model, missing = load_weights(token_classifier_class(config.model_type), folder)
        if missing:
            raise InputError(f"{folder}: lacks the weights {missing[0]}; fine-tune the model first")
        self.model.to(torch.device("cuda" if torch.cuda.is_available() and not use_cpu else "cpu"))  # type: ignore[arg-type]
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.longest = min(self.tokenizer.model_max_length, config.max_position_embeddings)

    def tag(self, texts: Iterable[str]) -> Iterator[list[Found]]:
        """The entities of each text, in its order; texts are taken in blocks of some hundred sentences."""
        source = iter(texts)
        while block := list(_sentences_of_a_block(source)):
            spans = [span for _, found in block for span in found]
            sentences = self._encode(
                [text[start:end] for text, found in block for start, end in found], [start for start, _ in spans]
            )
            labels = iter(self._labels(sentences))
            at = iter(sentences)
            for text, found in block:
                yield [
                    entity
                    for sentence, tags in zip(islice(at, len(found)), islice(labels, len(found)), strict=True)
                    for entity in _entities(text, sentence, tags)
                ]

    def _encode(self, sentences: list[str], starts: list[int]) -> list[_Sentence]:
        if not sentences:
            return []
        encoded = self.tokenizer(sentences, add_special_tokens=False, verbose=False)
        return [
            _sentence_of(start, encoding, self.longest - 2)
            for start, encoding in zip(starts, encoded.encodings, strict=True)
        ]

    def _labels(self, sentences: Sequence[_Sentence]) -> list[list[tuple[str, float]]]:
        """Tag and probability of each word of each sentence."""
        windows = windows_of_pieces(
            [sentence.pieces for sentence in sentences],
            self.longest,
            self.tokenizer.cls_token_id,
            self.tokenizer.sep_token_id,
        )
        rows = [Row(window.input_ids, window.positions, [0] * len(window.positions)) for window in windows]
        labels: list[list[int]] = [[] for _ in rows]
        chances: list[list[float]] = [[] for _ in rows]
        for index, logits in logits_of(self.model, rows, self.tokenizer.pad_token_id):
            best = logits.softmax(-1).max(-1)
            labels[index], chances[index] = best.indices.tolist(), best.values.tolist()
        counts = [len(sentence.pieces) for sentence in sentences]
        joined = join_windows(windows, labels, counts)
        scores = _join_scores(windows, chances, counts)
        return [
            [(self.labels[label], score) for label, score in zip(*both, strict=True)]
            for both in zip(joined, scores, strict=True)
        ]


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Place of each sentence in a text: first character, last + 1."""
    words = [match.span() for match in _WORD.finditer(text)]
    spans, first = [], 0
    for sentence in split_sentences(text):
        last = first + len(sentence.split())
        spans.append((words[first][0], words[last - 1][1]))
        first = last
    return spans


def _sentences_of_a_block(texts: Iterator[str]) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Texts with the places of their sentences, until there are enough of these."""
    number = 0
    while number < SENTENCES_PER_BLOCK and (text := next(texts, None)) is not None:
        spans = sentence_spans(text)
        number += len(spans)
        yield text, spans


def _sentence_of(start: int, encoding, max_num_tokens: int) -> _Sentence:
    pieces: list[list[int]] = []
    places: list[tuple[int, int]] = []
    before = None
    for token, word, (first, last) in zip(encoding.ids, encoding.word_ids, encoding.offsets, strict=True):
        if word != before:
            pieces.append([])
            places.append((first, last))
            before = word
        places[-1] = (places[-1][0], last)
        if len(pieces[-1]) < max_num_tokens:
            pieces[-1].append(token)
    return _Sentence(start, pieces, places)


def _join_scores(
    windows: Sequence[Window], chances: Sequence[Sequence[float]], counts: Sequence[int]
) -> list[list[float]]:
    joined = [[0.0] * count for count in counts]
    for window, values in zip(windows, chances, strict=True):
        for word, value in zip(window.words, values, strict=True):
            joined[window.sentence][word] = value
    return joined


def _entities(text: str, sentence: _Sentence, tags: list[tuple[str, float]]) -> Iterator[Found]:
    for first, last, name in conlleval_entities([tag for tag, _ in tags]):
        start, end = sentence.start + sentence.places[first][0], sentence.start + sentence.places[last - 1][1]
        score = sum(chance for _, chance in tags[first:last]) / (last - first)
        yield Found(name, start, end, text[start:end], round(score, 4))
