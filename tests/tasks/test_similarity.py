"""Similarity: scores of the files as they are, Pearson's correlation of what is written, pairs cut at the longer side,
and files that are refused.
"""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up_task import build_tokenizer
from scipy.stats import pearsonr

from recipe.errors import InputError
from recipe.tasks.types.similarity import TASK_TYPE, read, shared_words

HEADING = "index\tsentence1\tsentence2\tscore\n"
GOOD = HEADING + "0\tzinc fever\tzinc\t3.2\n1\trats\tthe cell\t0.4\n2\trats\trats\t4\n"


def write(folder, test: str):
    for name, text in (("train", GOOD), ("dev", GOOD), ("test", test)):
        (folder / f"{name}.tsv").write_text(text)
    return folder


def test_pairs_and_their_scores_are_read(tmp_path):
    task = read(write(tmp_path, GOOD))
    assert [(example.text, example.other, example.gold) for example in task.test] == [
        ("zinc fever", "zinc", 3.2),
        ("rats", "the cell", 0.4),
        ("rats", "rats", 4.0),
    ]
    assert task.counts() == {"pairs": {"train": 3, "devel": 3, "test": 3}}


def test_the_hubs_form_reads_alike(tmp_path):
    expected = read(write(tmp_path, GOOD)).test
    rows = [
        {"id": e.id, "document_id": "9", "text_1": e.text, "text_2": e.other, "label": str(e.gold)} for e in expected
    ]
    (tmp_path / "test.tsv").unlink()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "test.parquet")
    assert read(tmp_path).test == expected


def test_blurbs_own_heading_is_read(tmp_path):
    expected = read(write(tmp_path, GOOD)).test
    assert read(write(tmp_path, GOOD.replace(HEADING, "pair_id\tsent1\tsent2\tscore\n"))).test == expected


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (HEADING + "0\ta\tb\thigh\n", r"test\.tsv, line 2: the score 'high' is not a number"),
        (HEADING + "0\ta\tb\tnan\n", r"test\.tsv, line 2: the score 'nan' is not a number"),
        (HEADING + "0\ta\t\t1\n", r"test\.tsv, line 2: sentence 2 is not text"),
    ],
)
def test_bad_files_are_named(tmp_path, test, message):
    with pytest.raises(InputError, match=message):
        read(write(tmp_path, test))


def test_the_longer_sentence_is_cut_first(tmp_path):
    tokenizer = build_tokenizer()
    task = read(write(tmp_path, HEADING + f"0\tzinc fever\t{'rats ' * 9}\t1\n1\tzinc\tzinc\t2\n"))
    split = TASK_TYPE.encode(task, tokenizer, 8)["test"]
    assert [tokenizer.convert_ids_to_tokens(row.input_ids) for row in split.rows] == [
        ["[CLS]", "zinc", "fever", "[SEP]", "rats", "rats", "rats", "[SEP]"],
        ["[CLS]", "zinc", "[SEP]", "zinc", "[SEP]"],
    ]
    assert split.rows[0].token_type_ids == [0, 0, 0, 0, 1, 1, 1, 1]
    assert split.truncated == 1


def test_the_score_is_pearsons_of_what_the_predictions_file_holds(tmp_path):
    split = TASK_TYPE.encode(read(write(tmp_path, GOOD)), build_tokenizer(), 16)["test"]
    outputs = [[0.123456789], [-3.0], [2.5]]
    scores = split.score(outputs)
    assert scores["pearson"] == pytest.approx(pearsonr([3.2, 0.4, 4.0], [0.123456789, -3.0, 2.5]).statistic)
    assert (scores["support"], scores["truncated"]) == (3, 0)
    text = split.predictions(outputs)
    assert text.split("\n")[0] == "0\tzinc fever\tzinc\t3.2\t0.123456789"
    assert TASK_TYPE.score_of(TASK_TYPE.units(text).sum(0)) == pytest.approx(scores["pearson"], abs=1e-12)


def test_the_control_counts_shared_words(tmp_path):
    assert shared_words("Zinc and fever", "zinc AND rats") == 0.5
    text, scores = TASK_TYPE.baselines["shared_words"](read(write(tmp_path, GOOD)))
    expected = pearsonr([3.2, 0.4, 4.0], [0.5, 0.0, 1.0]).statistic
    assert scores["pearson"] == pytest.approx(expected)
    assert np.isclose(TASK_TYPE.score_of(TASK_TYPE.units(text).sum(0)), expected)
