"""Tasks of one's own: task.yaml and every form of file, what is refused and how, and the splits by share."""

import csv
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipe.errors import InputError
from recipe.tasks.catalog import TASK_TYPES, read_named_task
from recipe.tasks.data.columns import TaggedSentence
from recipe.tasks.data.records import Record, read_entries
from recipe.tasks.own.rows import split_by_share
from recipe.tasks.own.task_yaml import COLUMNS, KEYS, METRICS, find_task_yaml, source_of
from recipe.tasks.own.types import OWN_TYPES, counts_by_label, rank_sums_by_pair
from recipe.tasks.types.scores import pearson_of_sums, ranks

ROWS = {
    "train": [("a fine film", "good"), ("a dull film", "bad"), ("well, really fine", "good")],
    "devel": [("fine music", "good"), ("dull music", "bad")],
    "test": [("so dull", "bad"), ("so fine", "good")],
}


def write_csv(path: Path, rows, names=("text", "label"), delimiter=",") -> Path:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(names)
        writer.writerows(rows)
    return path


def write_jsonl(path: Path, rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def folder_of(folder: Path, yaml: str = "type: classification\n", splits=ROWS, **options) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "task.yaml").write_text(yaml, encoding="utf-8")
    for split, rows in splits.items():
        write_csv(folder / f"{split}.csv", rows, **options)
    return folder


DOCS = Path(__file__).parents[2] / "docs" / "tasks.md"
EXAMPLE = re.compile(r"```yaml\n# (\w+)/task\.yaml\n(.*?)```\n\n```(\w+)\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLE.findall(DOCS.read_text(encoding="utf-8")), ids=lambda found: found[0])
def test_the_examples_of_the_documentation_are_tasks(example, tmp_path):
    kind, yaml, ending, rows = example
    folder_of(tmp_path, yaml, {})
    for split, word in (("train", "patients"), ("dev", "adults"), ("test", "children")):
        (tmp_path / f"{split}.{ending}").write_text(rows.replace("patients", word), encoding="utf-8")
    named = read_named_task(str(tmp_path), None)
    assert named.entry.type.split("-")[0] == kind
    counts = next(iter(named.task.counts().values()))
    assert {*counts.values()} == {rows.count("\n") - (ending in ("csv", "tsv"))}


def test_the_documentation_has_an_example_of_each_type_and_an_address():
    text = DOCS.read_text(encoding="utf-8")
    assert [found[0] for found in EXAMPLE.findall(text)] == [*COLUMNS]
    own = find_task_yaml(re.search(r"--task '(hub:[^']+)'", text)[1])
    assert (own.name, own.type, own.source) == ("sst2", "classification", "hub:stanfordnlp/sst2")
    assert (own.columns, own.splits) == ({"text": "sentence"}, {"test": "validation", "devel": 0.1})
    mrpc = find_task_yaml("hub:nyu-mll/glue?type=pairs&name=mrpc&revision=refs/pr/1&labels=no,yes")
    assert (mrpc.name, mrpc.labels) == ("glue-mrpc", {"no": "no", "yes": "yes"})
    assert source_of(mrpc.source) == ("nyu-mll/glue", {"name": "mrpc", "revision": "refs/pr/1"})
    assert all(f"- `{key}`" in text for key in KEYS)


def task_of(folder: Path):
    return read_named_task(str(folder), None).task


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as error:
        task_of(folder)
    message = str(error.value)
    assert "\n" not in message
    return message


def write_split(path: Path, rows) -> None:
    """ROWS in the form that the file's ending says."""
    objects = [{"text": text, "label": label} for text, label in rows]
    if path.suffix in (".csv", ".tsv"):
        write_csv(path, rows, delimiter="\t" if path.suffix == ".tsv" else ",")
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(objects), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(objects))
    else:
        write_jsonl(path, objects)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".json", ".parquet"])
def test_every_form_of_file_gives_the_same_task(ending, tmp_path):
    (tmp_path / "task.yaml").write_text("type: classification\n")
    for split, rows in ROWS.items():
        write_split(tmp_path / f"{split}{ending}", rows)
    named = read_named_task(str(tmp_path), None)
    assert named.task_type is OWN_TYPES["classification-accuracy"]
    assert named.task.labels == ["bad", "good"]
    for split, rows in ROWS.items():
        assert [(one.text, one.gold, one.other) for one in getattr(named.task, split)] == [(*row, "") for row in rows]
    assert {path.name for path in named.files} == {"task.yaml", *(f"{split}{ending}" for split in ROWS)}


