"""Text -> the characters that a vocabulary needs, so that no character of the corpus becomes [UNK]."""

import re
from collections import Counter

import numpy as np
from tokenizers.normalizers import Normalizer

CHARACTERS_PER_COUNT = 1 << 20
MAX_REMEMBERED = 1 << 20
# What is normalised at a time: characters outside ASCII with the one before them, since a combining mark may change
# the letter that it follows.
_FOREIGN = re.compile(r"[\x00-\x7f]?[^\x00-\x7f]+")


class Alphabet:
    """Counts the characters of texts as the normaliser leaves them; white space does not count."""

    def __init__(self, normalizer: Normalizer) -> None:
        self._normalizer = normalizer
        # ASCII is counted as bytes by numpy and normalised at the end, which spares the normaliser most of the text.
        self._ascii = np.zeros(128, np.int64)
        self._foreign: Counter[str] = Counter()
        self._normalized: dict[str, str] = {}
        self._waiting: list[str] = []
        self._waiting_characters = 0

    def add(self, text: str) -> None:
        """Count a text."""
        self._waiting.append(text)
        self._waiting_characters += len(text)
        if self._waiting_characters > CHARACTERS_PER_COUNT:
            self._count_waiting()

    def characters(self) -> list[tuple[str, int]]:
        """All characters with their counts, the most frequent first, of equals the lower code point."""
        self._count_waiting()
        total = Counter(self._foreign)
        for code in np.flatnonzero(self._ascii).tolist():
            for character in self._normalize(chr(code)):
                total[character] += int(self._ascii[code])
        return sorted(total.items(), key=lambda entry: (-entry[1], entry[0]))

    def _count_waiting(self) -> None:
        text = "\n".join(self._waiting)
        self._waiting, self._waiting_characters = [], 0
        for run, number in Counter(_FOREIGN.findall(text) if not text.isascii() else ()).items():
            # The ASCII letter of the run is counted below, unless a mark made another one of it.
            counted_below = self._normalize(run[0]) if run[0].isascii() else ""
            for character in self._normalize(run):
                if character not in counted_below:
                    self._foreign[character] += number
        self._ascii += np.bincount(np.frombuffer(text.encode(errors="ignore"), np.uint8), minlength=256)[:128]

    def _normalize(self, text: str) -> str:
        if text not in self._normalized:
            # A corpus of many scripts has millions of different runs; forgetting all now and then costs little.
            if len(self._normalized) > MAX_REMEMBERED:
                self._normalized.clear()
            self._normalized[text] = "".join(self._normalizer.normalize_str(text).split())
        return self._normalized[text]
