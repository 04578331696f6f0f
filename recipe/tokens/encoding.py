"""Lines of text -> token ids: each distinct word is encoded once where that gives the same ids, else line by line."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import numpy as np
from tokenizers import Tokenizer

from recipe.tokenizer.folder import SPECIAL_TOKENS
from recipe.tokens.plain_text import text_tokenizer, unknown_id
from recipe.tokens.words import NEWLINE, LongWordCutter, WordDictionary

CHECKED_LINES = 16
CHECKED_BYTES = 1 << 16
LINES_PER_CALL = 1000
CHARACTERS_PER_CALL = 1 << 18

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

    "[MASK]" and the other four of BERT are plain words in a text. A special token of the user's own, such as "[ANON]",
    has its id here as in fine-tuning.
    """

    def __init__(self, tokenizer_json: str, uses_words: bool = True) -> None:
        self._tokenizer = text_tokenizer(tokenizer_json)
        self._unknown = unknown_id(self._tokenizer)
        # A word of the text that has one of these ids, of a vocabulary that was made by hand.
        self._forbidden = sorted(special_ids(self._tokenizer) - {self._unknown})
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


def ids_dtype(tokenizer: Tokenizer) -> np.dtype:
    """The smallest type that can represent every id: uint16 or uint32."""
    return np.dtype(np.uint16 if max(tokenizer.get_vocab().values(), default=0) < 2**16 else np.uint32)


def encode_sentences(tokenizer: Tokenizer, sentences: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Token ids of all sentences in one flat array, and the number of tokens of each (int64); no special tokens."""
    encodings = tokenizer.encode_batch_fast(sentences, add_special_tokens=False)
    ids = [encoding.ids for encoding in encodings]
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    return np.fromiter(chain.from_iterable(ids), np.int64, int(lengths.sum())), lengths


def special_ids(tokenizer: Tokenizer) -> set[int]:
    """The ids of the special tokens, the user's own and [UNK] too: they are never masked or predicted."""
    added = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    return added | {number for token in SPECIAL_TOKENS if (number := tokenizer.token_to_id(token)) is not None}


def _bert_normalizer(tokenizer_json: str) -> tuple[dict | None, bool]:
    """The settings of BertNormalizer if it cuts as BERT's does, else None; and whether NFKC stands before it."""
    parts = json.loads(tokenizer_json)
    normalizer = parts.get("normalizer") or {}
    steps = normalizer["normalizers"] if normalizer.get("type") == "Sequence" else [normalizer]
    is_bert = [step.get("type") for step in steps] in (["BertNormalizer"], ["NFKC", "BertNormalizer"])
    for name, kind in (("pre_tokenizer", "BertPreTokenizer"), ("model", "WordPiece")):
        is_bert &= (parts.get(name) or {}).get("type") == kind
    # A token of the user's own may contain white space or punctuation, so lines could not be cut there.
    is_bert &= all(token["content"] in SPECIAL_TOKENS for token in parts.get("added_tokens", []))
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
