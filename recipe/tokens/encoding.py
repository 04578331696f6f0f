"""Lines of text -> token ids: each distinct word is encoded once where that gives the same ids, else line by line."""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from recipe.tokenizer.folder import SPECIAL_TOKENS

MAX_WORDS = 1 << 19
MAX_WORD_BYTES = 1 << 24
CHECKED_LINES = 16
CHECKED_BYTES = 1 << 16
LINES_PER_CALL = 1000
CHARACTERS_PER_CALL = 1 << 18
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
# The one mark that NFKC composes with ASCII punctuation (= and U+0338 are U+2260), over a cut between words.
_JOINS_PUNCTUATION = "\u0338".encode()
# Lines on which the two routes would part if the words of a tokenizer were not its own business.
_PROBES = (
    "Two  words,\tand\rmore.",
    "in vitro (n=3); p<0.05 α-synuclein's K⁺/Na⁺",
    "a\x0bb \x0c c\x00d\x1fe \u0085f\u2028g\u2029h\u00a0i\u3000j\ufeffk\u200bl\ufffdm",
    "caf\u00e9 cafe\u0301 \u0301x .\u0301y \u0130\u0131 ΑΣ ΣΑΣ. \u037e \u1fef \u2260 \u212b ﬁ",
    "[MASK] [SEP]x [ CLS ] ##ing #",
    "\u4e2d\u6587 a\u4e2db \U00020000 \U0001f600x\ud55c\uae00\u1112\u1161",
    "x" * 101 + " " + "y" * 100,
    "",
)


class SentenceEncoder:
    """A tokenizer that turns plain text into ids, without special tokens, truncation and padding.

    A token of the text that would get the id of a special token, such as "[MASK]" in it, gets that of [UNK].
    """

    def __init__(self, tokenizer_json: str, uses_words: bool = True) -> None:
        self._tokenizer = _plain_tokenizer(tokenizer_json)
        self._unknown, self._forbidden = _special_ids(self._tokenizer)
        self.dtype = ids_dtype(self._tokenizer)
        bert, self._composes = _bert_normalizer(tokenizer_json)
        self._words: WordDictionary | None = None
        if uses_words and bert is not None:
            # Punctuation with an id of its own; no other character is normalised to one of these.
            separator = next((mark for mark in ",.:" if self._tokenizer.token_to_id(mark) is not None), None)
            cutter = LongWordCutter(bert["handle_chinese_chars"], self._tokenizer.model.max_input_chars_per_word)
            words = WordDictionary(self._ids_of_lines, separator, cutter)
            # The settings look right, but only the tokenizer itself knows what it does.
            both = zip(self._ids_of_lines(list(_PROBES)), words.encode("\n".join(_PROBES).encode()), strict=True)
            self._words = words if all(np.array_equal(one, other) for one, other in both) else None

    @property
    def uses_words(self) -> bool:
        """Whether lines go by their words."""
        return self._words is not None

    def encode(self, text: bytes) -> tuple[np.ndarray, np.ndarray]:
        """Ids of all lines of UTF-8 text in one array (uint16 or uint32), and the number of each line's ids (int64).

        Raises:
            RuntimeError: if some of the lines, encoded as a whole, have other ids than their words.
        """
        with _one_thread():
            if self._words is None or (self._composes and _JOINS_PUNCTUATION in text):
                return self._ids_of_lines(text.decode().split("\n"))
            ids, lengths = self._words.encode(text)
            self._check(text, ids, lengths)
        return ids, lengths

    def _check(self, text: bytes, ids: np.ndarray, lengths: np.ndarray) -> None:
        # Some lines of every block are encoded as a whole too: wrong ids would train a model for days unnoticed.
        starts = np.flatnonzero(np.frombuffer(b"\n" + text, np.uint8) == NEWLINE)
        ends = np.append(starts[1:] - 1, len(text))
        first_id = np.cumsum(lengths) - lengths
        for line in np.unique(np.linspace(0, len(starts) - 1, CHECKED_LINES).astype(int)):
            words = text[starts[line] : ends[line]]
            if len(words) > CHECKED_BYTES:
                continue
            expected, _ = self._ids_of_lines([words.decode()])
            if not np.array_equal(expected, ids[first_id[line] : first_id[line] + lengths[line]]):
                raise RuntimeError(
                    "a line and its words give different token ids, please report it with tokenizer.json; the line:"
                    f" {words.decode()[:1000]!r}"
                )

    def _ids_of_lines(self, lines: list[str]) -> tuple[np.ndarray, np.ndarray]:
        nothing = np.zeros(0, np.int64)
        parts = [(nothing, nothing), *(encode_sentences(self._tokenizer, part) for part in _bounded(lines))]
        ids, lengths = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        ids[np.isin(ids, self._forbidden)] = self._unknown
        return ids.astype(self.dtype), lengths


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


