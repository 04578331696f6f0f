"""Filters that remove sentences or documents by what can be counted in them: words, and letters of a script."""

import unicodedata
from collections import Counter
from functools import lru_cache

from recipe.corpus.cleaning.filter import Candidate, Deletion, Removal
from recipe.errors import InputError

_NO_ASCII_LETTER = bytes(code for code in range(256) if code > 127 or not chr(code).isalpha())


class ScriptShare:
    """Remove documents of which too few letters belong to a script."""

    name = "script"

    def __init__(self, script: str, min_share: float) -> None:
        self._script, self._min_share = script.upper(), min_share
        known = {_script_of(chr(code)) for code in range(0x41, 0x3100)} | {"CJK", "HANGUL"}
        if self._script not in known:
            raise InputError(
                f"corpus.script is {script!r}; name a script as Unicode does: latin, greek, cyrillic, cjk, ..."
            )

    def __call__(self, candidate: Candidate) -> str | Removal:
        # ASCII letters are counted by deleting all else in one call; only the rare ones are asked for their script.
        ascii_letters = len(candidate.encoded.translate(None, _NO_ASCII_LETTER))
        scripts = Counter(map(_script_of, candidate.rare_text))
        letters = ascii_letters + scripts.total() - scripts[""]
        own = scripts[self._script] + (ascii_letters if self._script == "LATIN" else 0)
        share = own / letters if letters else 0.0
        if share >= self._min_share:
            return candidate.text
        return Removal(f"{share:.0%} of the letters are {self._script.lower()}", candidate.excerpt)


class SentenceLength:
    """Remove sentences of too many words."""

    name = "sentence_length"

    def __init__(self, max_words: int) -> None:
        self._max_words = max_words

    def __call__(self, candidate: Candidate) -> str | Deletion:
        text = candidate.text
        sentences = text.split("\n")
        # A word and its space take two characters at least, so short sentences need no count, which takes the time.
        most = self._max_words
        kept = [sentence for sentence in sentences if len(sentence) < 2 * most or sentence.count(" ") < most]
        if len(kept) == len(sentences):
            return text
        deleted = (sentence for sentence in sentences if len(sentence) >= 2 * most and sentence.count(" ") >= most)
        return Deletion("\n".join(kept), tuple(deleted))


class DocumentLength:
    """Remove documents of too few or too many words."""

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


@lru_cache(maxsize=1 << 16)
def _script_of(character: str) -> str:
    """First word of the character's Unicode name, which is the script of a letter; "" for what is not a letter."""
    return unicodedata.name(character, "").split(" ")[0].split("-")[0] if character.isalpha() else ""
