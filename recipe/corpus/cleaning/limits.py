"""Steps that drop sentences or documents by what can be counted in them: words, and letters of a script."""

import unicodedata
from collections import Counter
from functools import lru_cache

from recipe.corpus.cleaning.filter import Candidate, Removal
from recipe.errors import InputError

_NO_ASCII_LETTER = bytes(code for code in range(256) if code > 127 or not chr(code).isalpha())


class ScriptShare:
    """Drop documents of which too few letters belong to a script."""

    name = "script"

    def __init__(self, script: str, min_share: float) -> None:
        self._script, self._min_share = script.upper(), min_share
        if (
            not any(_script_of(chr(code)) == self._script for code in range(0x41, 0x3100))
            and self._script not in _LATER_SCRIPTS
        ):
            raise InputError(
                f"corpus.script is {script!r}; name a script as Unicode does: latin, greek, cyrillic, arabic, hebrew,"
                " devanagari, cjk, hangul, ..."
            )

    def __call__(self, candidate: Candidate) -> str | Removal:
        share = self._share(candidate)
        if share >= self._min_share:
            return candidate.text
        return Removal(f"{share:.0%} of the letters are {self._script.lower()}", candidate.excerpt)

    def _share(self, candidate: Candidate) -> float:
        """Share of the letters that are of the script; 0 if there are no letters."""
        ascii_letters = len(candidate.encoded.translate(None, _NO_ASCII_LETTER))
        scripts = Counter(map(_script_of, candidate.rare_text))
        letters = ascii_letters + scripts.total() - scripts[""]
        own = scripts[self._script] + (ascii_letters if self._script == "LATIN" else 0)
        return own / letters if letters else 0.0


class SentenceLength:
    """Drop sentences of too many words."""

    name = "sentence_length"

    def __init__(self, max_words: int) -> None:
        self._max_words = max_words

    def __call__(self, candidate: Candidate) -> str:
        text = candidate.text
        sentences = text.split("\n")
        # A word and its space take two characters at least, and to count is what takes the time.
        kept = [
            sentence
            for sentence in sentences
            if len(sentence) < 2 * self._max_words or sentence.count(" ") < self._max_words
        ]
        return text if len(kept) == len(sentences) else "\n".join(kept)


class DocumentLength:
    """Drop documents of too few or too many words."""

    name = "document_length"

    def __init__(self, min_words: int, max_words: int | None) -> None:
        self._min_words, self._max_words = min_words, max_words

    def __call__(self, candidate: Candidate) -> str | Removal:
        text = candidate.text
        words = 1 + text.count(" ") + text.count("\n") if text else 0
        if words < self._min_words:
            return Removal(f"{words:,} words, fewer than {self._min_words:,}", candidate.excerpt)
        if self._max_words is not None and words > self._max_words:
            return Removal(f"{words:,} words, more than {self._max_words:,}", candidate.excerpt)
        return text


_LATER_SCRIPTS = frozenset({"CJK", "HANGUL"})


@lru_cache(maxsize=1 << 16)
def _script_of(character: str) -> str:
    """First word of the character's Unicode name, which names the script of letters; "" for all that is no letter."""
    return unicodedata.name(character, "").split(" ")[0].split("-")[0] if character.isalpha() else ""
