"""Questions: the forms of PubMedQA and BioASQ, accuracy, and files that are refused."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up_task import build_tokenizer

from recipe.errors import InputError
from recipe.tasks.types.questions import TASK_TYPE, AnswerReading, counts_by_question, read

ANSWERS = ["yes", "no", "maybe"]
ENTRY = {
    "QUESTION": "Is it?",
    "CONTEXTS": ["zinc  fever", "rats"],
    "LABELS": ["A", "B"],
    "YEAR": None,
    "final_decision": "maybe",
    "LONG_ANSWER": "yes",
}


def write(folder, test: dict):
    for name, entries in (("train", {"1": ENTRY}), ("dev", {"1": ENTRY}), ("test", test)):
        (folder / f"{name}_set.json").write_text(json.dumps(entries))
    return folder


def test_pubmedqa_is_read_in_its_own_form_and_the_hubs(tmp_path):
    task = read(write(tmp_path, {"17": ENTRY, "18": {**ENTRY, "final_decision": "no"}}), ANSWERS)
    assert [(e.id, e.text, e.other, e.gold) for e in task.test] == [
        ("17", "Is it?", "zinc fever rats", "maybe"),
        ("18", "Is it?", "zinc fever rats", "no"),
    ]
    (tmp_path / "test_set.json").unlink()
    pq.write_table(pa.Table.from_pylist([ENTRY, {**ENTRY, "final_decision": "no"}]), tmp_path / "test.parquet")
    assert [(e.id, e.text, e.other, e.gold) for e in read(tmp_path, ANSWERS).test] == [
        ("1", *rest) for rest in [("Is it?", "zinc fever rats", "maybe")]
    ] + [("2", "Is it?", "zinc fever rats", "no")]


def test_bioasq_is_read_without_a_heading(tmp_path):
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.tsv").write_text("5c58a\tIs it so?\t zinc. <br> Fever\tyes\n5c58b\tIs it?\trats\tno\n")
    task = read(tmp_path, ["yes", "no"])
    assert [(e.id, e.other, e.gold) for e in task.test] == [
        ("5c58a", "zinc. <br> Fever", "yes"),
        ("5c58b", "rats", "no"),
    ]
    assert task.counts() == {"questions": dict.fromkeys(("train", "devel", "test"), 2)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"final_decision": "perhaps"}, r"test_set\.json, entry 1: the label 'perhaps' is not one of yes, no, maybe"),
        ({"CONTEXTS": []}, r"test_set\.json, entry 1: context is not text"),
        ({"QUESTION": None}, r"test_set\.json, entry 1: question is not text"),
    ],
)
def test_bad_files_are_named(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        read(write(tmp_path, {"17": {**ENTRY, **change}}), ANSWERS)


def test_the_context_is_cut_at_its_end_before_the_question(tmp_path):
    tokenizer = build_tokenizer()
    task = read(
        write(
            tmp_path, {"1": {**ENTRY, "QUESTION": "the cell", "CONTEXTS": ["zinc fever rats of aspirin in the cell"]}}
        ),
        ANSWERS,
    )
    split = TASK_TYPE.encode(task, tokenizer, 10)["test"]
    expected = ["[CLS]", "the", "cell", "[SEP]", "zinc", "fever", "rats", "of", "aspirin", "[SEP]"]
    assert tokenizer.convert_ids_to_tokens(split.rows[0].input_ids) == expected
    assert split.truncated == 1
    assert split.predictions([[1]]) == "1\tthe cell\tmaybe\tno\n"


def test_accuracy_and_the_numbers_that_add_up_to_it():
    gold, predicted = ["yes", "yes", "no", "maybe"], ["yes", "no", "no", "yes"]
    scores = AnswerReading(ANSWERS).scores(gold, predicted)
    assert (scores["accuracy"], scores["support"]) == (0.5, 4)
    assert scores["macro_f1"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    text = "".join(f"1\tx\t{g}\t{p}\n" for g, p in zip(gold, predicted, strict=True))
    assert counts_by_question(text).tolist() == [[1, 1], [0, 1], [1, 1], [0, 1]]
    assert TASK_TYPE.score_of(counts_by_question(text).sum(0)) == 0.5


def test_the_majority_answers_all_questions_alike(tmp_path):
    text, scores = TASK_TYPE.baselines["majority"](
        read(write(tmp_path, {"17": ENTRY, "18": {**ENTRY, "final_decision": "no"}}), ANSWERS)
    )
    assert scores["accuracy"] == 0.5
    assert text == "17\tIs it?\tmaybe\tmaybe\n18\tIs it?\tno\tmaybe\n"
