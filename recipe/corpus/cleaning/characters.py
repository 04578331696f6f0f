"""Filters that change single characters: Unicode form, control characters, white space."""

import re
import unicodedata
from typing import Literal

from recipe.corpus.cleaning.filter import Candidate

# Controls that are not white space, DEL and C1, soft hyphen, marks of direction, byte order mark, and lone halves of
# pairs. The zero-width joiners stay: some scripts need them.
_CONTROLS = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u061c\u200e\u200f\u202a-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufeff\ud800-\udfff]+"
)
# Says where words end in scripts without spaces, and on web pages; without a space the words would be glued.
_ZERO_WIDTH_SPACE = "\u200b"
_SPACES = re.compile(r"[^\S\n]+")
_EDGES = re.compile(r"(?m)^ +| +$")
_EMPTY_LINES = re.compile(r"\n{2,}")
_LINE_END_AS_SPACE = bytes.maketrans(b"\n", b" ")


class Unicode:
    """Bring the text into a Unicode normal form."""

    name = "unicode"

    def __init__(self, form: Literal["NFC", "NFKC"]) -> None:
        self._form: Literal["NFC", "NFKC"] = form

    def __call__(self, candidate: Candidate) -> str:
        text = candidate.text
        # Asked first, and so in the filters below: most texts need nothing, and the question is cheap.
        if text.isascii() or unicodedata.is_normalized(self._form, text):
            return text
        return unicodedata.normalize(self._form, text)


class ControlCharacters:
    """Delete control and invisible characters; a zero-width space becomes a space."""

    name = "control_characters"

    def __call__(self, candidate: Candidate) -> str:
        text = candidate.text
        if _ZERO_WIDTH_SPACE in candidate.rare:
            text = text.replace(_ZERO_WIDTH_SPACE, " ")
        if candidate.rare and _CONTROLS.search(candidate.rare_text):
            text = _CONTROLS.sub("", text)
        return text


class WhiteSpace:
    """Fold white space to single spaces, and drop it at the ends of sentences."""

    name = "white_space"

    def __call__(self, candidate: Candidate) -> str:
        encoded = candidate.encoded.translate(_LINE_END_AS_SPACE)
        if b"  " in encoded or encoded[:1] == b" " or encoded[-1:] == b" " or any(map(str.isspace, candidate.rare)):
            return folded(candidate.text)
        return candidate.text


def folded(text: str) -> str:
    """The lines with single spaces, none at their ends, and without empty lines."""
    return _EMPTY_LINES.sub("\n", _EDGES.sub("", _SPACES.sub(" ", text))).strip("\n")
