"""Tags of every scheme become the same entities; what breaks a scheme's rules is counted."""

from random import Random

import pytest
from seqeval.metrics.sequence_labeling import get_entities

from recipe.tasks.data.entities import strict_entities
from recipe.tasks.data.schemes import detect_scheme, normal_tag, to_iob2

Entity = tuple[int, int, str]


def write_tags(entities: list[Entity], length: int, scheme: str) -> list[str]:
    """The tags of non-overlapping entities, by the definition of each scheme."""
    tags = ["O"] * length
    for start, stop, name in entities:
        tags[start:stop] = [f"I-{name}"] * (stop - start)
        follows_own_type = start > 0 and tags[start - 1][2:] == name
        if scheme == "IOB2" or scheme == "BIOES" or (scheme == "IOB1" and follows_own_type):
            tags[start] = f"B-{name}"
        if scheme == "BIOES":
            tags[stop - 1] = f"{'S' if stop - start == 1 else 'E'}-{name}"
    return tags


def random_entities(draw: Random, length: int, apart: bool) -> list[Entity]:
    found, place = [], draw.randrange(3)
    while place < length:
        stop = min(length, place + draw.randint(1, 3))
        found.append((place, stop, draw.choice("XY")))
        place = stop + draw.randint(1 if apart else 0, 3)
    return found


@pytest.mark.parametrize("scheme", ["IO", "IOB1", "IOB2", "BIOES"])
def test_right_tags_come_back_without_a_repair(scheme):
    draw = Random(1)
    for _ in range(500):
        # IO cannot part neighbours of one type.
        entities = random_entities(draw, 12, apart=scheme == "IO")
        tags, repairs = to_iob2(write_tags(entities, 12, scheme), scheme)
        assert strict_entities(tags) == entities
        assert repairs == []


@pytest.mark.parametrize("letters", ["OBI", "OI", "OBIES"])
def test_any_tags_are_read_as_conlleval_reads_them(letters):
    draw = Random(2)
    for _ in range(1000):
        tags = [
            "O" if letter == "O" else f"{letter}-{draw.choice('XY')}"
            for letter in draw.choices(letters, k=draw.randint(1, 9))
        ]
        converted, repairs = to_iob2(tags, detect_scheme([tags]))
        expected = [(start, stop + 1, name) for name, start, stop in get_entities(tags)]
        assert strict_entities(converted) == expected, tags
        assert {*repairs} <= {*range(len(tags))}


@pytest.mark.parametrize(
    ("tags", "scheme", "iob2", "repairs"),
    [
        ("I-X I-X O", "IOB2", "B-X I-X O", [0]),
        ("O I-X B-X I-X", "IOB2", "O B-X B-X I-X", [1]),
        ("O I-X B-X I-X", "IOB1", "O B-X B-X I-X", []),
        ("O B-X I-X", "IOB1", "O B-X I-X", [1]),
        ("B-X I-Y I-Y", "IOB2", "B-X B-Y I-Y", [1]),
        ("B-X I-X O I-X", "IOB2", "B-X I-X O B-X", [3]),
        ("B-X I-X O", "IOB2", "B-X I-X O", []),
        ("B-X E-X S-Y O", "BIOES", "B-X I-X B-Y O", []),
        ("B-X O I-X E-X", "BIOES", "B-X O B-X I-X", [0, 2]),
        ("S-X I-X", "BIOES", "B-X B-X", [1]),
    ],
)
def test_repairs_have_their_places(tags, scheme, iob2, repairs):
    assert to_iob2(tags.split(), scheme) == (iob2.split(), repairs)


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        (["O O"], "IOB2"),
        (["I-X O", "I-X"], "IO"),
        (["I-X B-X", "O I-Y"], "IOB1"),
        (["I-X B-X", "O B-Y"], "IOB2"),
        (["I-X B-Y"], "IOB2"),
        (["B-X I-X", "S-X"], "BIOES"),
    ],
)
def test_the_scheme_is_detected(sentences, scheme):
    assert detect_scheme([tags.split() for tags in sentences]) == scheme


@pytest.mark.parametrize(
    ("tag", "normal"),
    [
        ("O", "O"),
        ("B-X-Y", "B-X-Y"),
        ("L-X", "E-X"),
        ("U-X", "S-X"),
        ("B", "B-Entity"),
        ("U", "S-Entity"),
        ("", None),
        ("B-", None),
        ("X", None),
        ("b-X", None),
    ],
)
def test_tags_have_one_form(tag, normal):
    assert normal_tag(tag) == normal
