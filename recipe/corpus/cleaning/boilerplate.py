"""Text that publishers and databases add: copyright notices, notes of truncation, addresses of licences."""

import re
from collections.abc import Iterator

from recipe.corpus.cleaning.characters import folded
from recipe.corpus.cleaning.filter import Candidate, Deletion

# One of these stands in every sentence that has boilerplate: to look for them is ten times faster than the patterns.
_SIGNS = (b"copyright", "©".encode(), b"(c) ", b"truncated", b"rights reserved", b"creative commons", b"published by ")
# Where a sentence begins, also one that the splitter left inside.
_BEGIN = r"(?:^|(?<=[.!?)\]] ))"
_SIGN = r"(?:(?:Crown )?(?:Copyright|COPYRIGHT),? ?(?:©|\([cC]\))|©(?: ?(?:Copyright|COPYRIGHT))?|\([cC]opyright\))"
_YEARS = r"(?:19|20)\d\d(?: ?(?:[-–/,&]|and) ?(?:19|20)\d\d){0,4}"
# An owner is a name: words with a capital or a digit, small words between them, and no other small word after it.
# An owner is a name: words with a capital or a digit, small words between them, and no other small word after it:
# have megabytes.
_NAME = r"(?:[&|·]|authors?|\(or their employer\(s\)\)|\(?[A-ZÀ-ÖØ-Þ][\w'’.&/+()-]{0,40}|\d[\w/.$-]{0,40})"
_SMALL = r"(?:a|an|and|at|behalf|by|de|der|des|die|du|et|for|für|im|in|la|le|of|on|part|the|to|und|under|van|von|y)"
_OWNER = rf"(?:(?:by|to) )?(?:the )?{_NAME}(?:[,;:]? (?:{_SMALL} ){{0,4}}{_NAME}){{0,20}}"
# Where a notice ends: with the line, or with a sentence before another one.
_GOES_ON_AT_ONCE = r"(?:[Aa]ll rights reserved|ALL RIGHTS RESERVED|[Pp]ublished by )"
_END = rf"(?:[)\]]{{0,2}}[.,]?$|(?:(?<=\.)|\.|,)(?= [A-Z\d(]|[)\]])|[,;]? (?={_GOES_ON_AT_ONCE}))"
# Words of owners. Where "(c)" may count a list, or "Copyright" a law, a year alone says nothing.
_OWNER_WORDS = re.compile(
    r"""\b(?:Inc|LLC|Ltd|Limited|AG|GmbH|B\.?V|S\.A|Corp|Co|Company|Press|Verlag|Publish\w+|Societ\w+|Association
    |Academy|College|Institutes?|Universit\w+|Foundation|Federation|Authors?|Editors?|Elsevier|Wiley|Springer|Karger
    |Blackwell|Lippincott|Thieme|Kluwer|Macmillan|Saunders|Mosby|Dekker|Liebert|Hogrefe|Hindawi|Laboratory|Campaign
    |Academic|APA|BMJ|IEEE|IBRO|FEBS|AAAS)\b|[Rr]ights\ reserved""",
    re.VERBOSE,
)
_LAW_WORDS = re.compile(
    r"\b(?:acts?|amendments?|bills?|clauses?|code|conventions?|directives?|laws?|office|ordinance|orders?|protection"
    r"|regulations?|rules?|statutes?|term|treaty|tribunal)\b(?! of (?:medicine|science))",
    re.IGNORECASE,
)
_NOTICE = re.compile(
    rf"{_BEGIN}(?:"
    # A sign, and a year or an owner next to it: "© 2019 The Authors.", "Copyright (C) Elsevier Inc."
    rf"(?P<sign>{_SIGN}[:,]? ?(?:{_YEARS}(?:[,.:;]? {_OWNER})?|{_OWNER}(?:,? {_YEARS})?)){_END}"
    # The same with less of a sign; what it says is looked at.
    rf"|(?:Copyright|COPYRIGHT)[:,]? (?P<word>(?:by )?{_YEARS}(?:[,.:;]? {_OWNER})?){_END}"
    rf"|(?:Copyright|COPYRIGHT|\([cC]\))[:,]? ?(?P<weak>{_YEARS}[,.:;]? {_OWNER}|{_OWNER},? {_YEARS}){_END}"
    rf"|(?P<rights>(?:(?:{_YEARS},? )?{_OWNER}[,;.]? )?(?:[Aa]ll rights reserved|ALL RIGHTS RESERVED)){_END}"
    r")"
)
# What may follow a notice, sentence by sentence.
_GOES_ON = re.compile(
    r"[^.]*\b(?:publish\w* (?:by|for)|rights reserved|licen[cs]\w*|open[- ]access|reprint\w*|permissions?|re-use"
    r"|copyright|on behalf of)\b[^.]*(?:\.|$)",
    re.IGNORECASE,
)
# Fewer small words than these in what is left of the line are no sentence: "J Comput Chem 24: 1-9, 2003".
_LEAST_SMALL_WORDS = 4
_SMALL_WORD = re.compile(r"\b[a-z]{2,}\b")
_OTHERS = re.compile(
    "|".join(
        (
            # "(ABSTRACT TRUNCATED AT 250 WORDS)"
            r"\((?:ABSTRACT|[Aa]bstract) (?:TRUNCATED|truncated)(?: (?:AT|at) \d+ (?:WORDS|words))?\)\.?",
            r"\bABSTRACT TRUNCATED(?: AT \d+ WORDS\b\.?|\.?$)",
            r"\(PsycI[Nn][Ff][Oo] Database Record \([cC]\)[^)]*\)\.?",
            rf"{_BEGIN}Published by (?:Elsevier|John Wiley|Wiley|Oxford University Press|Springer|BMJ)"
            rf"(?:[,.&]? {_OWNER})?{_END}",
            r"^This is an open[- ]access article distributed under the terms of the Creative Commons"
            r"(?:[^.]|\.(?=\S))*\.?",
        )
    )
)


