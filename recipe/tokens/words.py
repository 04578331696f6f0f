"""Text -> the ids of its words: what has been encoded once is looked up and copied, by numpy and Arrow."""

import re
from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np
import pyarrow as pa

MAX_WORDS = 1 << 19
MAX_WORD_BYTES = 1 << 24
LONG_WORD = 1 << 14
WORDS_PER_LINE = 128
WORDS_PER_CALL = 1 << 14
NEWLINE = 10

_OTHER, _SPACE, _PUNCTUATION = 0, 1, 2
# Only what cuts a line for every setting of BertNormalizer: it deletes \x0b, \x0c and other controls, so "a\x0bb" is
# one word.
_ASCII_PUNCTUATION = bytes(byte for byte in range(0x21, 0x7F) if not chr(byte).isalnum())
_KIND_OF_BYTE = bytes(
    _SPACE if byte in b" \t\n\r" else _PUNCTUATION if byte in _ASCII_PUNCTUATION else _OTHER for byte in range(256)
)


# BERT's tokenizer first cuts a line at white space and around punctuation, and nothing that it does reaches over such
# a cut. So a line's ids are those of its words one after another, and a corpus has few distinct words: the rest is
# counting and copying, which numpy and Arrow do.
class WordDictionary:
    """The ids of every word seen so far."""

    def __init__(self, ids_of_lines: Callable, separator: str | None, cutter: "LongWordCutter") -> None:
        self._ids_of_lines = ids_of_lines
        self._separator = separator
        self._cutter = cutter
        self._empty()

    def encode(self, text: bytes) -> tuple[np.ndarray, np.ndarray]:
        """As `SentenceEncoder.encode`, word by word."""
        # Forgotten and begun anew: without a bound, rare words would let memory grow with the corpus.
        if len(self._known) > MAX_WORDS or self._known.nbytes > MAX_WORD_BYTES:
            self._empty()
        starts = _word_starts(text)
        codes = self._codes(text, starts)
        first_words = np.searchsorted(starts, _line_starts(text))
        ids = pa.LargeListArray.from_arrays(_arrow(self._offsets), _arrow(self._ids)).take(codes)
        word_ends = _numpy(ids.offsets, np.dtype(np.int64))
        line_starts = np.append(word_ends[first_words], word_ends[-1])
        return _numpy(ids.flatten(), self._ids.dtype), np.diff(line_starts)

    def _empty(self) -> None:
        self._known = _binary(np.zeros(1, np.int32), b"")
        self._offsets = np.zeros(1, np.int64)
        self._ids = self._ids_of_lines([""])[0]

    def _codes(self, text: bytes, starts: np.ndarray) -> pa.Array:
        """The place of each word in the dictionary, which takes up the new ones."""
        offsets = np.append(starts, np.int32(len(text)))
        # The known words stand in front, so they keep their places, and the new ones follow.
        encoded = pa.concat_arrays([self._known, _binary(offsets, text)]).dictionary_encode()
        self._learn(encoded.dictionary[len(self._known) :])
        self._known = encoded.dictionary
        return encoded.indices[len(encoded.indices) - len(starts) :]

    def _learn(self, words: pa.Array) -> None:
        for start in range(0, len(words), WORDS_PER_CALL):
            some = words[start : start + WORDS_PER_CALL].to_pylist()
            ids, lengths = self._ids_of_words([word.decode() for word in some])
            self._offsets = np.append(self._offsets, self._offsets[-1] + np.cumsum(lengths))
            self._ids = np.append(self._ids, ids)

    def _ids_of_words(self, words: list[str]) -> tuple[np.ndarray, np.ndarray]:
        # Many words make one line, with a separator after each: a line for every word would cost three times as much.
        mark = self._separator
        is_plain = [mark is not None and mark not in word and len(word) <= LONG_WORD for word in words]
        joined = self._ids_of_joined([word for word, plain in zip(words, is_plain, strict=True) if plain])
        alone = self._ids_of_alone([word for word, plain in zip(words, is_plain, strict=True) if not plain])
        return _interleaved(np.array(is_plain), joined, alone)

    def _ids_of_alone(self, words: list[str]) -> tuple[np.ndarray, np.ndarray]:
        parts = [list(self._cutter.parts(word)) if len(word) > LONG_WORD else [word] for word in words]
        ids, lengths = self._ids_of_lines(list(chain.from_iterable(parts)))
        first_parts = np.cumsum([0, *map(len, parts[:-1])])
        return ids, np.add.reduceat(lengths, first_parts) if parts else lengths

    def _ids_of_joined(self, words: list[str]) -> tuple[np.ndarray, np.ndarray]:
        if not words:
            return self._ids_of_lines([])
        mark = str(self._separator)
        starts = range(0, len(words), WORDS_PER_LINE)
        ids, _ = self._ids_of_lines([mark.join([*words[start : start + WORDS_PER_LINE], ""]) for start in starts])
        is_mark = ids == self._ids_of_lines([mark])[0]
        # Not one separator for each word: the tokenizer is not as it looked, so each word gets a line of its own.
        if int(is_mark.sum()) != len(words):
            return self._ids_of_lines(words)
        return ids[~is_mark], np.diff(np.flatnonzero(is_mark), prepend=-1) - 1


