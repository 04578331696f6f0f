"""The readers of text, records and data sets: what they make of good input, and the one line that they have for bad
input.
"""

import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT
from hub_stub import stub_hub

from recipe.config import CorpusConfig
from recipe.corpus import RawDocument, read_documents, read_raw_documents, source_files
from recipe.corpus.readers.hub_dataset import HubSource, read_hub
from recipe.errors import InputError


def raw_of(path, counts: Counter | None = None, **settings) -> list[RawDocument]:
    return list(read_raw_documents(CorpusConfig(path=[str(path)], **settings), counts))


def sentences_of(path, **settings) -> list[list[str]]:
    return [document.sentences for document in read_documents(CorpusConfig(path=[str(path)], **settings))]


def zst(data: bytes) -> bytes:
    return pa.Codec("zstd").compress(data).to_pybytes()


def write(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_file_is_a_document(tmp_path):
    path = write(tmp_path, "a.txt", "A title\r\n\r\nOne sentence. Another that\r\nis broken.\r\n \r\n\r\nLast.\r\n")
    (document,) = raw_of(path, format="plain_text")
    assert (document.id, document.source, document.is_split) == ("a.txt", str(path), False)
    assert sentences_of(path, format="plain_text") == [
        ["A title", "One sentence.", "Another that is broken.", "Last."]
    ]
    assert sentences_of(write(tmp_path, "b.txt", " \n\n"), format="plain_text") == []


def test_a_block_is_a_document(tmp_path):
    path = write(tmp_path, "a.txt", "\nOne sentence. Another that\nis broken.\n\n\nLast.")
    assert sentences_of(path, format="paragraphs") == [["One sentence.", "Another that is broken."], ["Last."]]
    assert [document.source for document in raw_of(path, format="paragraphs")] == [f"{path}:2", f"{path}:6"]


def test_json_lines(tmp_path):
    lines = [{"text": "One. Two.\n\nThree"}, {"text": ["A  b.", " ", "C."]}, {"text": ""}, {"text": None}]
    path = write(
        tmp_path,
        "a.jsonl",
        "\ufeff" + "\n".join(map(json.dumps, lines[:1])) + "\n\n \r\n" + "\r\n".join(map(json.dumps, lines[1:])),
    )
    counts: Counter = Counter()
    assert [document.source for document in raw_of(path, counts)] == [f"{path}:1", f"{path}:4"]
    assert counts == {"documents_without_text": 1, "null_texts": 1}
    assert sentences_of(path) == [["One.", "Two.", "Three"], ["A b.", "C."]]


def test_columns_are_named(tmp_path):
    rows = [{"pmid": 7, "name": " A  title.", "body": "One. Two."}, {"pmid": None, "name": None, "body": "Three."}]
    settings = {"text_column": "body", "title_column": "name", "id_column": "pmid"}
    lines = write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    for path in (lines, tmp_path / "a.parquet"):
        assert [(document.id, document.title) for document in raw_of(path, **settings)] == [
            ("7", "A title."),
            ("", ""),
        ]
        assert sentences_of(path, **settings) == [["A title.", "One.", "Two."], ["Three."]]


def test_half_of_a_surrogate_pair_is_no_character(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"text": "half \\ud83d and whole \\ud83d\\ude00."}\n')
    assert sentences_of(path) == [["half ? and whole \U0001f600."]]


def test_parquet_in_groups_and_lists_of_sentences(tmp_path):
    rows = [{"text": [f"Sentence {number}.", "Next."], "other": number} for number in range(2000)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=300)
    assert sentences_of(tmp_path / "a.parquet") == [row["text"] for row in rows]


BIOC = {
    "source": "PMC",
    "documents": [
        {
            "id": "17",
            "passages": [
                {"infons": {"section_type": "TITLE", "type": "front"}, "text": "The title"},
                {"infons": {"section_type": "ABSTRACT", "type": "abstract_title_1"}, "text": "Abstract"},
                {"infons": {"section_type": "ABSTRACT", "type": "abstract"}, "text": "One. Two."},
                {"infons": {"section_type": "INTRO", "type": "title_1"}, "text": "Introduction"},
                {"infons": {"section_type": "INTRO", "type": "paragraph"}, "text": "Three."},
                {"infons": {"section_type": "TABLE", "type": "table"}, "text": "1 2 3"},
                {"infons": {"section_type": "FIG", "type": "fig_caption"}, "text": "A caption."},
                {"infons": {"section_type": "REF", "type": "ref"}, "text": "A reference."},
            ],
        }
    ],
}


@pytest.mark.parametrize("content", [BIOC, [BIOC, {"documents": []}]])
@pytest.mark.parametrize("indent", [None, 1])
def test_bioc(tmp_path, content, indent):
    path = write(tmp_path, "a.json", json.dumps(content, indent=indent))
    (document,) = raw_of(path)
    assert (document.id, document.title, document.source) == ("17", "The title", f"{path}#17")
    assert sentences_of(path) == [["The title", "One.", "Two.", "Three."]]


def test_json_lines_that_are_called_json(tmp_path):
    assert sentences_of(write(tmp_path, "a.json", '{"text": "One."}\n{"text": "Two."}\n')) == [["One."], ["Two."]]


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        zst,
        lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:]),
        lambda data: zst(data[:5]) + zst(data[5:]),
    ],
)
def test_compressed_in_one_piece_or_two(tmp_path, pack):
    ending = ".gz" if pack(b"x" * 9)[:2] == b"\x1f\x8b" else ".zst"
    assert sentences_of(write(tmp_path, "a.txt" + ending, pack(b"One.\n\nTwo.\n"))) == [["One."], ["Two."]]
    assert sentences_of(write(tmp_path, "A.JSONL" + ending.upper(), pack(b'{"text": "One."}\n'))) == [["One."]]


