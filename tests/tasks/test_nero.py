"""The embedded task: its rules on made-up text, and the wheel's own file where it is installed."""

import importlib.util
from pathlib import Path

import pytest

from recipe.errors import InputError
from recipe.tasks.data import nero
from recipe.tasks.data.columns import count_entities
from recipe.tasks.data.nero import read_nero, split_words, tag_mentions

needs_wheel = pytest.mark.skipif(
    importlib.util.find_spec("NERO") is None, reason="NERO-nlp is not installed; run make setup"
)


def line(sentence: str, entity: str, name: str, of_set: str = "manualset3") -> bytes:
    columns = ["x"] * 31
    columns[8], columns[9], columns[29], columns[30] = entity, name, sentence + "\r", of_set
    return "\t".join(columns).encode()


@pytest.fixture
def made_up_file(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "annotation_results.txt"
    monkeypatch.setattr(nero, "find_annotations", lambda: path)
    return path


def all_sentences(task):
    return {
        " ".join(sentence.words): sentence.tags for split in (task.train, task.devel, task.test) for sentence in split
    }


def test_words_are_letters_and_single_marks():
    assert split_words(" 45Ca2 +-free (β-NAD\r) ") == ["45Ca2", "+", "-", "free", "(", "β", "-", "NAD", ")"]


@pytest.mark.parametrize(
    ("words", "mentions", "tags"),
    [
        ("zinc binds zinc", ["zinc"], "B O B"),
        ("sodium chloride and sodium", ["sodium", "sodium chloride"], "B I O B"),
        ("zinc zinc", ["zinc"], "B B"),
        ("zincs bind", ["zinc"], "O O"),
        ("a b a b a", ["a b a"], "B I I O O"),
        ("a b", ["a b c", "", "b"], "O B"),
    ],
)
def test_mentions_are_found_as_whole_words(words, mentions, tags):
    found = tag_mentions(words.split(), [mention.split() for mention in mentions])
    assert [tag[0] for tag in found] == tags.split()
    assert {tag[1:] for tag in found if tag != "O"} <= {"-Chemical"}


def test_only_chemicals_of_the_dense_set_count_and_repeats_are_merged(made_up_file):
    lines = [
        line("Zinc and renal failure", "Zinc ", "Chemical"),
        line("Zinc and renal failure", "renal failure", "Disease"),
        line("zinc and renal failure", "zinc", "Disease"),
        line("No drug here", "here", "Process"),
        line("Lithium of another set", "Lithium", "Drug", "bind"),
        b"too\tfew\tcolumns",
    ]
    made_up_file.write_bytes(b"\n".join(lines))
    assert all_sentences(read_nero()) == {"Zinc and renal failure": ["B-Chemical", "O", "O", "O"]}


def test_lines_end_at_newlines_only_and_other_encodings_are_read(made_up_file):
    strange = line("1\u00a0% of\rzinc", "of\rzinc", "Drug").replace("\u00a0".encode(), b"\xa0")
    made_up_file.write_bytes(strange)
    assert all_sentences(read_nero()) == {"1 % of zinc": ["O", "O", "B-Chemical", "I-Chemical"]}


def test_another_file_is_an_input_error(made_up_file):
    made_up_file.write_bytes(b"something else\n")
    with pytest.raises(InputError, match=r"NERO-nlp==0\.0\.8"):
        read_nero()


def test_an_absent_package_is_an_input_error(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"make setup.*pip install --no-deps NERO-nlp==0\.0\.8"):
        read_nero()


@needs_wheel
def test_the_wheel_gives_three_apart_and_repeatable_splits():
    task = read_nero()
    splits = (task.train, task.devel, task.test)
    assert [len(split) for split in splits] == [5196, 660, 600]
    assert [count_entities(split) for split in splits] == [10064, 1378, 1181]
    assert task.labels == ["O", "B-Chemical", "I-Chemical"]
    texts = [{" ".join(sentence.words).lower() for sentence in split} for split in splits]
    assert sum(map(len, texts)) == len(set.union(*texts)) == 6456
