"""Relations: placeholders that no cut takes, classes that are none, micro F1 over the others, and files that are
refused.
"""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_task import build_tokenizer
from made_up_texts import WORDS, write_texts

from recipe.errors import InputError
from recipe.tasks.catalog import task_table
from recipe.tasks.data.records import TASK_SPLITS
from recipe.tasks.types.relations import NONE, PLACEHOLDER, TASK_TYPE, RelationReading, counts_by_sentence, read

TOKENIZER = build_tokenizer(WORDS)
CHEMPROT = task_table()["chemprot"].options
SENTENCE = st.lists(st.sampled_from(["rats", "fever", "renal", "carbonate", "@", "$", "."]), max_size=40).map(" ".join)


def write(folder: Path, test: str, train: str = "1\t@CHEMICAL$ inhibits @GENE$\tCPR:4\n") -> Path:
    for name, text in (("train", train), ("dev", train), ("test", test)):
        (folder / f"{name}.tsv").write_text(text)
    return folder


def test_every_spelling_of_no_relation_is_one_class(tmp_path):
    write(
        tmp_path,
        "".join(f"{n}\t@CHEM-GENE$ it\t{label}\n" for n, label in enumerate([*CHEMPROT["negative"], "CPR:9"])),
    )
    task = read(tmp_path, **CHEMPROT)
    assert [example.gold for example in task.test] == [NONE] * 4 + ["CPR:9"]
    assert task.labels == [NONE, "CPR:3", "CPR:4", "CPR:5", "CPR:6", "CPR:9"]
    assert task.counts() == {
        "sentences": {"train": 1, "devel": 1, "test": 5},
        "relations": {"train": 1, "devel": 1, "test": 1},
    }


def test_sentences_without_a_placeholder_are_counted(tmp_path):
    task = read(write(tmp_path, "1\tno entity here\tfalse\n2\t@GENE$ it\tfalse\n"), **CHEMPROT)
    assert task.summary().endswith("(train / devel / test), 1 sentences without a placeholder")


@pytest.mark.parametrize(
    ("test", "train", "message"),
    [
        (
            "1\t@GENE$ it\tCPR:10\n",
            None,
            r"test\.tsv, line 1: the label 'CPR:10' is not one of CPR:3, .*, CPR:9, false",
        ),
        ("1\t@GENE$ it\n", None, r"test\.tsv, line 1: .* 2 columns instead of 3"),
        ("1\t \tfalse\n", None, r"test\.tsv, line 1: sentence is not text"),
    ],
)
def test_bad_files_are_named(tmp_path, test, train, message):
    write(tmp_path, test, *([train] if train else []))
    with pytest.raises(InputError, match=message):
        read(tmp_path, **CHEMPROT)


@settings(max_examples=60, deadline=None)
@given(SENTENCE, SENTENCE, SENTENCE, st.integers(8, 40))
def test_no_cut_takes_a_placeholder(tmp_path_factory, before, between, behind, max_seq_length):
    folder = tmp_path_factory.mktemp("task")
    task = read(write(folder, f"1\t{before} @CHEMICAL$ {between} @GENE$ {behind}\tCPR:4\n"), **CHEMPROT)
    (row,) = (split := TASK_TYPE.encode(task, TOKENIZER, max(max_seq_length, 8))["test"]).rows
    tokens = TOKENIZER.convert_ids_to_tokens(row.input_ids)
    assert len(tokens) <= max_seq_length
    assert "@ chemical $" in " ".join(tokens)
    assert "@ gene $" in " ".join(tokens)
    whole = TOKENIZER(task.test[0].text, add_special_tokens=False)["input_ids"]
    assert split.truncated == (len(whole) > max_seq_length - 2)
    assert split.truncated or row.input_ids[1:-1] == whole


def test_placeholders_that_do_not_fit_are_named(tmp_path):
    task = read(write(tmp_path, "77\t@GENE$ @GENE$ @CHEMICAL$ it\tfalse\n"), **CHEMPROT)
    with pytest.raises(
        InputError, match=r"max_seq_length is 9, but the placeholders of 77 \('@GENE\$ .*'\) alone take 11; raise it"
    ):
        TASK_TYPE.encode(task, TOKENIZER, 9)


def test_scores_are_those_of_the_relations(tmp_path):
    reading = RelationReading(["false", "A", "B"])
    gold, predicted = ["A", "A", "B", "false", "false"], ["A", "B", "false", "A", "false"]
    scores = reading.scores(gold, predicted)
    assert (scores["precision"], scores["recall"], scores["support"]) == (1 / 3, 1 / 3, 3)
    assert scores["per_type"]["A"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    text = "".join(f"1\tx\t{g}\t{p}\n" for g, p in zip(gold, predicted, strict=True))
    assert counts_by_sentence(text).tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_a_lost_or_changed_example_stops_the_run(tmp_path):
    task = read(write_texts("ddi", tmp_path), **task_table()["ddi"].options)
    split = TASK_TYPE.encode(task, TOKENIZER, 24)["test"]
    outputs = [row.labels for row in split.rows]
    assert split.score(outputs)["f1"] == 1.0
    with pytest.raises(RuntimeError, match=r"scored 23 of 24 examples"):
        split.score(outputs[1:])
    split.rows[0].labels[0] = (split.rows[0].labels[0] + 1) % 3
    with pytest.raises(RuntimeError, match="or by other gold"):
        split.score([list(labels) for labels in outputs])


@pytest.mark.parametrize("name", ["@CHEMICAL$", "@GENE$", "@CHEM-GENE$", "@DRUG$", "@DRUG-DRUG$", "@DISEASE$"])
def test_the_placeholders_of_blurb_are_known(name):
    assert re.fullmatch(PLACEHOLDER, name)


def test_the_tasks_of_the_table_name_their_classes():
    assert [len(task_table()[name].options["positive"]) for name in ("chemprot", "ddi", "gad")] == [5, 4, 1]
    assert set(TASK_SPLITS) == set(task_table()["gad"].published["sentences"])