MIXED = {
    "a.txt": "Plain text.",
    "b.jsonl.gz": gzip.compress(b'{"text": "JSON."}'),
    "c/d.txt.zst": zst(b"Packed."),
    "c/pubmed.xml": (
        "<PubmedArticleSet><PubmedArticle><MedlineCitation><PMID>1</PMID>"
        "<Article><ArticleTitle>PubMed.</ArticleTitle></Article>"
        "</MedlineCitation></PubmedArticle></PubmedArticleSet>"
    ),
    "e.nxml": (
        "<article><front><article-meta><title-group><article-title>JATS.</article-title></title-group>"
        "</article-meta></front></article>"
    ),
    "notes.md": "not read",
}
FOUND = [["Plain text."], ["JSON."], ["Packed."], ["PubMed."], ["JATS."]]


def test_a_folder_of_many_kinds(tmp_path):
    for name, content in MIXED.items():
        write(tmp_path / "mixed", name, content)
    assert sentences_of(tmp_path / "mixed") == FOUND


@pytest.mark.parametrize("protocol", ["memory", "file"])
def test_urls(tmp_path, protocol):
    root = f"memory://{tmp_path}" if protocol == "memory" else f"file://{tmp_path}/urls"
    for name, content in MIXED.items():
        with fsspec.open(f"{root}/{name}", "wb", auto_mkdir=True) as file:
            file.write(content.encode() if isinstance(content, str) else content)
    pq.write_table(pa.table({"text": ["Parquet."]}), tmp_path / "p.parquet")
    with fsspec.open(f"{root}/p.parquet", "wb") as file:
        file.write((tmp_path / "p.parquet").read_bytes())
    assert sentences_of(root) == [*FOUND, ["Parquet."]]
    assert sentences_of(f"{root}/*.txt") == FOUND[:1]
    assert sentences_of(f"{root}/b.jsonl.gz") == [["JSON."]]
    (source,) = source_files(CorpusConfig(path=[f"{root}/a.txt"]))
    before = source.state()
    assert before["size"] == len("Plain text.")
    with fsspec.open(f"{root}/a.txt", "wb") as file:
        file.write(b"Other text")
    assert source.state() != before


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("memory://absent/a.txt", "leads to no file; correct the URL"),
        ("memory://absent/*.txt", "leads to no file; correct the URL"),
        ("nothing://a/b.txt", r"nothing://a/b.txt cannot be read .*nothing"),
        ("s3://bucket/a.txt", "s3://bucket/a.txt needs a package; install it"),
        ("MedRAG/pubmed", "for a data set of the Hub write hub:MedRAG/pubmed"),
    ],
)
def test_bad_urls(path, message):
    if path.startswith("s3:"):
        pytest.importorskip("fsspec")
        if subprocess.run([sys.executable, "-c", "import s3fs"], capture_output=True, check=False).returncode == 0:
            pytest.skip("s3fs is installed")
    with pytest.raises(InputError, match=message):
        source_files(CorpusConfig(path=[path]))


