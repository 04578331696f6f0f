"""text -> sentences: a rule-based splitter for scientific English."""

import re
from collections.abc import Callable
from enum import Enum
from functools import lru_cache

from recipe.errors import InputError

# Abbreviations that a capital letter or a digit often follows without a new sentence.
_ABBREVIATIONS = frozenset(
    """
    al approx appl art assoc ave ca cf ch chap co col conc corp dept dr ed eds eg eq eqs eqn est etc ex exp fig figs
    figure i.e e.g ie inc jr lt ltd max min mr mrs ms no nos nr op p pp p.o p.m a.m prof ref refs resp s.c s.d s.e.m
    i.v i.m i.p i.c.v sec sect sp spp sr ss st subsp suppl tab tel temp univ var viz vol vols vs wt u.s u.k ph.d m.d
    """.split()
)
_BOUNDARY = re.compile(r"""[.!?][.!?]*["'’”)\]]* (?=["'‘“(\[]?[A-Z0-9\u00C0-\u00DE\u0370-\u03FF])""")
_LAST_WORD = re.compile(r"[\w.]+$")
# Abbreviations that do end sentences too: before a number they do not ("Fig. 3"), before a word with a capital they
# may ("10 min. The").
_ONLY_BEFORE_NUMBERS = frozenset(
    "approx art ch chap col eq eqs eqn ex exp fig figs max min no nos nr p pp ref refs sec sect tab vol vols".split()
)


def split_sentences(text: str) -> list[str]:
    """Split one paragraph into sentences; white space is folded to single spaces, empty sentences are dropped.

    A sentence ends at `.`, `!` or `?` before white space and a capital letter, a digit or an opening bracket, unless
    an abbreviation, an initial or a number of a list stands before it, or a bracket is still open.
    """
    # Folding finds nothing to do in most texts. Of all white space only the space is printable, and to ask that is ten
    # times faster than to fold.
    if not text.isprintable() or "  " in text or text[:1] == " " or text[-1:] == " ":
        text = " ".join(text.split())
    sentences = []
    start = 0
    for match in _BOUNDARY.finditer(text):
        mark, end = match.span()
        if text[mark] != "." or _ends_sentence(text, start, mark, end):
            sentences.append(text[start : end - 1])
            start = end
    return [sentence for sentence in [*sentences, text[start:]] if sentence]


def splitter(name: str) -> Callable[[str], list[str]]:
    """What splits one paragraph: `split_sentences` for "rules", or a library; raises InputError if it is absent."""
    if name == "rules":
        return split_sentences
    try:
        if name == "blingfire":
            from blingfire import text_to_sentences

            return lambda text: list(filter(None, text_to_sentences(" ".join(text.split())).split("\n")))
        from pysbd import Segmenter

        segment = Segmenter(language="en", clean=False).segment
        return lambda text: list(filter(None, map(str.strip, segment(" ".join(text.split())))))
    except ImportError:
        raise InputError(
            f"corpus.sentence_splitter is {name}, which is not installed; pip install 'domain-bert[{name}]', or set it"
            " to rules"
        ) from None


class _Word(Enum):
    """What may stand before a full stop."""

    ORDINARY = 0
    CAPITAL = 1
    ABBREVIATION = 2
    ABBREVIATION_BEFORE_NUMBERS = 3


def _ends_sentence(text: str, start: int, dot: int, end: int) -> bool:
    """Whether the full stop at `dot` ends the sentence that began at `start`; the next would begin at `end`."""
    word = _kind_of_word(text[text.rfind(" ", start, dot) + 1 or start : dot])
    if word is _Word.ORDINARY:
        # Whole sentences in brackets belong to the sentence around them.
        opened = text.count("(", start, end)
        return not opened or opened <= text.count(")", start, end)
    if word is _Word.CAPITAL:
        # An initial such as "J. Smith" ends nothing; a name such as "vitamin D." may, as a word stands before it.
        words = text[start : dot - 1].split()
        return not text[end].isupper() or (bool(words) and words[-1][-1].isalnum() and words[-1].islower())
    return word is _Word.ABBREVIATION_BEFORE_NUMBERS and not text[end].isdigit() and text[end] not in "([\"'"


# Cached, since the words before full stops are few: an article has "al." a hundred times.
@lru_cache(maxsize=1 << 16)
def _kind_of_word(text: str) -> _Word:
    """The kind of the word at the end of what stands between a space and a full stop."""
    found = _LAST_WORD.search(text)
    word = found.group() if found else ""
    if len(word) == 1 and word.isalpha() and word.isupper():
        return _Word.CAPITAL
    name = word.lower().rstrip(".")
    if name in _ONLY_BEFORE_NUMBERS:
        return _Word.ABBREVIATION_BEFORE_NUMBERS
    return _Word.ABBREVIATION if name in _ABBREVIATIONS else _Word.ORDINARY