class Boilerplate:
    """Delete copyright notices and notes of truncation; sentences of which nothing is left go."""

    name = "boilerplate"

    def __call__(self, candidate: Candidate) -> str | Deletion:
        # Patterns run on single sentences that contain a sign, not on the document: they take nearly all of the time.
        suspicious = _sentences_with_signs(candidate.lowered)
        if not suspicious:
            return candidate.text
        sentences = candidate.text.split("\n")
        deleted: list[str] = []
        for number in sorted(suspicious):
            sentence, kept, place = sentences[number], [], 0
            for begin, end in _boilerplate_in(sentence):
                kept.append(sentence[place:begin])
                deleted.append(sentence[begin:end].strip())
                place = end
            sentences[number] = "".join(kept) + sentence[place:]
        return Deletion(folded("\n".join(sentences)), tuple(deleted)) if deleted else candidate.text


def _boilerplate_in(sentence: str) -> Iterator[tuple[int, int]]:
    """Begin and end of each piece of boilerplate, in order, none inside another."""
    place = 0
    while found := _next(sentence, place):
        yield found
        place = found[1]


def _next(sentence: str, place: int) -> tuple[int, int] | None:
    other = _OTHERS.search(sentence, place)
    for notice in _NOTICE.finditer(sentence, place):
        if other and other.start() <= notice.start():
            break
        if _is_notice(notice):
            return notice.start(), _end_of_notice(sentence, notice.end())
    return other.span() if other else None


def _is_notice(found: re.Match[str]) -> bool:
    said = found.group()
    if found["sign"] or found["rights"]:
        return True
    if _LAW_WORDS.search(said):
        return False
    return bool(found["word"] or _OWNER_WORDS.search(said))


def _end_of_notice(sentence: str, end: int) -> int:
    """Where the notice ends that was recognised up to `end`: after what goes on with it."""
    while end < len(sentence) and (found := _GOES_ON.match(sentence, end)):
        end = found.end()
    is_sentence = len(_SMALL_WORD.findall(sentence, end)) >= _LEAST_SMALL_WORDS
    return end if is_sentence else len(sentence)


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