def ids_dtype(tokenizer: Tokenizer) -> np.dtype:
    """The smallest type that can represent every id: uint16 or uint32."""
    return np.dtype(np.uint16 if max(tokenizer.get_vocab().values(), default=0) < 2**16 else np.uint32)


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


def encode_sentences(tokenizer: Tokenizer, sentences: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Token ids of all sentences in one flat array, and the number of tokens of each (int64); no special tokens."""
    encodings = tokenizer.encode_batch_fast(sentences, add_special_tokens=False)
    ids = [encoding.ids for encoding in encodings]
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    return np.fromiter(chain.from_iterable(ids), np.int64, int(lengths.sum())), lengths


def _plain_tokenizer(tokenizer_json: str) -> Tokenizer:
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    # "[MASK]" in the text is text.
    tokenizer.encode_special_tokens = True
    return tokenizer


def _special_ids(tokenizer: Tokenizer) -> tuple[int, list[int]]:
    """The id of the unknown token, and the ids that text must not get."""
    unknown = tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "[UNK]") or 0
    added = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    named = {number for token in SPECIAL_TOKENS if (number := tokenizer.token_to_id(token)) is not None}
    return unknown, sorted((added | named) - {unknown})


def _bert_normalizer(tokenizer_json: str) -> tuple[dict | None, bool]:
    """The settings of BertNormalizer if it cuts as BERT's does, else None; and whether NFKC stands before it."""
    parts = json.loads(tokenizer_json)
    normalizer = parts.get("normalizer") or {}
    steps = normalizer["normalizers"] if normalizer.get("type") == "Sequence" else [normalizer]
    is_bert = [step.get("type") for step in steps] in (["BertNormalizer"], ["NFKC", "BertNormalizer"])
    for name, kind in (("pre_tokenizer", "BertPreTokenizer"), ("model", "WordPiece")):
        is_bert &= (parts.get(name) or {}).get("type") == kind
    # An added token that is not special may contain white space or punctuation, so lines could not be cut there.
    is_bert &= all(token["special"] for token in parts.get("added_tokens", []))
    return (steps[-1] if is_bert else None), len(steps) > 1


@contextmanager
def _one_thread() -> Iterator[None]:
    # One process means one core here: `pairs.num_proc` says how many to use, and threads of the tokenizer would make a
    # later fork unsafe.
    before = os.environ.get("TOKENIZERS_PARALLELISM")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TOKENIZERS_PARALLELISM"]
        else:
            os.environ["TOKENIZERS_PARALLELISM"] = before


def _bounded(lines: list[str]) -> Iterator[list[str]]:
    # Runs of lines small enough for one call: an encoding takes some hundred bytes per token until its ids are taken
    # out.
    part: list[str] = []
    size = 0
    for line in lines:
        if part and (len(part) >= LINES_PER_CALL or size + len(line) > CHARACTERS_PER_CALL):
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line)
    if part:
        yield part


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
