"""Steps that change single characters: Unicode form, control characters, white space. Each asks first, cheaply,
whether there is anything to do.
"""

import re
import unicodedata
from typing import Literal

from recipe.corpus.cleaning.filter import Candidate

# Controls that are no white space, DEL and C1, soft hyphen, zero-width space, marks of direction, byte order mark, and
# lone halves of pairs.
_CONTROL = "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ud800-\udfff"
_CONTROLS = re.compile(f"[{_CONTROL}]+")
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
        return (
            text
            if text.isascii() or unicodedata.is_normalized(self._form, text)
            else unicodedata.normalize(self._form, text)
        )


class ControlCharacters:
    """Delete control and invisible characters; the zero-width joiners of scripts that need them stay."""

    name = "control_characters"

    def __call__(self, candidate: Candidate) -> str:
        return (
            _CONTROLS.sub("", candidate.text)
            if candidate.rare and _CONTROLS.search(candidate.rare_text)
            else candidate.text
        )


class WhiteSpace:
    """Fold white space to single spaces, and drop it at the ends of sentences."""

    name = "white_space"

    def __call__(self, candidate: Candidate) -> str:
        return folded(candidate.text) if _is_untidy(candidate) else candidate.text


def folded(text: str) -> str:
    """The lines with single spaces, none at their ends, and without empty lines."""
    return _EMPTY_LINES.sub("\n", _EDGES.sub("", _SPACES.sub(" ", text))).strip("\n")


def _is_untidy(candidate: Candidate) -> bool:
    encoded = candidate.encoded.translate(_LINE_END_AS_SPACE)
    return b"  " in encoded or encoded[:1] == b" " or encoded[-1:] == b" " or any(map(str.isspace, candidate.rare))
