"""Whether lower-casing may take the accents off letters, as BERT's does: decided by language and text."""

import re
import unicodedata
from pathlib import Path

from recipe.config import CorpusConfig, TokenizerConfig
from recipe.corpus.prepared import number_of_groups, prepared_files, read_prepared_group

# Of English texts 0.01 % of the letters or fewer have one. Above this share the text is not only English.
MOST_MARKS = 0.01
_GROUPS_READ = 4
_FOREIGN = re.compile(r"[^\x00-\x7f]+")


def strip_accents(corpus: CorpusConfig, tokenizer: TokenizerConfig, prepared: Path) -> tuple[bool, str]:
    """Whether a tokenizer shall strip accents, and why.

    BERT's rule also makes か of が, takes the vowels off Hindi and cuts Hangul into parts. So it is the default for
    English alone.

    Args:
        prepared: RUN/corpus, of which a part is read.
    """
    if tokenizer.strip_accents is not None:
        return tokenizer.strip_accents, "tokenizer.strip_accents"
    if not tokenizer.lowercase:
        return False, "the text is not lower-cased"
    if corpus.language != "en":
        return False, f"corpus.language is {corpus.language}, where they tell words apart"
    share = mark_share("\n".join(_sample(prepared)))
    if share > MOST_MARKS:
        return False, f"{share:.0%} of the letters have accents or are Hangul; corpus.language is en"
    return True, "English, as BERT does"


def mark_share(text: str) -> float:
    """Share of the letters that BERT's rule would change: accents, vowel signs and the like, and Hangul; 0 to 1."""
    foreign = unicodedata.normalize("NFC", "".join(_FOREIGN.findall(text)))
    decomposed = unicodedata.normalize("NFD", foreign)
    # Each syllable of Hangul comes apart into two or three letters, of which none is a mark.
    hangul = sum("\uac00" <= character <= "\ud7a3" for character in foreign)
    marks = hangul + sum(unicodedata.category(character) == "Mn" for character in decomposed)
    letters = sum(map(str.isalpha, foreign)) + sum(character.isalpha() for character in _FOREIGN.sub("", text))
    return min(marks / letters, 1.0) if letters else 0.0


def _sample(prepared: Path) -> list[str]:
    # Some groups of rows from all over the corpus: the first file may be in another language.
    groups = [
        (prepared / name, group)
        for name in prepared_files(prepared)
        for group in range(number_of_groups(prepared / name))
    ]
    step = max(1, -(-len(groups) // _GROUPS_READ))
    return [
        sentence
        for path, group in groups[::step]
        for document in read_prepared_group(path, group)
        for sentence in document.sentences
    ]