BAD = {
    "not utf-8": (
        "a.jsonl",
        b'{"text": "good"}\n{"text": "bad \xff"}\n',
        {},
        r"a.jsonl: byte 0xff at offset 31 is not UTF-8",
    ),
    "broken line": (
        "a.jsonl",
        '{"text": "good"}\n\n{"text": "cut\n',
        {},
        r"a.jsonl:3: is not JSON \(.*\): it begins with '\{\"text\": \"cut'; put one object on each line",
    ),
    "no object": (
        "a.jsonl",
        '["text"]\n',
        {},
        r"a.jsonl:1 element 1: contains a string \('text'\); write an object such as \{\"text\": ...\} in its place",
    ),
    "no field": (
        "a.jsonl",
        '{"text": "good"}\n{"body": "b", "pmid": 1}\n',
        {},
        r"a.jsonl:2: there is no 'text'; set corpus.text_column to one of body, pmid",
    ),
    "no title": (
        "a.jsonl",
        '{"text": "a"}\n',
        {"title_column": "name"},
        r"a.jsonl:1: there is no 'name'; set corpus.title_column to one of text",
    ),
    "no string": (
        "a.jsonl",
        '{"text": {"a": 1}}\n',
        {},
        r"a.jsonl:1: 'text' is an object \(.*\), neither text nor a list of texts; .* another field, such as text.a",
    ),
    "a PDF": ("a.txt", b"%PDF-1.7\n\xff", {}, r"a.txt: is not blank_line_text but a PDF; turn it into text first"),
    "an office document": ("a.txt", b"PK\x03\x04rest", {}, r"but a zip archive or an office document"),
    "gzip without its ending": ("a.txt", gzip.compress(b"One."), {}, r"but gzip data; give its name the ending .gz"),
    "UTF-16": ("a.txt", "One.".encode("utf-16"), {}, r"but UTF-16 text; save it as UTF-8"),
    "text called Parquet": (
        "a.parquet",
        b"One sentence.\n" * 9,
        {},
        r"a.parquet: is not a complete Parquet file .*copy or download it again",
    ),
    "text called gzip": ("a.jsonl.gz", b'{"text": "a"}\n', {}, r"a.jsonl.gz: the gzip data is broken or cut short"),
    "text called zstd": ("a.txt.zst", b"One sentence.\n", {}, r"a.txt.zst: the zstd data is broken or cut short"),
    "cut gzip": (
        "a.jsonl.gz",
        gzip.compress(b'{"text": "a"}\n' * 9)[:-9],
        {},
        r"a.jsonl.gz: the gzip data is broken or cut short",
    ),
    "cut zstd": (
        "a.txt.zst",
        zst(bytes(range(48, 123)) * 5000 + b"\n")[:-9],
        {},
        r"a.txt.zst: the zstd data is broken or cut short",
    ),
    "BioC without passages": (
        "a.json",
        '{"documents": [{"id": 1}]}',
        {"format": "bioc_json"},
        r"a.json:1: found the keys id, but BioC JSON has documents with passages; set corpus.format to jsonl",
    ),
    "JSON of another kind": ("a.json", "[1, 2,\n3]", {}, r"a.json:1 element 1: contains a number \('1'\)"),
    "an unknown ending": (
        "a.doc",
        "text",
        {},
        r"a.doc: unknown kind of file; set corpus.format to blank_line_text or",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(tmp_path, name):
    file, content, settings, message = BAD[name]
    with pytest.raises(InputError, match=message):
        raw_of(write(tmp_path, file, content), **settings)


def test_parquet_without_a_text_column_names_those_there_are(tmp_path):
    pq.write_table(pa.table({"body": ["a"], "pmid": [1]}), tmp_path / "a.parquet")
    with pytest.raises(
        InputError, match=r"a.parquet: there is no 'text'; set corpus.text_column to one of body, pmid"
    ):
        raw_of(tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"b.parquet:0: 'text' is a number \('1'\), neither text nor a list of texts"):
        raw_of(tmp_path / "b.parquet")


def test_a_cut_parquet_file(tmp_path):
    pq.write_table(pa.table({"text": ["One."] * 9}), tmp_path / "a.parquet")
    path = write(tmp_path, "cut.parquet", (tmp_path / "a.parquet").read_bytes()[:-20])
    with pytest.raises(InputError, match=r"cut.parquet: is not a complete Parquet file"):
        raw_of(path)


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_bytes_that_are_not_utf8_are_replaced_and_counted_when_asked(tmp_path, name):
    text = b"Bad \xff and \xe4\xb8 here, \xef\xbf\xbd was there."
    path = write(tmp_path, name, text if name == "a.txt" else b'{"text": "' + text + b'"}\n')
    counts: Counter = Counter()
    (document,) = raw_of(path, counts, errors="replace")
    assert document.parts == ["Bad \ufffd and \ufffd here, \ufffd was there."]
    assert counts["replaced_bytes"] == 2


def test_a_data_set_in_a_folder_streams(tmp_path):
    (tmp_path / "data").mkdir()
    for split in ("train", "validation"):
        pq.write_table(
            pa.table({"body": [f"One of {split}. Two.", None], "n": ["1", "2"]}),
            tmp_path / "data" / f"{split}-00000.parquet",
        )
    config = CorpusConfig(path=[f"hub:{tmp_path / 'data'}?split=validation"], text_column="body", id_column="n")
    counts: Counter = Counter()
    (document,) = list(read_raw_documents(config, counts))
    assert (document.parts, document.id, counts) == (["One of validation. Two."], "1", {"null_texts": 1})
    with pytest.raises(InputError, match=r"there is no 'text'; set corpus.text_column to one of body, n"):
        list(read_raw_documents(CorpusConfig(path=[f"hub:{tmp_path / 'data'}"])))
    source = HubSource(str(tmp_path / "data"))
    before = source.sha256()
    pq.write_table(pa.table({"body": ["Other."], "n": ["1"]}), tmp_path / "data" / "train-00000.parquet")
    assert source.sha256() != before


def test_options_of_a_data_set_are_checked():
    for dataset, message in (
        ("a/b?spilt=train", "has 'spilt' after the question mark; it takes name, split, revision"),
        ("a/b?train", "has 'train' after"),
    ):
        with pytest.raises(InputError, match=message.replace("?", r"\?")):
            list(read_hub(HubSource(dataset), CorpusConfig(), Counter()))


READ = """
import sys
from recipe.arguments import exit_with_one_line
from recipe.config import CorpusConfig
from recipe.corpus import read_documents
config = CorpusConfig(path=[sys.argv[1]])
exit_with_one_line(lambda: [print(document.sentences) for document in read_documents(config)])
"""


def read_in_process(path: str, environment: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", READ, path], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )


def refusal(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_data_sets_of_the_hub(tmp_path):
    with stub_hub() as hub:
        environment = hub.environment(tmp_path / "home")
        push = (
            "import datasets, sys; datasets.Dataset.from_dict({'text': ['One. Two.',"
            " 'Three.']}).push_to_hub('someone/texts')"
        )
        subprocess.run([sys.executable, "-c", push], env=environment, check=True, capture_output=True, timeout=120)
        done = read_in_process("hub:someone/texts", environment)
        assert done.stdout == "['One.', 'Two.']\n['Three.']\n", done.stderr
        absent = refusal(read_in_process("hub:someone/absent", environment))
        hub.repositories["datasets/someone/script"] = type(hub.repositories["datasets/someone/texts"])(
            private=False, files={"script.py": b"import datasets\n"}
        )
        script = refusal(read_in_process("hub:someone/script", environment))
    assert "hub:someone/absent does not exist on the Hub, or is private or gated" in absent
    assert "hub:someone/script has only a loading script" in script
    assert "?revision=refs/convert/parquet" in script


def test_no_network(tmp_path):
    with stub_hub() as hub:
        environment = hub.environment(tmp_path / "home")
    assert "hub:someone/texts cannot be reached" in refusal(read_in_process("hub:someone/texts", environment))
    assert "hub:someone/texts cannot be reached" in refusal(
        read_in_process("hub:someone/texts", {**environment, "HF_HUB_OFFLINE": "1"})
    )