def test_keys_name_files_columns_and_labels(tmp_path):
    yaml = """
type: classification
metric: macro_f1
splits: {train: reviews.csv, devel: val.csv, test: sub/held out.csv}
columns: {text: review, label: stars, id: number}
labels: {1: bad, 2: bad, 5: good}
"""
    (tmp_path / "sub").mkdir()
    names = ("number", "stars", "review")
    for file, number in (("reviews", 1), ("val", 2), ("sub/held out", 5)):
        rows = [(f"r{number}{stars}", stars, f"text {number} {stars}") for stars in (5, 1, 2)]
        write_csv(tmp_path / f"{file}.csv", rows, names)
    named = read_named_task(str(folder_of(tmp_path, yaml, {})), None)
    assert named.entry.type == "classification-macro_f1"
    assert named.task.labels == ["bad", "good"]
    assert [(one.id, one.text, one.gold) for one in named.task.test] == [
        ("r55", "text 5 5", "good"),
        ("r51", "text 5 1", "bad"),
        ("r52", "text 5 2", "bad"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_with_quotes_line_ends_and_any_delimiter(delimiter, tmp_path):
    rows = [('He said "no, never"; twice', "a"), ("two\nlines", "b"), ("after", "a")]
    path = write_csv(tmp_path / "a.csv", rows, delimiter=delimiter)
    entries = list(read_entries(path))
    assert [tuple(row.values()) for _, row in entries] == rows
    assert [place.rsplit(" ", 1)[1] for place, _ in entries] == ["2", "3", "5"]


def test_a_tsv_with_a_single_quote_keeps_its_lines(tmp_path):
    (tmp_path / "a.tsv").write_text('text\tlabel\n"open quote\ta\nnext\tb\n"a ""b"" c"\ta\n')
    assert [row["text"] for _, row in read_entries(tmp_path / "a.tsv")] == ['"open quote', "next", 'a "b" c']


@given(
    st.lists(
        st.tuples(*[st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)] * 2).filter(any), min_size=1
    ),
    st.sampled_from(",;\t"),
)
@settings(max_examples=60, deadline=None)
def test_what_pythons_csv_writes_is_read_again(tmp_path_factory, rows, delimiter):
    path = write_csv(tmp_path_factory.mktemp("csv") / "a.csv", rows, delimiter=delimiter)
    assert [tuple(row.values()) for _, row in read_entries(path)] == rows


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([["x", "y"], [], ["y"]], [{"x", "y"}, set(), {"y"}]),
        (["x|y", "", "y"], [{"x", "y"}, set(), {"y"}]),
        (["x; y", "", "y"], [{"x", "y"}, set(), {"y"}]),
        (["x,y", "[]", "y"], [{"x", "y"}, set(), {"y"}]),
    ],
)
def test_several_labels_as_a_list_or_in_one_cell(values, expected, tmp_path):
    folder_of(tmp_path, "type: multilabel\n", {})
    for number, split in enumerate(ROWS):
        write_jsonl(
            tmp_path / f"{split}.jsonl", [{"text": f"{number} {v}", "labels": v} for v in values[: 3 - number // 2]]
        )
    task = task_of(tmp_path)
    assert [one.gold for one in task.train] == [frozenset(one) for one in expected]
    assert task.counts()["labels"] == {"train": 3, "devel": 3, "test": 2}


def test_a_column_of_zeros_and_ones_for_each_label(tmp_path):
    yaml = "type: multilabel\ncolumns: {text: comment, label: [toxic, insult]}\n"
    rows = [("one", 1, 0), ("two", 0, 0), ("three", 1, 1)]
    splits = {split: [(f"{split} {text}", *flags) for text, *flags in rows] for split in ROWS}
    task = task_of(folder_of(tmp_path, yaml, splits, names=("comment", "toxic", "insult")))
    assert [sorted(one.gold) for one in task.test] == [["toxic"], [], ["insult", "toxic"]]
    splits["test"][1] = ("t", 2, 0)
    folder_of(tmp_path, yaml, splits, names=("comment", "toxic", "insult"))
    assert "test.csv, line 3: toxic is '2'; the column of a label takes 0 or 1" in refused(tmp_path)


def test_pairs_and_scores(tmp_path):
    rows = [("a", "b", "1"), ("c", "d", "0")]
    splits = {split: [(f"{split} {a}", b, label) for a, b, label in rows] for split in ROWS}
    task = task_of(folder_of(tmp_path / "p", "type: pairs\n", splits, names=("sentence1", "sentence2", "label")))
    assert [(one.text, one.other, one.gold) for one in task.test] == [("test a", "b", "1"), ("test c", "d", "0")]
    yaml = "type: similarity\ncolumns: {text1: left, text2: right}\n"
    task = task_of(folder_of(tmp_path / "s", yaml, splits, names=("left", "right", "score")))
    assert [one.gold for one in task.devel] == [1.0, 0.0]
    splits["devel"][1] = ("x", "y", "high")
    folder_of(tmp_path / "s", yaml, splits, names=("left", "right", "score"))
    assert "devel.csv, line 3: the score 'high' is not a number" in refused(tmp_path / "s")


ENTITIES = [(["Zinc", "was", "given"], ["B-C", "O", "O"]), (["the", "acid", "salt"], ["O", "B-C", "I-C"])]


def write_entities(folder: Path, yaml: str = "type: entities\n", numbers=None) -> Path:
    folder_of(folder, yaml, {})
    for split in ROWS:
        rows = [
            {"tokens": [*words, split], "ner_tags": [numbers[tag] if numbers else tag for tag in [*tags, "O"]]}
            for words, tags in ENTITIES
        ]
        write_jsonl(folder / f"{split}.jsonl", rows)
    return folder


def test_entities_as_lists_of_tokens_and_tags(tmp_path):
    task = task_of(write_entities(tmp_path / "names"))
    assert task.labels == ["O", "B-C", "I-C"]
    assert task.test[1] == TaggedSentence(["the", "acid", "salt", "test"], ["O", "B-C", "I-C", "O"])
    yaml = "type: entities\nlabels: {0: O, 1: B-C, 2: I-C}\n"
    numbered = task_of(write_entities(tmp_path / "numbers", yaml, {"O": 0, "B-C": 1, "I-C": 2}))
    assert numbered.test == task.test
    message = refused(write_entities(tmp_path / "unnamed", numbers={"O": 0, "B-C": 1, "I-C": 2}))
    assert "train.jsonl, line 1: '1' is not a tag of IO, IOB1, IOB2 or BIOES" in message


def test_entities_in_columns_of_words(tmp_path):
    folder_of(tmp_path, "type: entities\nsplits: {devel: val.conll}\n", {})
    for name, last in (("train.tsv", "x"), ("val.conll", "y"), ("test.tsv", "z")):
        (tmp_path / name).write_text(f"Zinc\tB-C\nis\tO\n{last}\tO\n\nthe\tO\nacid\tB-C\nsalt\tI-C\n")
    assert task_of(tmp_path).devel[1] == TaggedSentence(["the", "acid", "salt"], ["O", "B-C", "I-C"])


def test_an_entity_type_that_train_has_not_is_refused(tmp_path):
    write_entities(tmp_path)
    row = {"tokens": ["BRCA1", "x"], "ner_tags": ["B-Gene", "O"]}
    with open(tmp_path / "test.jsonl", "a") as file:
        file.write(json.dumps(row) + "\n")
    assert "test: its sentence 3 has entities of the type Gene, which train has not (C)" in refused(tmp_path)


def test_parquet_with_names_of_classes_as_datasets_writes_it(tmp_path):
    features = {
        "label": {"names": ["bad", "good"], "_type": "ClassLabel"},
        "text": {"dtype": "string", "_type": "Value"},
    }
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    folder_of(tmp_path, splits={})
    for split in ROWS:
        table = pa.table({"text": [f"{split} a", f"{split} b"], "label": [1, 0 if split != "test" else -1]})
        pq.write_table(table.replace_schema_metadata(metadata), tmp_path / f"{split}.parquet")
    message = refused(tmp_path)
    assert "test.parquet, row 2: has no label; where a split has none, split one off train" in message
    folder_of(tmp_path, "type: classification\nsplits: {test: devel.parquet, devel: more.parquet}\n", {})
    pq.write_table(pa.table({"text": ["u", "v"], "label": ["good", "bad"]}), tmp_path / "more.parquet")
    assert [one.gold for one in task_of(tmp_path).test] == ["good", "bad"]


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("", "task.yaml: has no keys; write `type: classification`"),
        ("metric: accuracy\n", "task.yaml: has no type; it takes classification, multilabel, pairs, similarity, ent"),
        ("type: sentiment\n", "type is 'sentiment'; it takes classification"),
        ("type: classification\ncolums: {text: a}\n", "unknown key colums; did you mean columns?"),
        ("type: classification\ncolumns: {txt: a}\n", "unknown key columns.txt; did you mean columns.text?"),
        ("type: classification\nsplits: {dev: a.csv}\n", "unknown key splits.dev"),
        ("type: classification\ncolumns: text\n", "columns is 'text'; write keys below it, such as `text: sentence`"),
        (
            "type: classification\ncolumns: {label: [a, b]}\n",
            "columns.label is ['a', 'b']; it takes the name of a col",
        ),
        ("type: classification\nmetric: micro_f1\n", "classification takes accuracy or macro_f1 (of one label per te"),
        ("type: [a]\n", "type is ['a']; it takes one word"),
        ("type: similarity\nlabels: [a, b]\n", "labels is given, but similarity has scores; take it out"),
        ("type: classification\nlabels: [a]\n", "labels names a only; a task needs two labels"),
        ("type: classification\nlabels: [a, a, b]\n", "labels names one label twice"),
        ("type: classification\nlabels: a\n", "labels is 'a'; it takes a list such as [no, yes], or"),
        ("type: classification\nsource: someone/data\n", "source is 'someone/data'; it takes hub:NAME/DATA"),
        ("type: classification\nsource: hub:a/b?split=test\n", "it takes hub:NAME/DATA, with ?name=CONFIG"),
        ("type: classification\nsplits: {test: no.csv}\n", "splits.test is no.csv, but"),
        ("type: classification\nsplits: {test: task.yaml}\n", "splits.test is task.yaml; a file ends in .csv, .tsv"),
        ("type: classification\nsplits: {devel: 10}\n", "splits has devel: 10; devel and test take a share above 0"),
        ("type: classification\nsplits: {train: 0.5}\n", "splits has train: 0.5; devel and test take a share"),
        ("type: classification\nsplits: {devel: 0.3, test: 0.3}\n", "together at most 0.5"),
        (
            "type: classification\nsplits: {devel: [a]}\n",
            "splits.devel is ['a']; it takes a file, or a share of train",
        ),
        ("type: classification\ntype: pairs\n", "task.yaml, line 2: the key type is in line 1 already"),
        ("type: !!str classification\n", "is a tag, which is not read"),
    ],
)
def test_what_task_yaml_cannot_say_is_one_line(yaml, expected, tmp_path):
    message = refused(folder_of(tmp_path, yaml))
    assert expected in message
    assert "task.yaml" in message


