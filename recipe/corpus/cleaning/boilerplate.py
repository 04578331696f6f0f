"""Text that publishers and databases add: copyright notices, notes of truncation, addresses of licences."""

import re

from recipe.corpus.cleaning.characters import folded
from recipe.corpus.cleaning.filter import Candidate

# One of these stands in every sentence that has boilerplate: to look for them is ten times faster than the patterns.
_SIGNS = (b"copyright", "©".encode(), b"(c) ", b"truncated", b"rights reserved", b"creative commons", b"published by ")
# Where a sentence begins, also one that the splitter left inside.
_BEGIN = r"(?:^|(?<=[.!?)\]] ))"
_PATTERNS = (
    # "(ABSTRACT TRUNCATED AT 250 WORDS)"
    r"\(?\b(?:ABSTRACT|[Aa]bstract) (?:TRUNCATED|truncated)(?: (?:AT|at) \d+ (?:WORDS|words))?\)?\.?",
    r"\(PsycI[Nn][Ff][Oo] Database Record \([cC]\)[^)]*\)\.?",
    # "Copyright 2001 X", "© 2001 X", "(c) 2001 X", to the end: a sign and soon a year.
    _BEGIN + r"(?:Copyright|COPYRIGHT|©|\([cC]\)).{0,24}?\b(?:19|20)\d\d\b.*",
    # The owner before the year, or none: "Copyright © Elsevier Inc."
    _BEGIN + r"(?:Copyright|COPYRIGHT) ?(?:©|\([cC]\)).*",
    _BEGIN + r"[^.]{0,80}\b[Aa]ll rights reserved\b\.?",
    r"^Published by (?:Elsevier|John Wiley|Wiley|Oxford University Press|Springer|BMJ).{0,80}$",
    r"^This is an open[- ]access article distributed under the terms of the Creative Commons.*",
)
_BOILERPLATE = re.compile("|".join(_PATTERNS))


class Boilerplate:
    """Delete copyright notices and notes of truncation; sentences of which nothing is left go."""

    name = "boilerplate"

    def __call__(self, candidate: Candidate) -> str:
        # Patterns run on single sentences that contain a sign, not on the document: they take nearly all of the time.
        suspicious = _sentences_with_signs(candidate.lowered)
        if not suspicious:
            return candidate.text
        sentences = candidate.text.split("\n")
        for number in suspicious:
            sentences[number] = _BOILERPLATE.sub("", sentences[number])
        cleaned = "\n".join(sentences)
        return folded(cleaned) if cleaned != candidate.text else candidate.text


def _sentences_with_signs(lowered: bytes) -> set[int]:
    """The numbers of the sentences, one per line, that contain a sign."""
    found = set()
    for sign in _SIGNS:
        place = lowered.find(sign)
        while place >= 0:
            found.add(lowered.count(b"\n", 0, place))
            end = lowered.find(b"\n", place)
            place = lowered.find(sign, end) if end >= 0 else -1
    return found
