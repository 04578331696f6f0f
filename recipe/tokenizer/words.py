"""What is a word for BERT's tokenizer, said as patterns: its own calls are too slow for all words of a corpus."""

import re
import sys
import unicodedata
from functools import cache

# BERT takes the first 100 characters of a word and makes [UNK] of a longer one.
LONGEST_WORD = 100
# Source: google-research/bert@eedf571, tokenization.py, `_is_chinese_char`.
_IDEOGRAPHS = (
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f"
    "\U0002b820-\U0002ceaf\U0002f800-\U0002fa1f"
)
_ASCII_WORD = re.compile("[0-9A-Za-z]+")
_LONG = re.compile(rf"(?<!\S)\S{{{LONGEST_WORD + 1},}}")


def words_of(text: str) -> list[str]:
    """The words of a text as written: runs between white space and punctuation, an ideograph each, with a letter."""
    if text.isascii():
        return _ASCII_WORD.findall(text)
    return [word for word in _word_pattern().findall(text) if any(map(str.isalnum, word))]


def without_long_words(text: str) -> str:
    """The text without its words of more than LONGEST_WORD characters, which are [UNK], such as a genome."""
    if len(text) <= LONGEST_WORD or _LONG.search(text) is None:
        return text
    return _long_word_pattern().sub(" ", text)


@cache
def _word_pattern() -> re.Pattern[str]:
    return re.compile(f"[{_IDEOGRAPHS}]|[^\\s{_punctuation()}{_IDEOGRAPHS}]+")


@cache
def _long_word_pattern() -> re.Pattern[str]:
    return re.compile(f"[^\\s{_punctuation()}{_IDEOGRAPHS}]{{{LONGEST_WORD + 1},}}")


@cache
def _punctuation() -> str:
    """All that BERT cuts at, as the inside of a class: ASCII that is no letter or digit, and Unicode's punctuation."""
    ascii_ = [chr(code) for code in range(33, 127) if not chr(code).isalnum()]
    others = [chr(code) for code in range(128, sys.maxunicode) if unicodedata.category(chr(code)).startswith("P")]
    return "".join(map(re.escape, [*ascii_, *others]))
