"""The baseline that only knows the training mentions."""

from pathlib import Path

import pytest
from conftest import SHARED

from recipe.tasks.data.columns import TaggedSentence, read_task
from recipe.tasks.data.dictionary import mention_dictionary
from recipe.tasks.types.ner import TASK_TYPE

TRAIN = [
    TaggedSentence(["Zinc", "ion", "and", "acid"], ["B-C", "I-C", "O", "B-C"]),
    TaggedSentence(["zinc", "acid", "acid"], ["B-C", "O", "O"]),
    TaggedSentence(["p53"], ["B-G"]),
]


def test_the_longest_mention_is_found_whatever_its_case():
    dictionary = mention_dictionary(TRAIN)
    assert dictionary.tags(["ZINC", "ION", "zinc", "p53", "ion", "acid"]) == ["B-C", "I-C", "B-C", "B-G", "O", "B-C"]
    assert dictionary.tags([]) == []


def test_words_that_mostly_are_no_mention_can_be_left_out():
    assert mention_dictionary(TRAIN, 0.5).tags(["acid", "zinc", "p53"]) == ["O", "B-C", "B-G"]


def test_the_dictionaries_of_bc5_chem():
    folder: Path = SHARED / "data" / "tasks" / "BC5CDR-chem-IOB"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    task = read_task(folder)
    found = {name: baseline(task)[1] for name, baseline in TASK_TYPE.baselines.items()}
    assert {name: round(scores["f1"], 3) for name, scores in found.items()} == {
        "dictionary": 0.658,
        "dictionary_of_reliable_mentions": 0.73,
    }
    assert (
        found["dictionary"]["support"]
        == found["dictionary"]["seen"]["support"] + found["dictionary"]["unseen"]["support"]
        == 5385
    )
    assert found["dictionary"]["unseen"]["recall"] < 0.01
