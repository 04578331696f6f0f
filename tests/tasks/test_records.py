"""The reader of records: every published form alike, places in errors, quotes counted, and nothing but one clear line
for broken files.
"""

import json
import re
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recipe.errors import InputError
from recipe.tasks.data.examples import ID, Example, class_of, id_of, read_text_task
from recipe.tasks.data.records import Column, find_split, read_records

COLUMNS = (ID, Column("sentence", ("sentence", "text")), Column("label", ("label", "labels")))
ROWS = [("7", "a @GENE$ is", "1"), ("8", "None", "0"), ("9", 'a "quoted" null', "1")]
TSV = "".join("\t".join(row) + "\n" for row in ROWS)
JSON = json.dumps([dict(zip(("index", "sentence", "label"), row, strict=True)) for row in ROWS])


def values(path: Path) -> list[tuple[str, ...]]:
    return [
        tuple(record.text(name) for name in ("id", "sentence", "label")) for record in read_records(path, COLUMNS)[0]
    ]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", TSV),
        ("a.tsv", "\ufeff" + TSV.replace("\n", "\r\n") + "\n\n"),
        ("a.tsv", "index\tsentence\tlabel\n" + TSV),
        (
            "a.tsv",
            "Label\tText\tSource\tID\n" + "".join(f"{label}\t{text}\tpubmed\t{name}\n" for name, text, label in ROWS),
        ),
        # Of this heading only two names are known, so the columns are those of BLURB.
        ("a.tsv", "id\tsnippet\tlabel\n" + TSV),
        ("a.json", JSON),
        (
            "a.json",
            json.dumps(
                {name: {"text": text, "labels": [label], "extra": None} for name, text, label in ROWS}, indent=4
            ),
        ),
        (
            "a.json",
            "\n".join(
                json.dumps({"document_id": name, "text": text, "label": int(label)}) for name, text, label in ROWS
            ),
        ),
        (
            "a.jsonl",
            "\n\n".join(
                json.dumps({"id": int(name), "sentence": text.split(" "), "label": label})
                for name, text, label in ROWS
            ),
        ),
    ],
)
def test_the_published_forms_read_alike(tmp_path, name, text):
    assert values(write(tmp_path / name, text)) == ROWS


def test_parquet_of_the_hub_reads_alike(tmp_path):
    rows = [{"id": name, "document_id": "x", "text": text, "labels": [label]} for name, text, label in ROWS]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert values(tmp_path / "a.parquet") == ROWS


