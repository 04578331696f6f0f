import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipe.corpus import Document
from recipe.corpus.splitting import documents_needed, share_of_two, split_of, with_splits


def documents(number: int, prefix: str = "text") -> list[Document]:
    return [Document([f"{prefix} number {place}.", "It goes on."], "a") for place in range(number)]


def validation(found: list[Document], share: float, seed: int) -> list[Document]:
    return [document for split, document in with_splits(iter(found), share, seed) if split == "validation"]


@settings(max_examples=200, deadline=None)
@given(st.integers(4, 60), st.floats(0.0001, 0.5), st.integers(0, 10**6))
def test_two_documents_at_least_are_held_out_and_two_stay(number, share, seed):
    held_out = validation(documents(number), share, seed)
    expected = [document for document in documents(number) if split_of(document, share, seed) == "validation"]
    assert len(held_out) >= 2
    # Beyond two only the share decides.
    assert held_out == expected if len(expected) >= 2 else len(held_out) == 2


@pytest.mark.parametrize("seed", range(20))
def test_97_documents_work_with_the_default_share(seed):
    assert 2 <= len(validation(documents(97), 0.02, seed)) < 10


def test_a_large_corpus_keeps_its_share_and_is_not_read_ahead():
    needed = documents_needed(0.02)
    assert share_of_two(documents(needed), 0.02, 1) == 0.02
    read = []
    stream = with_splits((read.append(each) or each for each in documents(needed + 50)), 0.02, 1)
    next(stream)
    assert len(read) == needed


def test_copies_go_together():
    copies = documents(5) * 2
    held_out = validation(copies, 0.0001, 3)
    assert len(held_out) == 2
    assert held_out[0] == held_out[1]


def test_no_share_holds_nothing_out():
    assert validation(documents(50), 0, 1) == []


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_fewer_than_four_documents_keep_their_share(number):
    assert share_of_two(documents(number), 0.02, 1) == 0.02
