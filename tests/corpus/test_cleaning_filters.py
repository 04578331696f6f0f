"""Each cleaning filter by itself: examples, and laws that hold for any text, against slow and plain versions."""

import random
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recipe.corpus import Document
from recipe.corpus.cleaning.boilerplate import Boilerplate
from recipe.corpus.cleaning.characters import ControlCharacters, Unicode, WhiteSpace
from recipe.corpus.cleaning.decontamination import LEAST, RUN, Decontamination
from recipe.corpus.cleaning.duplicates import ExactDuplicates, NearDuplicates
from recipe.corpus.cleaning.filter import Candidate, Deletion, Removal
from recipe.corpus.cleaning.hash_set import HashSet
from recipe.corpus.cleaning.limits import DocumentLength, ScriptShare, SentenceLength
from recipe.corpus.cleaning.report import CleaningReport
from recipe.errors import InputError

LINES = st.lists(
    st.text(
        st.one_of(
            st.characters(codec="utf-8", exclude_characters="\n"),
            st.sampled_from(list("ab .©é\u00a0\u200b\t\u00ad½ﬁ")),
        ),
        min_size=1,
        max_size=12,
    ),
    min_size=1,
    max_size=4,
)
CHANGING = [Unicode("NFC"), Unicode("NFKC"), ControlCharacters(), WhiteSpace(), Boilerplate(), SentenceLength(2)]


def text_of(found: str | Deletion) -> str:
    return found.text if isinstance(found, Deletion) else found


@settings(max_examples=300, deadline=None)
@given(LINES, st.sampled_from(CHANGING))
def test_a_second_time_changes_nothing(lines, filter_):
    once = text_of(filter_(Candidate("\n".join(lines))))
    # The same object, not only an equal one: by it the report knows that nothing was changed.
    assert filter_(Candidate(once)) is once


@settings(max_examples=300, deadline=None)
@given(LINES)
def test_characters_as_slow_and_plain_code_does_it(lines):
    text = "\n".join(lines)
    for form in ("NFC", "NFKC"):
        assert Unicode(form)(Candidate(text)) == unicodedata.normalize(form, text)
    invisible = {"Cc", "Cs"}
    kept = "".join(
        character
        for character in text
        if character in "\n\t\x0b\x0c\r\x1c\x1d\x1e\x1f\x85" or unicodedata.category(character) not in invisible
    )
    assert ControlCharacters()(Candidate(text)) == re.sub(
        "[\u00ad\u061c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]", "", kept.replace("\u200b", " ")
    )
    folded = "\n".join(filter(None, (" ".join(line.split()) for line in text.split("\n"))))
    assert WhiteSpace()(Candidate(text)) == folded


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We saw it. Copyright 2001 Elsevier Inc. All rights reserved.", "We saw it."),
        ("We saw it.\n© 2019 The Authors. Published by Wiley.", "We saw it."),
        ("We saw it.\nPublished by Elsevier Ltd.", "We saw it."),
        ("We saw it. (ABSTRACT TRUNCATED AT 250 WORDS)", "We saw it."),
        ("We saw it. (PsycInfo Database Record (c) 2021 APA, all rights reserved).", "We saw it."),
        (
            (
                "This is an open-access article distributed under the terms of the Creative Commons Attribution"
                " License.\nWe saw it."
            ),
            "We saw it.",
        ),
        # What only looks like it.
        ("The copyright of genes was debated.", None),
        ("Panel (c) shows 2001 cells.", None),
        ("Results published by Smith in 1999 were truncated.", None),
        ("The distribution was truncated at 250 words per minute.", None),
    ],
)
def test_boilerplate(text, expected):
    assert text_of(Boilerplate()(Candidate(text))) == (text if expected is None else expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\u200btwo", "one two"),
        ("one \u200b two\u200b", "one two"),
        ("one\u2028two\u2029three\u0085four", "one two three four"),
        (
            "hy\u00adphen, zero\u200cwidth\u200djoiners, byte\ufefforder",
            "hyphen, zero\u200cwidth\u200djoiners, byteorder",
        ),
    ],
)
def test_invisible_separators_do_not_glue_words(text, expected):
    assert WhiteSpace()(Candidate(ControlCharacters()(Candidate(text)))) == expected


@pytest.mark.parametrize(
    ("filter_", "text", "expected"),
    [
        (SentenceLength(3), "One two three.\nOne two three four.\nFive.", "One two three.\nFive."),
        (DocumentLength(3, None), "One\ntwo", "2 words, fewer than 3"),
        (DocumentLength(1, 3), "One two\nthree four", "4 words, more than 3"),
        (DocumentLength(3, 3), "One two\nthree", "One two\nthree"),
        (ScriptShare("latin", 0.7), "abc defg Ж", "abc defg Ж"),
        (ScriptShare("latin", 0.7), "abc ЖЖ", "60% of the letters are latin"),
        (ScriptShare("cyrillic", 0.5), "123 .", "0% of the letters are cyrillic"),
        (ScriptShare("cjk", 0.5), "漢字 1", "漢字 1"),
    ],
)
def test_limits(filter_, text, expected):
    found = filter_(Candidate(text))
    assert (found.reason if isinstance(found, Removal) else text_of(found)) == expected


