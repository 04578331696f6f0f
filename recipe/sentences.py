"""text -> sentences: a rule-based splitter for scientific English."""

import re
from collections.abc import Callable

from recipe.errors import InputError

SPLITTERS = ("rules", "blingfire", "pysbd")

# Abbreviations that a capital letter or a digit often follows without a new sentence.
_ABBREVIATIONS = frozenset(
    """
    al approx appl art assoc ave ca cf ch chap co col conc corp dept dr ed eds eg eq eqs eqn est etc ex exp fig figs figure i.e e.g ie inc jr lt ltd
    max min mr mrs ms no nos nr op p pp p.o p.m a.m prof ref refs resp s.c s.d s.e.m i.v i.m i.p i.c.v sec sect sp spp sr ss st subsp suppl tab tel
    temp univ var viz vol vols vs wt u.s u.k ph.d m.d
    """.split()
)
_BOUNDARY = re.compile(r"""(?P<end>[.!?]+["'’”)\]]*)\s+(?=["'‘“(\[]?[A-Z0-9\u00C0-\u00DE\u0370-\u03FF])""")
_LAST_WORD = re.compile(r"[\w.]+$")
# Abbreviations that do end sentences too: before a number they do not ("Fig. 3"), before a word with a capital they may ("10 min. The").
_ONLY_BEFORE_NUMBERS = frozenset(
    """
    approx art ch chap col eq eqs eqn ex exp fig figs max min no nos nr p pp ref refs sec sect tab vol vols
    """.split()
)


def split_sentences(text: str) -> list[str]:
    """Split one paragraph into sentences; white space is folded to single spaces, empty sentences are dropped.

    A sentence ends at `.`, `!` or `?` before white space and a capital letter, a digit or an opening bracket, unless an abbreviation, an initial
    or a number of a list stands before it, or a bracket is still open.
    """
    text = " ".join(text.split())
    sentences = []
    start = 0
    for match in _BOUNDARY.finditer(text):
        if _ends_sentence(text, start, match):
            sentences.append(text[start : match.end("end")])
            start = match.end()
    return [sentence for sentence in [*sentences, text[start:]] if sentence]


def splitter(name: str) -> Callable[[str], list[str]]:
    """What splits one paragraph: `split_sentences` for "rules", or the library blingfire or pysbd.

    Raises:
        InputError: if the library is not installed.
    """
    if name == "rules":
        return split_sentences
    try:
        return _blingfire() if name == "blingfire" else _pysbd()
    except ImportError:
        raise InputError(f"corpus.sentence_splitter is {name}, which is not installed; pip install 'domain-bert[{name}]', or set it to rules") from None


def _blingfire() -> Callable[[str], list[str]]:
    from blingfire import text_to_sentences

    return lambda text: [sentence for sentence in text_to_sentences(" ".join(text.split())).split("\n") if sentence]


def _pysbd() -> Callable[[str], list[str]]:
    from pysbd import Segmenter

    segmenter = Segmenter(language="en", clean=False)
    return lambda text: [sentence.strip() for sentence in segmenter.segment(" ".join(text.split())) if sentence.strip()]


def _ends_sentence(text: str, start: int, match: re.Match) -> bool:
    if match["end"][0] != ".":
        return True
    # A search from the start of the sentence would look at all of it for every full stop.
    found = _LAST_WORD.search(text, max(start, text.rfind(" ", 0, match.start())), match.start())
    word = found.group() if found else ""
    following = text[match.end() : match.end() + 1]
    if len(word) == 1 and word.isalpha() and word.isupper():
        return not following.isupper() or _is_letter_after_noun(text, start, match.start())
    name = word.lower().rstrip(".")
    if name in _ABBREVIATIONS:
        return name in _ONLY_BEFORE_NUMBERS and not following.isdigit() and following not in "([\"'"
    return text.count("(", start, match.end()) <= text.count(")", start, match.end())


def _is_letter_after_noun(text: str, start: int, dot: int) -> bool:
    """Whether a single capital is a name such as "vitamin D." or "group B." and no initial such as "J. Smith"."""
    words = text[start : dot - 1].split()
    return bool(words) and words[-1][-1].isalnum() and words[-1].islower()