def test_fields_that_csv_quoted_are_unquoted_and_counted(tmp_path):
    records, unquoted = read_records(write(tmp_path / "a.tsv", '1\t"a ""b"" c"\t0\n2\t"a" b "c"\t1\n'), COLUMNS)
    assert [record.text("sentence") for record in records] == ['a "b" c', '"a" b "c"']
    assert unquoted == 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.tsv", "1\ta\n", r"a\.tsv, line 1: '1\\ta' has 2 columns instead of 3 \(id, sentence, label\)"),
        ("a.tsv", "1\ta\t0\n\n2\tb\tc\t0\n", r"a\.tsv, line 3: .* has 4 columns instead of 3"),
        ("a.tsv", b"1\ta\t0\n\xff\n", r"a\.tsv, line 2: is not UTF-8"),
        (
            "a.json",
            '{"id": 1, "text": "a"}',
            r"a\.json, entry 1: has no label \(it has id, text\); name it label or labels",
        ),
        ("a.json", '[{"label": 1, "text": "a"}, 5]', r"a\.json, entry 2: '5' is not an object"),
        ("a.json", '{"label": 1, "text": "a"}\n{"label"', r"a\.json, line 2: is not JSON"),
        ("a.jsonl", "[" * 100_000, r"a\.jsonl, line 1: is not JSON"),
        ("a.parquet", "PAR1", r"a\.parquet: is not a complete Parquet file"),
    ],
)
def test_bad_records_are_named(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        read_records(write(tmp_path / name, text), COLUMNS)


@pytest.mark.parametrize("value", ["", " \n", [], None, {"a": 1}, ["a", {}]])
def test_a_value_without_text_is_named(tmp_path, value):
    (record,), _ = read_records(write(tmp_path / "a.json", json.dumps([{"text": value, "label": 1}])), COLUMNS)
    with pytest.raises(InputError, match=r"a\.json, entry 1: sentence is not text"):
        record.text("sentence")


def test_half_a_character_is_named(tmp_path):
    (record,), _ = read_records(write(tmp_path / "a.json", '[{"text": "a \\ud800", "label": 1}]'), COLUMNS)
    with pytest.raises(InputError, match="half a character"):
        record.text("sentence")


def test_one_file_per_split(tmp_path):
    with pytest.raises(InputError, match=r"dev\.tsv: is missing; .*\.parquet"):
        find_split(tmp_path, "devel")
    write(tmp_path / "validation.json", "[]")
    assert find_split(tmp_path, "devel").name == "validation.json"
    write(tmp_path / "dev_set.json", "[]")
    with pytest.raises(InputError, match=r"validation\.json and dev_set\.json are one split"):
        find_split(tmp_path, "devel")


def read_small_task(folder: Path):
    classes = {"0": "no", "1": "yes"}

    def examples(records):
        return [
            Example(id_of(record, number), record.text("sentence"), "", class_of(record, classes))
            for number, record in enumerate(records, start=1)
        ]

    return read_text_task(folder, COLUMNS, ["no", "yes"], "sentences", examples)


def test_a_task_says_its_sizes_and_oddities(tmp_path):
    for name in ("train", "dev", "test"):
        write(tmp_path / f"{name}.tsv", TSV)
    write(tmp_path / "test.tsv", '1\t"a ""b"""\t0\n')
    task = read_small_task(tmp_path)
    assert task.counts() == {"sentences": {"train": 3, "devel": 3, "test": 1}}
    assert task.summary() == f"{tmp_path.name}: 3 / 3 / 1 sentences (train / devel / test), 1 fields in quotes"
    assert task.test == [Example("1", 'a "b"', "", "no")]


def test_labels_folders_and_empty_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"absent: is not a folder"):
        read_small_task(tmp_path / "absent")
    for name in ("train", "dev", "test"):
        write(tmp_path / f"{name}.tsv", TSV)
    write(tmp_path / "test.tsv", "1\ta\t0\n2\tb\t2\n")
    with pytest.raises(InputError, match=r"test\.tsv, line 2: the label '2' is not one of 0, 1"):
        read_small_task(tmp_path)
    write(tmp_path / "test.tsv", "id\tsentence\tlabel\n")
    with pytest.raises(InputError, match=r"test\.tsv: contains no record"):
        read_small_task(tmp_path)


def test_500_broken_files_give_one_line_or_the_right_number(tmp_path):
    for name in ("train", "dev"):
        write(tmp_path / f"{name}.tsv", TSV)
    read, refused = 0, 0
    for seed in range(500):
        path, content = broken(Random(seed), tmp_path)
        message, number = read_or_refuse(tmp_path)
        if message:
            assert "\n" not in message
            assert re.search(r"test\.\w+(, (line|entry) [1-9][0-9]*)?: ", message), message
            refused += 1
        else:
            assert number == len(read_records(path, COLUMNS)[0])
            lines = [line for line in content.decode("utf-8-sig").split("\n") if line.strip()]
            assert path.suffix != ".tsv" or number in (len(lines), len(lines) - 1)
            read += 1
        path.unlink()
    assert min(read, refused) > 100, "the files are all of one kind"


def read_or_refuse(folder: Path) -> tuple[str, int]:
    try:
        return "", len(read_small_task(folder).test)
    except InputError as error:
        return str(error), 0


def broken(draw: Random, folder: Path) -> tuple[Path, bytes]:
    """A file in a random form with some of its bytes changed, removed or doubled."""
    ending, text = draw.choice(
        [
            ("tsv", TSV),
            ("tsv", "index\tsentence\tlabel\n" + TSV),
            ("json", JSON),
            ("jsonl", JSON[1:-1].replace("}, {", "}\n{")),
        ]
    )
    content = text.encode()
    for _ in range(draw.choice([0, 1, 1, 2])):
        place = draw.randrange(len(content))
        piece = draw.choice([b"", b"\t", b"\n", b'"', b"\xff", b"{", b"2", b"\x00", content[place : place + 20]])
        content = content[:place] + piece + content[place + draw.randrange(3) :]
    path = folder / f"test.{ending}"
    path.write_bytes(content)
    return path, content