def test_a_script_that_there_is_not():
    with pytest.raises(InputError, match=r"corpus\.script is 'klingon'"):
        ScriptShare("klingon", 0.5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 300)), max_size=2000))
def test_the_set_of_hashes_is_a_set(numbers):
    ours, known = HashSet(), set()
    for number in numbers:
        assert ours.add(number) == ((number or 1) not in known)
        known.add(number or 1)
        assert len(ours) == len(known)


def test_the_set_of_hashes_grows():
    ours = HashSet()
    numbers = np.random.default_rng(1).integers(1, 2**64 - 1, 200_000, dtype=np.uint64).tolist()
    assert all(map(ours.add, numbers))
    assert not any(map(ours.add, numbers))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "A", "a ", "c\nd"]), max_size=30))
def test_the_first_of_equal_texts_stays(texts):
    filter_ = ExactDuplicates()
    assert [isinstance(filter_(Candidate(text)), str) for text in texts] == [
        text not in texts[:place] for place, text in enumerate(texts)
    ]


def test_near_duplicates_go_by_the_share_of_common_runs():
    pytest.importorskip("datasketch", reason="the extra [dedup] is not installed")
    draw = random.Random(3)
    words = [f"w{number}" for number in range(5000)]
    wrong, removed = 0, 0
    for _ in range(150):
        one = draw.choices(words, k=200)
        changed = draw.randint(1, 90)
        other = [*one[: 200 - changed], *draw.choices(words, k=changed)]
        truth = jaccard(one, other)
        filter_ = NearDuplicates(0.7)
        assert isinstance(filter_(Candidate(" ".join(one))), str)
        is_removed = isinstance(filter_(Candidate(" ".join(other))), Removal)
        removed += is_removed
        wrong += is_removed != (truth >= 0.7) and abs(truth - 0.7) > 0.13
    # 0.13 is more than three standard deviations of an estimate from 128 hashes.
    assert wrong == 0
    assert 20 < removed < 130


def jaccard(one: list[str], other: list[str]) -> float:
    first, second = ({tuple(words[place : place + 5]) for place in range(len(words) - 4)} for words in (one, other))
    return len(first & second) / len(first | second)


TASK = [
    "Naloxone reverses the antihypertensive effect of clonidine in unanesthetized rats.",
    "Short sentence here.",
    "Ünïcode α-tocopherol 12 mg " * 5,
]


@pytest.fixture(scope="module")
def decontamination(tmp_path_factory):
    path = tmp_path_factory.mktemp("task") / "test.txt"
    path.write_text("\n".join(TASK), encoding="utf-8")
    return Decontamination([str(path)])


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2),
    st.integers(0, 120),
    st.integers(0, 160),
    st.text(max_size=60),
    st.text(max_size=60),
    st.booleans(),
)
# Texts at random seldom have a whole sentence or a long run of one.
@example(0, 0, 160, "", "", False)
@example(0, 0, 160, "It was said: ", ", which is long", True)
@example(0, 1, 160, "", "", False)
@example(2, 3, 120, "x", "y", True)
@example(2, 3, 90, "x", "y", False)
def test_decontamination_as_slow_and_plain_code_does_it(decontamination, number, start, length, before, after, upper):
    part = TASK[number][start : start + length]
    text = before + (part.upper() if upper else part) + after
    assert isinstance(decontamination(Candidate(text)), Removal) == is_contaminated(text)


def is_contaminated(text: str) -> bool:
    document = plainly_squeezed(text)
    for sentence in TASK:
        letters = plainly_squeezed(sentence)
        if len(letters) >= LEAST and (
            letters in document
            or any(letters[place : place + RUN] in document for place in range(len(letters) - RUN + 1))
        ):
            return True
    return False


def plainly_squeezed(text: str) -> bytes:
    return "".join(character.lower() for character in text if character.isalnum()).encode("utf-8", "surrogatepass")


@settings(max_examples=100, deadline=None)
@given(st.lists(LINES, max_size=12))
def test_the_report_counts_what_is_left(texts):
    documents = [Document(lines, f"{place}") for place, lines in enumerate(texts)]
    removed: list[dict] = []
    report = CleaningReport(
        [ControlCharacters(), WhiteSpace(), DocumentLength(2, 6), ExactDuplicates()], removed.append
    )
    left = list(report.clean(documents))
    rows = report.statistics()
    assert [row["filter"] for row in rows] == [
        "read",
        "control_characters",
        "white_space",
        "document_length",
        "exact_duplicates",
    ]
    assert sizes(rows[0]) == (len(texts), sum(map(len, texts)), sum(len("\n".join(lines)) for lines in texts))
    assert sizes(rows[-1]) == (
        len(left),
        sum(len(d.sentences) for d in left),
        sum(len("\n".join(d.sentences)) for d in left),
    )
    assert len(left) + len(removed) == len(texts)
    assert [entry["source"] for entry in removed] == [
        str(place) for place in range(len(texts)) if str(place) not in {d.source for d in left}
    ]


def sizes(row: dict) -> tuple[int, int, int]:
    return row["documents"], row["sentences"], row["characters"]
