"""Tags in the schemes IO, IOB1, IOB2 and BIOES -> IOB2, with the places of what had to be repaired.

One reading serves all of them, that of conlleval: an entity starts at B, at S, and at I or E where no entity of the
type is open; it ends before O, B, S and another type, and after E and S.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

SCHEMES = {"IO": "I", "IOB1": "IB", "IOB2": "IB", "BIOES": "IBES"}
# For files whose tags are B and I alone.
UNTYPED = "Entity"
# BILOU is BIOES with other letters.
_LETTERS = {"L": "E", "U": "S"}
_TAG = re.compile(r"O|([BIESLU])(?:-(\S+))?")


def normal_tag(tag: str) -> str | None:
    """The tag with L and U of BILOU as E and S, and the type "Entity" if it has none; None for what is not a tag."""
    match = _TAG.fullmatch(tag)
    if match is None:
        return None
    prefix, name = match.groups()
    return tag if prefix is None else f"{_LETTERS.get(prefix, prefix)}-{name or UNTYPED}"


def detect_scheme(sentences: Iterable[Sequence[str]]) -> str:
    """The scheme of tags: BIOES if E or S occurs, IO without B, IOB1 if each B follows its own type, else IOB2."""
    # A wrong guess changes the number of repairs that is printed, never an entity: the schemes differ in what is
    # right, not in how tags are read.
    prefixes, is_iob1 = set(), True
    for tags in sentences:
        for previous, tag in pairwise(("O", *tags)):
            prefixes.add(tag[0])
            is_iob1 &= tag[0] != "B" or previous[2:] == tag[2:]
    if prefixes & set("ES"):
        return "BIOES"
    if "B" not in prefixes and "I" in prefixes:
        return "IO"
    return "IOB1" if "B" in prefixes and is_iob1 else "IOB2"


def to_iob2(tags: Sequence[str], scheme: str) -> tuple[list[str], list[int]]:
    """The same entities in IOB2, and the indices of the tags that broke the rules of `scheme`."""
    converted, repairs = [], []
    for place, (previous, tag, following) in enumerate(zip(("O", *tags), tags, (*tags[1:], "O"), strict=False)):
        starts = _starts(previous, tag)
        converted.append("O" if tag == "O" else ("B" if starts else "I") + tag[1:])
        ends = _starts(tag, following) or following == "O"
        if tag != "O" and tag[0] not in _right_prefixes(scheme, previous, starts, ends):
            repairs.append(place)
    return converted, repairs


def _starts(previous: str, tag: str) -> bool:
    """Whether an entity starts at a tag."""
    return tag[0] in "BS" or (tag != "O" and (previous[0] in "OES" or previous[2:] != tag[2:]))


def _right_prefixes(scheme: str, previous: str, starts: bool, ends: bool) -> str:
    """The prefixes that the scheme has for a word of an entity that starts or ends there."""
    if scheme == "BIOES":
        return "S" if starts and ends else "B" if starts else "E" if ends else "I"
    if scheme == "IOB2":
        return "B" if starts else "I"
    # IO cannot separate two entities of one type; IOB1 needs B there and nowhere else, which is what makes an entity
    # start after its own type.
    return "IB" if starts and previous != "O" else "I"
