"""Text that publishers and databases add: copyright notices, notes of truncation, addresses of licences."""

import re

from recipe.cleaning.characters import folded
from recipe.cleaning.step import Candidate

# One of these stands in every text that has boilerplate; to look for them is ten times faster than the patterns.
_SIGNS = ("opyright", "COPYRIGHT", "©", "(c) ", "(C) ", "TRUNCATED", "bstract truncated", "ll rights reserved", "Creative Commons", "ublished by ")
_ENCODED_SIGNS = tuple(sign.encode() for sign in _SIGNS)
# Where a sentence begins, also one that the splitter left inside.
_BEGIN = r"(?:^|(?<=[.!?)\]] ))"
_PATTERNS = (
    # "(ABSTRACT TRUNCATED AT 250 WORDS)"
    r"\(?\b(?:ABSTRACT|[Aa]bstract) (?:TRUNCATED|truncated)(?: (?:AT|at) \d+ (?:WORDS|words))?\)?\.?",
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
        if not any(sign in candidate.encoded for sign in _ENCODED_SIGNS):
            return candidate.text
        cleaned = "\n".join(map(_without_boilerplate, candidate.text.split("\n")))
        return folded(cleaned) if cleaned != candidate.text else candidate.text


def _without_boilerplate(sentence: str) -> str:
    return _BOILERPLATE.sub("", sentence) if any(sign in sentence for sign in _SIGNS) else sentence