@pytest.mark.parametrize(
    ("split", "row", "expected"),
    [
        (
            "test",
            ("so odd", "ugly"),
            "test.csv, line 4: the label 'ugly' is not one of bad, good; correct it, or name",
        ),
        ("devel", ("", "good"), "devel.csv, line 4: text is not text (''); every record needs some"),
        ("test", ("so odd", ""), "test.csv, line 4: has no label; where a split has none, split one off train, such"),
        ("train", ("so odd",), "train.csv, line 5: has 1 cells, but the heading names 2 (text, label); put quotes"),
    ],
)
def test_a_bad_row_is_named_by_its_line(split, row, expected, tmp_path):
    assert expected in refused(folder_of(tmp_path, splits={**ROWS, split: [*ROWS[split], row]}))


def test_a_label_outside_of_the_list_is_refused(tmp_path):
    message = refused(folder_of(tmp_path, "type: classification\nlabels: [good, awful]\n"))
    assert "train.csv, line 3: the label 'bad' is not one of good, awful" in message


def test_a_missing_column_names_those_that_are_there(tmp_path):
    message = refused(folder_of(tmp_path, names=("review", "stars")))
    assert "train.csv, line 2: has no column 'text' (it has review, stars); name it by columns.text in" in message


def test_missing_and_equal_splits(tmp_path):
    folder = folder_of(tmp_path, splits={"train": ROWS["train"], "test": ROWS["test"]})
    assert "dev.csv: is missing" in (message := refused(folder))
    assert message.endswith("name a file for it in `splits`, or a share of train, such as `devel: 0.1`")
    folder_of(tmp_path, splits={"devel": ROWS["test"][::-1]})
    assert "devel and test have the same 2 texts; a score on texts of devel says nothing" in refused(folder)
    folder_of(tmp_path, splits={"devel": []})
    assert "devel contains no row" in refused(folder)
    folder_of(tmp_path, splits={"devel": [("one", "good"), ("two", "good")]})
    assert "devel has one answer only, 'good', so it cannot choose an epoch" in refused(folder)


