"""Records of all forms: JSON lines and arrays, nested fields, lists of sentences or paragraphs, tables with a header.
Every record is a document or is counted by its reason.
"""

import json
import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import small_recipe
from hypothesis import given, settings
from hypothesis import strategies as st

from recipe.config import CorpusConfig
from recipe.corpus import RawDocument, read_raw_documents, split_documents
from recipe.corpus.prepare import prepare_corpus
from recipe.corpus.readers import text_blocks
from recipe.errors import InputError

UNUSED = ("documents_without_text", "null_texts", "empty_lists", "null_records")


def read(path: Path, **keys) -> tuple[list[RawDocument], Counter]:
    counts: Counter = Counter()
    return list(read_raw_documents(CorpusConfig(path=[str(path)], **keys), counts)), counts


def sentences(path: Path, **keys) -> tuple[list[list[str]], Counter]:
    counts: Counter = Counter()
    config = CorpusConfig(path=[str(path)], **keys)
    raw = read_raw_documents(config, counts)
    return [document.sentences for document in split_documents(raw, config, counts)], counts


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path, **keys) -> str:
    with pytest.raises(InputError) as error:
        sentences(path, **keys)
    return str(error.value)


FIELDS = st.one_of(
    st.none(),
    st.sampled_from(["", " ", "\n\n", "One.", "One. Two.\r\rThree."]),
    st.lists(st.one_of(st.none(), st.sampled_from(["", " ", "One.", "One. Two. Three."])), max_size=3),
    st.lists(st.lists(st.one_of(st.none(), st.just("One. Two.")), max_size=2), max_size=2),
)
RECORDS = st.lists(st.one_of(st.none(), FIELDS.map(lambda text: {"text": text, "n": [1, {"a": "}"}]})), max_size=9)


@settings(max_examples=150, deadline=None)
@given(RECORDS, st.sampled_from(["lines", "array", "indented array", "indented objects"]), st.integers(1, 40))
def test_any_record_is_used_or_counted(tmp_path_factory, records, form, size):
    path = tmp_path_factory.getbasetemp() / "any.json"
    indent = 1 if form.startswith("indented") else None
    if form.endswith("array"):
        text = json.dumps(records, indent=indent)
    else:
        text = "\n".join(json.dumps(record, indent=indent) for record in records) + "\n"
    path.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_blocks, "BYTES_PER_READ", size)
        found, counts = sentences(path)
    assert len(found) + sum(counts[reason] for reason in UNUSED) == len(records)
    assert counts["files_without_documents"] == (not found)
    strings = [str(record["text"]) for record in records if record]
    assert counts["nulls_in_lists"] == sum(text.count("None") for text in strings if text != "None")
    assert sum(text.count("One.") for text in strings) == sum(line.count("One.") for lines in found for line in lines)


@settings(max_examples=50, deadline=None)
@given(st.lists(FIELDS.filter(lambda text: not isinstance(text, str)), min_size=1, max_size=9))
def test_any_row_of_a_table_is_used_or_counted(tmp_path_factory, texts):
    flat = [text for text in texts if text is None or not any(isinstance(part, list) for part in text)]
    path = tmp_path_factory.getbasetemp() / "any.parquet"
    pq.write_table(pa.table({"text": pa.array(flat, pa.list_(pa.string()))}), path)
    found, counts = sentences(path)
    assert len(found) + sum(counts[reason] for reason in UNUSED) == len(flat)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(["", " ", "One.", 'A "b", c.', "Line\r\nend.", "Tab\tand; it.", "A.\n\nB."]), max_size=8)
)
@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_any_row_of_csv_is_used_or_counted(tmp_path_factory, ending, texts):
    import csv

    path = tmp_path_factory.getbasetemp() / f"any{ending}"
    with open(path, "w", newline="", encoding="utf-8-sig") as file:
        rows = csv.writer(file, delimiter="\t" if ending == ".tsv" else ",", quoting=csv.QUOTE_ALL)
        rows.writerows([["n", "text"], *([number, text] for number, text in enumerate(texts))])
    found, counts = read(path, id_column="n")
    expected = {str(number): text for number, text in enumerate(texts) if text.strip()}
    assert {document.id: " ".join(" ".join(document.parts).split()) for document in found} == {
        number: " ".join(text.split()) for number, text in expected.items()
    }
    assert counts["documents_without_text"] == len(texts) - len(expected)


