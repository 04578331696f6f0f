"""Documents: sentences that are joined, labels that add up, both published forms, and files that are refused."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_task import build_tokenizer
from made_up_texts import HALLMARKS

import recipe.tasks.types.metrics  # noqa: F401  # before hypothesis measures time: it imports `evaluate`
from recipe.errors import InputError
from recipe.tasks.types.documents import TASK_TYPE, DocumentReading, counts_by_document, read


def flags(*holding: int) -> str:
    return ",".join(f"{label}_{int(label in holding)}" for label in range(10))


GOOD = (
    f"labels\tsentence\tindex\n{flags(7)}\tzinc .\t11_s0\n{flags(1, 7)}\tthe cell .\t11_s1\n{flags()}\trats"
    f" .\t12_s0\n{flags(0)}\tfever .\t11_s2\n"
)


def write(folder, test: str):
    for name, text in (("train", GOOD), ("dev", GOOD), ("test", test)):
        (folder / f"{name}.tsv").write_text(text)
    return folder


def test_sentences_are_joined_and_labels_add_up(tmp_path):
    task = read(write(tmp_path, GOOD), HALLMARKS)
    assert [(example.id, example.text) for example in task.test] == [
        ("11", "zinc . the cell . fever ."),
        ("12", "rats ."),
    ]
    assert [example.gold for example in task.test] == [{HALLMARKS[place] for place in (0, 1, 7)}, set()]
    assert task.counts() == {
        "documents": dict.fromkeys(("train", "devel", "test"), 2),
        "labels": dict.fromkeys(("train", "devel", "test"), 3),
    }


def test_the_hubs_form_reads_alike(tmp_path):
    expected = read(write(tmp_path, GOOD), HALLMARKS).test
    names = [[HALLMARKS[7]], [HALLMARKS[7], HALLMARKS[1]], ["none"], [HALLMARKS[0]]]
    texts = [("11_0", "zinc ."), ("11_1", "the cell ."), ("12_0", "rats ."), ("11_2", "fever .")]
    rows = [
        {"id": str(n), "document_id": name, "text": text, "labels": labels}
        for n, ((name, text), labels) in enumerate(zip(texts, names, strict=True))
    ]
    (tmp_path / "test.tsv").unlink()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "test.parquet")
    assert read(tmp_path, HALLMARKS).test == expected


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("0_1,1_0\tzinc\t1_s0\n", r"test\.tsv, line 1: '0_1,1_0' does not number the labels 0 to 9"),
        (f"{flags(1)[:-3]}9_2\tzinc\t1_s0\n", r"test\.tsv, line 1: the label '0_0' is not one of activating"),
        ("resisting arrest\tzinc\t1_s0\n", r"test\.tsv, line 1: the label 'resisting arrest' is not one of"),
        (f"{flags(1)}\t\t1_s0\n", r"test\.tsv, line 1: sentence is not text"),
        (f"{flags(1)}\tzinc\t \n", r"test\.tsv, line 1: index is not text"),
    ],
)
def test_bad_files_are_named(tmp_path, test, message):
    with pytest.raises(InputError, match=message):
        read(write(tmp_path, test), HALLMARKS)


@pytest.mark.parametrize("form", [list, lambda ones: [float(one) for one in ones], lambda ones: str(list(ones))])
def test_linkberts_form_reads_alike(tmp_path, form):
    expected = read(write(tmp_path, GOOD), HALLMARKS).test
    texts = [
        ("11_s0", "zinc .", {7}),
        ("11_s1", "the cell .", {1, 7}),
        ("12_s0", "rats .", {}),
        ("11_s2", "fever .", {0}),
    ]
    rows = [
        {"id": name, "sentence": text, "label": form([int(label in labels) for label in range(10)])}
        for name, text, labels in texts
    ]
    (tmp_path / "test.tsv").unlink()
    (tmp_path / "test.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read(tmp_path, HALLMARKS).test == expected


@pytest.mark.parametrize("label", [[0, 1], [0] * 9 + [2], [7], [0] * 11])
def test_numbers_of_another_form_are_refused_with_the_order(tmp_path, label):
    write(tmp_path, GOOD)
    (tmp_path / "test.tsv").unlink()
    (tmp_path / "test.json").write_text(json.dumps([{"id": "1_s0", "sentence": "zinc", "label": label}]))
    order = "write 10 numbers 0 or 1, in the order activating invasion and metastasis, avoiding immune destruction"
    with pytest.raises(InputError, match=order):
        read(tmp_path, HALLMARKS)


def test_the_beginning_of_a_long_document_stays(tmp_path):
    tokenizer = build_tokenizer()
    split = TASK_TYPE.encode(read(write(tmp_path, GOOD), HALLMARKS), tokenizer, 8)["test"]
    assert tokenizer.convert_ids_to_tokens(split.rows[0].input_ids) == [
        "[CLS]",
        "zinc",
        ".",
        "the",
        "cell",
        ".",
        "fever",
        "[SEP]",
    ]
    assert split.truncated == 1
    assert split.rows[1].labels == [[0.0] * 10]
    assert (
        split.predictions([[[1.0] * 2 + [0.0] * 8], [[0.0] * 10]])
        == f"11\t{','.join(HALLMARKS[place] for place in (0, 1, 7))}\t{HALLMARKS[0]},{HALLMARKS[1]}\n12\t-\t-\n"
    )


@given(st.lists(st.tuples(*[st.frozensets(st.sampled_from("abc"))] * 2), min_size=1))
def test_counts_of_a_predictions_file_are_those_of_its_sets(pairs):
    reading = DocumentReading(["a", "b", "c"])
    written = [(",".join(sorted(gold)) or "-", ",".join(sorted(found)) or "-") for gold, found in pairs]
    text = "".join(f"1\t{gold}\t{found}\n" for gold, found in written)
    assert counts_by_document(text).tolist() == [[len(gold), len(found), len(gold & found)] for gold, found in pairs]
    scores = reading.scores(*zip(*pairs, strict=True))
    expected = np.nan if scores["f1"] is None else scores["f1"]
    assert TASK_TYPE.score_of(counts_by_document(text).sum(0)) == pytest.approx(expected, nan_ok=True)
    assert all(reading.answer(reading.label(gold)) == gold for gold, _ in pairs)