def test_texts_of_test_that_are_in_train_are_counted(tmp_path):
    folder_of(tmp_path, splits={**ROWS, "test": [*ROWS["test"], ROWS["train"][0]]})
    assert "1 texts of test that are also in train" in task_of(tmp_path).summary()


def test_splits_by_share_are_of_that_size_and_never_share_a_text(tmp_path):
    rows = [(f"text number {number % 3000}", "ab"[number < 2000]) for number in range(4000)]
    yaml = "type: classification\nsplits: {train: all.csv, devel: 0.1, test: 0.2}\n"
    folder_of(tmp_path, yaml, {"all": rows})
    task = task_of(tmp_path)
    texts = {split: {one.text for one in getattr(task, split)} for split in ROWS}
    assert not texts["train"] & texts["test"] | texts["train"] & texts["devel"] | texts["devel"] & texts["test"]
    assert sum(map(len, texts.values())) == 3000
    assert Counter(one.gold for split in ROWS for one in getattr(task, split)) == {"a": 2000, "b": 2000}
    # A share of 3,000 texts is binomial: six standard deviations, a false alarm once in 5e8 runs.
    for split, share in {"devel": 0.1, "test": 0.2}.items():
        assert abs(len(texts[split]) - 3000 * share) < 6 * np.sqrt(3000 * share * (1 - share))
    # What is added changes the place of no other row.
    folder_of(tmp_path, yaml, {"all": [("another", "a"), *reversed(rows)]})
    again = {split: {one.text for one in getattr(task_of(tmp_path), split)} for split in ROWS}
    assert all(texts[split] <= again[split] for split in ROWS)