def test_an_array_gives_the_line_of_each_element(tmp_path):
    text = '\ufeff[\n {"text": "One."},\n\n {"text":\n "Two."}, null,\n{"text": "Three."}]\n'
    path = write(tmp_path / "a.json", text)
    found, counts = read(path)
    assert [document.source for document in found] == [
        f"{path}:2 element 1",
        f"{path}:4 element 2",
        f"{path}:6 element 4",
    ]
    assert counts == {"null_records": 1}


def test_an_object_around_a_list_of_records_stands_for_them(tmp_path):
    path = write(tmp_path / "a.json", json.dumps({"data": [{"text": "One."}, None, {"text": "Two."}]}, indent=1))
    found, counts = read(path)
    assert [(document.parts, document.source) for document in found] == [
        (["One."], f"{path}:1 element 1"),
        (["Two."], f"{path}:1 element 3"),
    ]
    assert counts == {"null_records": 1}
    assert [document.parts for document in read(path, text_column="data.text")[0]] == [["One.", "Two."]]


def test_an_array_of_megabytes_on_one_line_is_a_stream(tmp_path, monkeypatch):
    monkeypatch.setattr(text_blocks, "BYTES_PER_READ", 1 << 12)
    rows = [{"text": f"Row {number} of }} many."} for number in range(20_000)]
    path = write(tmp_path / "a.jsonl", json.dumps(rows))
    documents = read_raw_documents(CorpusConfig(path=[str(path)]))
    assert next(documents).parts == ["Row 0 of } many."]
    assert sum(1 for _ in documents) == 19_999


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '[{"text": "a"},\n{"text": "b"}', "a.json:2: element 2 of the array is followed by '' and not"),
        ("a.json", '[{"text": "a"}\n{"text": "b"}]', 'a.json:2: element 1 of the array is followed by \'{"text": '),
        ("a.json", '[{"text": "a"}]\n{"text": "b"}', 'a.json:2: after the end of the array there is \'{"text"'),
        ("a.json", '[{"text": "a"},\n{"text" "b"}]', "a.json:2: is not JSON (Expecting ':' delimiter): it begins"),
        ("a.json", '[{"text": "a"},\n', "a.json:2: is not JSON (Expecting value): it ends here"),
        ("a.jsonl", '["a", "b"]\n', "a.jsonl:1 element 1: contains a string ('a'); write an object"),
        ("a.jsonl", '{"text": "a"}\n5\n', "a.jsonl:2: contains a number ('5'); write an object"),
        ("a.jsonl", '{"text": ["a", 5]}', "a.jsonl:1: element 2 of 'text' is a number ('5'), neither text nor null"),
        ("a.jsonl", '{"text": [{"s": "a"}]}', "another field, such as text.s"),
        (
            "a.jsonl",
            '{"body": {"text": "a", "n": 1}}',
            "no 'text'; set corpus.text_column to one of body.text, body.n",
        ),
        (
            "a.csv",
            "id,body\n1,One.\n",
            "a.csv: the header: there is no 'text'; set corpus.text_column to one of id, b",
        ),
        (
            "a.tsv",
            "Lamp\tB\nglows\tO\n",
            "a.tsv: the header: there is no 'text'; set corpus.text_column to one of Lamp",
        ),
        ("a.csv", "id,text\n1,One, two.\n", "a.csv:2: has 3 fields, but the header has 2 (id, text)"),
        ("a.csv", 'id,text\n1,"One.\nTwo."\n\n2\n', "a.csv:5: has 1 fields, but the header has 2"),
        ("a.csv", 'id,text\n1,"One.\n2,Two.\n', "a.csv:2: is not a row of CSV (unexpected end of data)"),
        ("a.csv", "text,text\nOne.,Two.\n", "a.csv: the header has 'text' twice"),
        ("a.xml", "Some words.", "a.xml: is not XML but begins with b'Some words.'"),
        ("a.xml", "<html/>", "a.xml: has the root element <html>; pubmed reads <PubmedArticle>"),
    ],
)
def test_a_message_names_the_problem_and_what_was_there(tmp_path, name, content, message):
    assert message in refusal(write(tmp_path / name, content))


def test_a_field_inside_objects_is_named_with_dots(tmp_path):
    rows = [
        {"body": {"text": "One."}, "meta": {"id": 1, "head": {"line": "A title"}}, "p": [{"t": "Two."}, {"t": "A."}]},
        {"body": {"text": None}, "meta": {"id": 2, "head": None}, "p": [{"t": "Four."}, {"t": None}]},
        {"body": None, "meta": None, "p": []},
    ]
    lines = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    data = tmp_path / "data"
    data.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), data / "train.parquet")
    for path in (lines, tmp_path / "a.parquet", f"hub:{data}"):
        (one,), counts = read(path, text_column="body.text", id_column="meta.id", title_column="meta.head.line")
        assert (one.parts, one.id, one.title, counts) == (["One."], "1", "A title", {"null_texts": 2})
        found, counts = sentences(path, text_column="p.t")
        assert (found, counts) == ([["Two.", "A."], ["Four."]], {"nulls_in_lists": 1, "empty_lists": 1})
        assert "there is no 'body.words'" in refusal(path, text_column="body.words")


