"""Text that publishers and databases add: copyright notices, notes of truncation, addresses of licences."""

import re

from recipe.cleaning.characters import folded
from recipe.cleaning.step import Candidate

# One of these stands in every text that has boilerplate; looking for words is ten times faster than the patterns.
_SIGNS = ("opyright", "COPYRIGHT", "©", "(c) ", "(C) ", "TRUNCATED", "truncated at", "ll rights reserved", "Creative Commons", "ublished by ")
_PATTERNS = (
    # "(ABSTRACT TRUNCATED AT 250 WORDS)"
    r"\(?\b(?:ABSTRACT|abstract) (?:TRUNCATED|truncated)(?: (?:AT|at) \d+ (?:WORDS|words))?\)?\.?",
    # From "Copyright 2001 X", "© 2001 X" or "(c) 2001 X" to the end of the line: a sign and a year, at the start of a sentence.
    r"(?:(?<=^)|(?<=\n)|(?<=[.!?)\]] ))(?:Copyright|COPYRIGHT|©|\([cC]\))[^\n]{0,24}?\b(?:19|20)\d\d\b[^\n]*",
    # The name before the year: "Copyright © Elsevier Inc."
    r"(?:(?<=^)|(?<=\n)|(?<=[.!?)\]] ))(?:Copyright|COPYRIGHT) ?(?:©|\([cC]\))[^\n]*",
    r"(?:(?<=^)|(?<=\n)|(?<=[.!?)\]] ))[^\n.]{0,80}\b[Aa]ll rights reserved\b\.?",
    r"(?:(?<=^)|(?<=\n))Published by (?:Elsevier|John Wiley|Wiley|Oxford University Press|Springer|BMJ)[^\n]{0,80}",
    r"(?:(?<=^)|(?<=\n))This is an open[- ]access article distributed under the terms of the Creative Commons[^\n]*",
)
_BOILERPLATE = re.compile("|".join(_PATTERNS), re.M)


class Boilerplate:
    """Delete copyright notices and notes of truncation; sentences of which nothing is left go."""

    name = "boilerplate"

    def __call__(self, candidate: Candidate) -> str:
        text = candidate.text
        if not any(sign in text for sign in _SIGNS):
            return text
        cleaned = _BOILERPLATE.sub("", text)
        return folded(cleaned) if cleaned != text else text
