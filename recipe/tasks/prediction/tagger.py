"""A fine-tuned NER model: texts -> entities with their character offsets."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tokenizers import Encoding

from recipe.corpus.sentences import split_sentences
from recipe.errors import InputError
from recipe.tasks.data.entities import conlleval_entities
from recipe.tasks.finetuning.inference import logits_of
from recipe.tasks.prediction.loading import load_fine_tuned, read_config
from recipe.tasks.types.task_type import Row
from recipe.tasks.types.windows import join_windows, windows_of_pieces
from recipe.tokens.plain_text import plain_text_tokenizer

# Sentences that are sorted by length together: enough for full batches, few enough that output keeps coming.
SENTENCES_PER_BLOCK = 512
_LABEL = re.compile(r"O|[BI]-\S+")
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Found:
    """An entity: type, first character, last + 1, text, and the mean probability of its words' labels."""

    type: str
    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True)
class _Sentence:
    """Where it begins in the text, token ids of each word, and each word's span in the sentence."""

    start: int
    pieces: list[list[int]]
    spans: list[tuple[int, int]]


class Tagger:
    """A checkpoint folder whose config.json names the labels O, B-X and I-X.

    Words are those of the tokenizer's pre-tokenizer, also "[MASK]" in a text: see `PlainTextTokenizer`.
    Spans are those of transformers' pipeline("token-classification",
    aggregation_strategy="first"): the label of a word is that of its first piece, and a stray I-X opens an entity.
    """

    def __init__(self, folder: Path, use_cpu: bool = False) -> None:
        config = read_config(folder)
        self.labels = [config.id2label[index] for index in range(config.num_labels)]
        # A pretrained checkpoint has LABEL_0, ...: its tags would be noise.
        if unknown := [label for label in self.labels if not _LABEL.fullmatch(label)]:
            raise InputError(
                f"{folder / 'config.json'}: names the label {unknown[0]!r}; tags of entities are O, B-X and I-X, so"
                " fine-tune the model first"
            )
        self.model, self.tokenizer, self.longest = load_fine_tuned(folder, config, use_cpu)
        self._plain = plain_text_tokenizer(self.tokenizer)

    def tag(self, texts: Iterable[str]) -> Iterator[list[Found]]:
        """The entities of each text, in its order; texts are taken in blocks of some hundred sentences."""
        source = iter(texts)
        while block := list(_texts_of_a_block(source)):
            starts = [start for _, spans in block for start, _ in spans]
            sentences = self._encode([text[start:end] for text, spans in block for start, end in spans], starts)
            tagged = zip(sentences, self._labels(sentences), strict=True)
            for text, spans in block:
                here = islice(tagged, len(spans))
                yield [entity for sentence, tags in here for entity in _entities(text, sentence, tags)]

    def _encode(self, sentences: list[str], starts: list[int]) -> list[_Sentence]:
        if not sentences:
            return []
        encodings = self._plain.encode(sentences)
        return [
            _sentence_of(start, encoding, self._plain.ids_of(encoding), self.longest - 2)
            for start, encoding in zip(starts, encodings, strict=True)
        ]

    def _labels(self, sentences: Sequence[_Sentence]) -> list[list[tuple[str, float]]]:
        """Tag and probability of each word of each sentence."""
        pieces = [sentence.pieces for sentence in sentences]
        cls_id, sep_id = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        windows = windows_of_pieces(pieces, self.longest, cls_id, sep_id)
        rows = [Row(window.input_ids, window.positions, [0] * len(window.positions)) for window in windows]
        labels: list[list[int]] = [[] for _ in rows]
        probabilities: list[list[float]] = [[] for _ in rows]
        for index, logits in logits_of(self.model, rows, self.tokenizer.pad_token_id):
            best = logits.softmax(-1).max(-1)
            labels[index], probabilities[index] = best.indices.tolist(), best.values.tolist()
        joined = join_windows(windows, labels, [len(words) for words in pieces])
        tagged = [[(self.labels[label], 0.0) for label in of_sentence] for of_sentence in joined]
        for window, values in zip(windows, probabilities, strict=True):
            for word, value in zip(window.words, values, strict=True):
                tagged[window.sentence][word] = (tagged[window.sentence][word][0], value)
        return tagged


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Span of each sentence in a text: first character, last + 1."""
    words = [match.span() for match in _WORD.finditer(text)]
    spans, first = [], 0
    for sentence in split_sentences(text):
        # The splitter folds white space, so its sentences are found again by their number of words.
        last = first + len(sentence.split())
        spans.append((words[first][0], words[last - 1][1]))
        first = last
    return spans


def _texts_of_a_block(texts: Iterator[str]) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Texts with the spans of their sentences, until there are enough of these."""
    number = 0
    while number < SENTENCES_PER_BLOCK and (text := next(texts, None)) is not None:
        spans = sentence_spans(text)
        number += len(spans)
        yield text, spans


def _sentence_of(start: int, encoding: Encoding, ids: Sequence[int], max_num_tokens: int) -> _Sentence:
    pieces: list[list[int]] = []
    spans: list[tuple[int, int]] = []
    before = None
    for token, word, (first, last) in zip(ids, encoding.word_ids, encoding.offsets, strict=True):
        if word != before:
            pieces.append([])
            spans.append((first, last))
            before = word
        spans[-1] = (spans[-1][0], last)
        # Of a word longer than the model only the first pieces are read; its span is complete all the same.
        if len(pieces[-1]) < max_num_tokens:
            pieces[-1].append(token)
    return _Sentence(start, pieces, spans)


def _entities(text: str, sentence: _Sentence, tags: list[tuple[str, float]]) -> Iterator[Found]:
    # Not strict IOB2: a user would rather see a mention whose beginning the model missed than lose it.
    for first, last, name in conlleval_entities([tag for tag, _ in tags]):
        start, end = sentence.start + sentence.spans[first][0], sentence.start + sentence.spans[last - 1][1]
        score = sum(probability for _, probability in tags[first:last]) / (last - first)
        yield Found(name, start, end, text[start:end], round(score, 4))
