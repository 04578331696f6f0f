"""Test sentences out of the corpus: documents that contain a sentence of a task, or a long run of its letters."""

import json

import numpy as np

from recipe.corpus.cleaning.filter import Candidate, Removal, SignatureFilter
from recipe.corpus.cleaning.task_sentences import sentences_of

RUN = 80  # letters and digits; those beyond ASCII count as their bytes in UTF-8, two to four each
# Task sentences of fewer letters and digits do not count: "Both treatments were well tolerated." stands in many
# innocent texts (docs/decisions.md).
LEAST = 40
# Every run of LEAST bytes of a document contains one of the windows that begin at each STRIDE-th one.
WINDOW = 24
STRIDE = LEAST - WINDOW + 1
_MORE = (LEAST - WINDOW) // 2
_NOT_ALPHANUMERIC = bytes(code for code in range(128) if not chr(code).isalnum())
# Odd numbers without a pattern, so that the high bits of a sum of products depend on all bytes.
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
# Two tables of 16 MB exclude all but one in some hundred of the windows that are not of the task, before any search.
_FIRST_24_BITS, _NEXT_24_BITS, _LAST_24_BITS = np.uint64(40), np.uint64(16), np.uint64((1 << 24) - 1)


class Decontamination(SignatureFilter):
    """Remove documents that contain a task sentence, or RUN of its letters and digits in a row."""

    # Letters and digits alone are compared, so that spaces and punctuation do not hide a sentence, nor a longer one
    # around it. It needs no other document, but is a signature filter so that it comes after the copies also on a
    # cluster: a copy of a document with a task sentence then goes as a copy, as on one machine.
    name = "decontaminate"

    def __init__(self, paths: list[str]) -> None:
        self._sentences = {
            squeezed: sentence
            for sentence in sentences_of(paths)
            if len(squeezed := squeeze(Candidate(sentence))) >= LEAST
        }
        # All of them in one string, a line each; a window across two lines equals none of a document.
        self._lines = b"".join(squeezed + b"\n" for squeezed in self._sentences)
        hashes = _window_hashes(self._lines, 1)
        self._places = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._places]
        self._is_likely, self._is_likelier = np.zeros(1 << 24, bool), np.zeros(1 << 24, bool)
        self._is_likely[hashes >> _FIRST_24_BITS] = True
        self._is_likelier[hashes >> _NEXT_24_BITS & _LAST_24_BITS] = True

    def signature(self, candidate: Candidate) -> bytes:
        # Nothing, or the whole removal, which needs no second look at the text.
        squeezed = squeeze(candidate)
        hashes = _window_hashes(squeezed, STRIDE)
        numbers = np.flatnonzero(self._is_likely[hashes >> _FIRST_24_BITS])
        numbers = numbers[self._is_likelier[hashes[numbers] >> _NEXT_24_BITS & _LAST_24_BITS]]
        if not len(numbers):
            return b""
        first, last = (self._hashes.searchsorted(hashes[numbers], side) for side in ("left", "right"))
        for hit in np.flatnonzero(first < last).tolist():
            for place in self._places[first[hit] : last[hit]].tolist():
                if found := self._removal_of(squeezed, int(numbers[hit]) * STRIDE, place):
                    return json.dumps([found.reason, found.excerpt]).encode()
        return b""

    def decide(self, candidate: Candidate, signature: bytes) -> str | Removal:
        return Removal(*json.loads(signature)) if signature else candidate.text

    def _removal_of(self, squeezed: bytes, start: int, place: int) -> Removal | None:
        """A removal if the window at `start` of the document, `place` of the lines, is in a sentence or a long run."""
        if not self._goes_on(squeezed, start, place):
            return None
        lines, first = self._lines, self._lines.rfind(b"\n", 0, place) + 1
        last = lines.find(b"\n", place)
        sentence = lines[first:last]
        if place - first <= start and squeezed.startswith(sentence, start - (place - first)):
            return Removal("contains a sentence of the task", self._sentences[sentence])
        before = _common(squeezed[max(0, start - RUN) : start][::-1], lines[max(first, place - RUN) : place][::-1])
        length = before + _common(squeezed[start : start + last - place], lines[place:last])
        if length < RUN:
            return None
        return Removal(f"contains {length} letters in a row of a sentence of the task", self._sentences[sentence])

    def _goes_on(self, squeezed: bytes, start: int, place: int) -> bool:
        """Whether the two agree for some bytes before or after the window, as they must in a run of LEAST."""
        # Most phrases of the trade end sooner, so this spares the search for the sentence's ends.
        lines, end, end_of_line = self._lines, start + WINDOW, place + WINDOW
        before = place >= _MORE <= start and squeezed[start - _MORE : start] == lines[place - _MORE : place]
        return before or squeezed[end : end + _MORE] == lines[end_of_line : end_of_line + _MORE]


def squeeze(candidate: Candidate) -> bytes:
    """The letters and digits, in lower case and UTF-8."""
    squeezed = candidate.lowered.translate(None, _NOT_ALPHANUMERIC)
    for character in candidate.rare:
        wanted = character.lower() if character.isalnum() else ""
        if wanted != character:
            old, new = (part.encode("utf-8", "surrogatepass") for part in (character, wanted))
            squeezed = squeezed.replace(old, new)
    return squeezed


def _window_hashes(text: bytes, stride: int) -> np.ndarray:
    """Hashes of the windows that begin at every `stride`-th byte, uint64."""
    number = (len(text) - WINDOW) // stride + 1 if len(text) >= WINDOW else 0
    if not number:
        return np.zeros(0, np.uint64)
    # A view of the text's own bytes as overlapping rows of three 64-bit words: nothing is copied.
    return np.ndarray((number, WINDOW // 8), "<u8", text, strides=(stride, 8)) @ _FACTORS


def _common(left: bytes, right: bytes) -> int:
    """How many characters two texts begin with in common."""
    length = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        length += 1
    return length