def test_a_column_whose_name_has_a_dot_comes_first(tmp_path):
    rows = [{"body.text": "Right.", "body": {"text": "Wrong."}}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    for path in (write(tmp_path / "a.jsonl", json.dumps(rows[0])), tmp_path / "a.parquet"):
        assert sentences(path, text_column="body.text")[0] == [["Right."]]
    inside = write(tmp_path / "b.jsonl", json.dumps({"m": {"a": {"b": "Wrong."}, "a.b": "Right."}}))
    assert sentences(inside, text_column="m.a.b")[0] == [["Right."]]
    assert sentences(write(tmp_path / "a.csv", "a.b,c\nRight.,x\n"), text_column="a.b")[0] == [["Right."]]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["One. Two.", "Three. Four."], ["One.", "Two.", "Three.", "Four."]),
        (["A heading", "One. Two. Three."], ["A heading", "One.", "Two.", "Three."]),
        (["One.\nTwo.", "Three."], ["One.", "Two.", "Three."]),
        # Sentences as the user cut them, though the rules would cut one of them again.
        (["Mr. Smith. Jones came.", "One.", "Two.", "Three.", "Four."], None),
        (["one", "two"], None),
        ([["One. Two.", "Three."], ["Four."]], ["One. Two.", "Three.", "Four."]),
    ],
)
def test_a_list_is_of_sentences_or_of_paragraphs(tmp_path, parts, expected):
    path = write(tmp_path / "a.jsonl", json.dumps({"text": parts}))
    found, counts = sentences(path)
    assert found == [parts if expected is None else expected]
    assert counts["lists_split_as_paragraphs"] == (expected is not None and isinstance(parts[0], str))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_header_tells_the_delimiter(tmp_path, delimiter):
    path = write(tmp_path / "a.csv", f'\ufeffid{delimiter} text\r7{delimiter}"One, two; three\tfour.\r\rFive."\r\r')
    (document,), _ = read(path, id_column="id")
    assert (document.id, document.parts, document.source) == ("7", ["One, two; three\tfour.", "Five."], f"{path}:2")


def test_a_field_of_a_megabyte(tmp_path):
    (found,), _ = sentences(write(tmp_path / "a.csv", 'text\n"' + "word " * 250_000 + '"\n'))
    assert len(found[0]) == 5 * 250_000 - 1


def test_lone_carriage_returns_end_lines(tmp_path):
    documents = [[f"Line {number} of {place}." for number in range(3)] for place in range(60)]
    lines = [line for document in documents for line in [*document, ""]]
    for ends in (["\r"], ["\r\n"], ["\r", "\n", "\r\n"]):
        draw = random.Random(1)
        path = write(tmp_path / "a.txt", "".join(line + draw.choice(ends) for line in lines))
        # A blank line after "\r" alone would be half of "\r\n".
        if len(ends) == 1:
            assert sentences(path)[0] == documents
            assert [found.source for found in read(path)[0]] == [f"{path}:{1 + 4 * place}" for place in range(60)]
    path = write(tmp_path / "b.jsonl", '{"text": "One."}\r\r{"text": "Two."}\r')
    assert [found.source for found in read(path)[0]] == [f"{path}:1", f"{path}:3"]
    assert sentences(write(tmp_path / "c.txt", "A b\rc.\r\rD."), format="plain_text")[0] == [["A b c.", "D."]]
    assert sentences(write(tmp_path / "c.txt", "A b\rc.\r\rD."), format="paragraphs")[0] == [["A b c."], ["D."]]


def test_a_corpus_without_text_says_what_was_counted(tmp_path):
    write(tmp_path / "a.jsonl", '{"text": null}\n{"text": []}\n{"text": " "}\n')
    write(tmp_path / "b.json", "[]")
    with pytest.raises(InputError) as error:
        prepare_corpus(small_recipe(f"[{tmp_path}/a.jsonl, {tmp_path}/b.json]", tmp_path / "run"))
    assert str(error.value).startswith(
        "corpus.path: no document has any text (counted: documents without text 1, empty lists 1, files without"
        " documents 2, null texts 1); check the files"
    )