class LongWordCutter:
    """Cuts a word that may be megabytes long, such as a genome or Chinese text, into parts with the same ids."""

    # The tokenizer takes a hundred bytes for each letter of a line.
    def __init__(self, cuts_at_ideographs: bool, max_input_chars_per_word: int) -> None:
        # After an ideographic space, comma or full stop any BERT tokenizer cuts; around ideographs if it is told to.
        self._cut = re.compile("[\u3000-\u3002\u4e00-\u9fff]" if cuts_at_ideographs else "[\u3000-\u3002]")
        self._kept = max_input_chars_per_word + 1
        self._run = re.compile(f"[0-9A-Za-z]{{{self._kept},}}")

    def parts(self, word: str) -> Iterator[str]:
        """Parts whose ids, one after another, are those of the word."""
        # A run longer than the tokenizer takes is [UNK] with all that belongs to its word, be it ever so long.
        word = self._run.sub(lambda run: run[0][: self._kept], word)
        start = 0
        while cut := self._cut.search(word, start + LONG_WORD):
            yield word[start : cut.end()]
            start = cut.end()
        yield word[start:]


def _word_starts(text: bytes) -> np.ndarray:
    """Where words start, int32: at white space, which goes to the word after it, and around punctuation."""
    kinds = np.frombuffer(text.translate(_KIND_OF_BYTE), np.uint8)
    is_start = kinds != _OTHER
    is_start[1:] |= kinds[:-1] == _PUNCTUATION
    is_start[:1] = True
    return np.flatnonzero(is_start).astype(np.int32)


def _line_starts(text: bytes) -> np.ndarray:
    """The byte at which each line's first word starts: 0, then every newline."""
    # A newline belongs to the line after it, as white space belongs to the word after it.
    newlines = np.flatnonzero(np.frombuffer(text, np.uint8) == NEWLINE)
    return np.concatenate([[0], newlines]).astype(np.int32)


def _arrow(array: np.ndarray) -> pa.Array:
    # The same memory. `pa.array` and `to_numpy` would import pandas, which costs a third of a second and 40 MB.
    return pa.Array.from_buffers(pa.from_numpy_dtype(array.dtype), len(array), [None, pa.py_buffer(array)])


def _numpy(array: pa.Array, dtype: np.dtype) -> np.ndarray:
    if not len(array):
        return np.zeros(0, dtype)
    return np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * dtype.itemsize)


def _binary(offsets: np.ndarray, data: bytes) -> pa.Array:
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _interleaved(
    choose: np.ndarray, one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Ids and lengths of items of which `choose` says whether they come next in `one` or in `other`."""
    lengths = np.empty(len(choose), np.int64)
    lengths[choose], lengths[~choose] = one[1], other[1]
    from_one = np.repeat(choose, lengths)
    ids = np.empty(len(from_one), one[0].dtype)
    ids[from_one], ids[~from_one] = one[0], other[0]
    return ids, lengths
