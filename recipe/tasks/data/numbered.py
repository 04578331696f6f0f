"""First columns that are not words: token numbers, character offsets, and ids of sentences or documents."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from recipe.errors import InputError

# Lines that must agree before a column is refused, so that a file of one odd sentence is still read.
LEAST_LINES = 4
# "7", "T7", "2-7" or "7."; and spans of characters, such as "7-12".
_FORMS = (re.compile(r"(.*?)([0-9]+)[.)]?"), re.compile(r"()([0-9]+)-[0-9]+"))


def require_words(path: Path, sentences: Sequence[Sequence[Sequence[str]]]) -> None:
    """Refuse a file whose first column counts up or stays the same within every sentence.

    Args:
        sentences: the columns of each line of each sentence; the last column is the tag.
    """
    width = len(sentences[0][0])
    problems = list[str]()
    # The columns before the word are refused together, so that one correction is enough.
    while len(problems) < width - 1 and (problem := _problem_of([[c[len(problems)] for c in s] for s in sentences])):
        problems.append(problem)
    if problems:
        named = " and ".join(f"column {number} {problem}" for number, problem in enumerate(problems, start=1))
        named += ", so it is not a word" if len(problems) == 1 else ", so they are not words"
        if len(problems) == width - 1:
            remedy = "no other column is left before the tag; write the word first and its tag last"
        else:
            first = len(problems) + 1
            remedy = (
                f"the word must be the first column; remove what stands before column {first}, by `cut -f{first}-`"
            )
        raise InputError(f"{path}: {named}; {remedy}")


def _problem_of(columns: Sequence[Sequence[str]]) -> str | None:
    """What tells a column, by sentence, from words; None if it can be words."""
    # A sentence of one line shows nothing.
    longer = [column for column in columns if len(column) > 1]
    if sum(map(len, longer)) < LEAST_LINES:
        return None
    example = ", ".join(longer[0][:3])
    # The first sentence of text settles it mostly, since `all` stops there.
    if all(_counts_up(column) for column in longer):
        return f"counts up in every sentence ({example}, ...)"
    if all(len({*column}) == 1 for column in longer):
        return f"is the same in all lines of every sentence ({example}, ...)"
    return None


def _counts_up(column: Sequence[str]) -> bool:
    for form in _FORMS:
        numbered = [(match[1], int(match[2])) for value in column if (match := form.fullmatch(value))]
        ups = [before[0] == after[0] and before[1] < after[1] for before, after in pairwise(numbered)]
        if len(numbered) == len(column) and all(ups):
            return True
    return False