@given(st.lists(st.text(), max_size=50), st.floats(0.01, 0.25), st.floats(0.01, 0.25))
@settings(max_examples=50, deadline=None)
def test_a_share_keeps_every_row_once(texts, devel, test):
    records = [Record(str(number), {"text": text}) for number, text in enumerate(texts)]
    found = split_by_share(records, {"devel": devel, "test": test}, ["text"])
    assert sorted(int(one.place) for split in found.values() for one in split) == [*range(len(texts))]


def test_the_key_changes_with_data_and_options_but_not_with_a_comment(tmp_path):
    key = read_named_task(str(folder_of(tmp_path)), None).key
    assert read_named_task(str(folder_of(tmp_path, "# mine\ntype: classification\n")), None).key == key
    assert read_named_task(str(folder_of(tmp_path, "type: classification\nmetric: macro_f1\n")), None).key != key
    other = {**ROWS, "test": [*ROWS["test"], ("more", "bad")]}
    assert read_named_task(str(folder_of(tmp_path, splits=other)), None).key != key


def test_there_is_a_task_type_for_each_type_and_metric():
    assert {*OWN_TYPES} == {f"{kind}-{metric}" for kind, metrics in METRICS.items() for metric in metrics}
    assert {*METRICS} == {*COLUMNS}
    assert {*OWN_TYPES} < {*TASK_TYPES}


@given(st.lists(st.integers(-5, 5) | st.floats(-1e3, 1e3), min_size=3, max_size=30))
@settings(max_examples=60, deadline=None)
def test_ranks_and_spearman_are_scipys(values):
    from scipy.stats import rankdata, spearmanr

    assert np.array_equal(ranks(values), rankdata(values))
    others = list(np.roll(values, 1) + np.arange(len(values)) % 3)
    text = "".join(f"id\t{a!r}\t{float(b)!r}\n" for a, b in zip(map(float, values), others, strict=True))
    found = pearson_of_sums(rank_sums_by_pair(text).sum(0))
    if len({*values}) > 1 and len({*others}) > 1:
        assert found == pytest.approx(spearmanr(list(map(float, values)), others).statistic, abs=1e-9)
    else:
        assert np.isnan(found)


@given(st.lists(st.tuples(*[st.sets(st.sampled_from("abc"))] * 2), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_macro_f1_by_label_is_scikit_learns(pairs):
    from sklearn.metrics import f1_score

    text = "".join(
        f"id\ttext\t{','.join(sorted(gold)) or '-'}\t{','.join(sorted(found)) or '-'}\n" for gold, found in pairs
    )
    score = OWN_TYPES["multilabel-macro_f1"].score_of(counts_by_label(text, ",").sum(0))
    labels = sorted({name for gold, _ in pairs for name in gold})
    if not labels:
        assert np.isnan(score)
        return
    sides = {name: [[name in side[place] for side in pairs] for place in (0, 1)] for name in labels}
    expected = [f1_score(gold, found, zero_division=0) for gold, found in sides.values()]
    assert score == pytest.approx(np.mean(expected))
