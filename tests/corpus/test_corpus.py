import gzip
import importlib.util
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipe.config import CorpusConfig
from recipe.corpus import SPLITS, Source, read_documents, read_raw_documents, source_files, split_of
from recipe.corpus.readers import text_blocks
from recipe.corpus.readers.plain_text import read_blank_line_text
from recipe.errors import InputError

ARTICLE = """<?xml version="1.0"?>
<article><front><article-meta><title-group>\
<article-title>On <italic>in vivo</italic> K<sup>+</sup></article-title></title-group>
<abstract><p>First point. Second point <xref ref-type="bibr">1</xref>.</p></abstract></article-meta></front>
<body><sec><title>Results</title><p>Growth [<xref ref-type="bibr">3</xref>,<xref ref-type="bibr">4</xref>]\
 rose (see <xref ref-type="fig">Fig. 2</xref>).
<list><list-item><p>Item one.</p></list-item><list-item><p>Item two.</p></list-item></list></p>
<fig><caption><p>A caption.</p></caption></fig><table-wrap><table><tr><td><p>cell</p></td></tr></table></table-wrap>
<p>With <inline-formula>x^2</inline-formula> formula.</p></sec></body>\
<back><ref-list><ref><p>A reference.</p></ref></ref-list></back></article>"""


def sentences_of(path, **settings):
    return [document.sentences for document in read_documents(CorpusConfig(path=[str(path)], **settings))]


def test_blank_line_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffOne.\r\nTwo\u2028two.\r\n\r\n \t\r\n\nThree.\n".encode())
    documents = list(read_documents(CorpusConfig(path=[str(path)])))
    assert [document.sentences for document in documents] == [["One.", "Two\u2028two."], ["Three."]]
    assert [document.source for document in documents] == [f"{path}:1", f"{path}:6"]


def lines_and_documents(content: bytes) -> list[tuple[int, list[str]]]:
    """First line and sentences of each document, as one reads them by eye."""
    documents: list[tuple[int, list[str]]] = []
    is_open = False
    for number, line in enumerate(re.split("\r\n|\r|\n", content.decode("utf-8-sig")), start=1):
        if not line.strip():
            is_open = False
        elif is_open:
            documents[-1][1].append(line.strip())
        else:
            documents.append((number, [line.strip()]))
            is_open = True
    return documents


text_lines = st.lists(
    st.one_of(
        st.sampled_from(
            ["", "", " \t", "\r", "\r\r", "a", " b\r", "c\rd", "\x0c", "\x00", "\u2028", "c\u0085d", "\ufeff"]
        ),
        st.text(max_size=3),
    )
)


@settings(max_examples=300, deadline=None)
@given(text_lines.map("\n".join), st.integers(1, 12), st.booleans())
def test_any_size_of_read_gives_the_same_documents(tmp_path_factory, text, size, has_mark):
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(("\ufeff" if has_mark else "").encode() + text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_blocks, "BYTES_PER_READ", size)
        found = [
            (int(document.source.split(":")[-1]), document.parts)
            for document in read_blank_line_text(Source(str(path)), CorpusConfig(), Counter())
        ]
    assert found == lines_and_documents(path.read_bytes())


def test_only_blank_lines_are_no_document(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\n \t\r\n\n\xc2\xa0\n")
    assert sentences_of(tmp_path / "a.txt") == []


def test_a_line_of_ten_megabytes(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"short\n" + b"word " * 2_000_000 + b"\n\nnext")
    first, second = sentences_of(tmp_path / "a.txt")
    assert [len(sentence) for sentence in first] == [5, 9_999_999]
    assert second == ["next"]


@pytest.mark.parametrize(
    "change", [lambda path: path.open("ab").write(b"more\n"), lambda path: path.write_bytes(b"less\n")]
)
def test_a_file_that_changes_while_it_is_read(tmp_path, change):
    path = tmp_path / "a.txt"
    path.write_bytes(b"One.\n\nTwo.\n" * 200_000)
    documents = read_documents(CorpusConfig(path=[str(path)]))
    assert next(documents).sentences == ["One."]
    change(Path(path))
    with pytest.raises(InputError, match=r"a\.txt: the file changed while it was read \(2,200,000 bytes, then"):
        list(documents)


def test_gzip_reads_like_text(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"One.\n\nTwo.", mtime=0))
    assert sentences_of(tmp_path / "a.txt.gz") == [["One."], ["Two."]]


def test_jats_article(tmp_path):
    (tmp_path / "a.xml").write_text(ARTICLE)
    (sentences,) = sentences_of(tmp_path / "a.xml")
    assert sentences == [
        "On in vivo K+",
        "First point.",
        "Second point.",
        "Growth rose (see Fig. 2).",
        "Item one.",
        "Item two.",
        "With formula.",
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<boxed-text><caption><title>Box 1</title></caption><p>Key points.</p></boxed-text>", ["Key points."]),
        ("<p>Before<boxed-text><p>boxed</p></boxed-text>after.</p>", ["Before boxed after."]),
        ("<def-list><def-item><term>DNA</term><def><p>An acid.</p></def></def-item></def-list>", ["DNA An acid."]),
        ("<list><list-item><label>1</label><p>An item.</p></list-item></list>", ["An item."]),
        ("<preformat>A line\n  and more.</preformat><p>After.</p>", ["A line and more.", "After."]),
        ("<p>Type<preformat>make</preformat>now.</p>", ["Type make now."]),
        ("<disp-quote><p>A quote.</p></disp-quote>", ["A quote."]),
        (
            "<verse-group><verse-line>Roses</verse-line><verse-line>are red.</verse-line></verse-group>",
            ["Roses are red."],
        ),
        ("<statement><title>Law</title><p>All hold.</p></statement>", ["All hold."]),
        ("<boxed-text><fig><caption><p>A caption.</p></caption></fig><p>A box.</p></boxed-text>", ["A box."]),
        ("<table-wrap><table><tr><td><preformat>cell</preformat></td></tr></table></table-wrap>", []),
        ("<fig><caption><def-list><def-item><term>a</term></def-item></def-list></caption></fig>", []),
        ("<code>x = 1</code>", []),
    ],
)
def test_prose_of_boxes_and_lists_is_read(tmp_path, body, expected):
    (tmp_path / "a.xml").write_text(
        f"<article><front/><body><sec><p>First.</p>{body}</sec></body><floats-group><fig><caption><p>No.</p></caption>"
        "</fig><boxed-text><p>Last.</p></boxed-text></floats-group></article>"
    )
    (document,) = read_raw_documents(CorpusConfig(path=[str(tmp_path / "a.xml")]))
    assert document.parts == ["First.", *expected, "Last."]


@pytest.mark.parametrize(
    ("paragraph", "expected"),
    [
        ("Seen before {1},{2}, and again {3}–{5}.", "Seen before, and again."),
        ("By Silvey {8}(p. 50) and others [{1}; {2}], ({3}–{4}).", "By Silvey (p. 50) and others,."),
        ("As {Smith et al. (2003)} said (see {Jones 2004}; {Wu 2005a}) twice.", "As Smith et al. (2003) said twice."),
        ("Doses<sup>{9}</sup> of 5 mg (see Fig. 1; {7}).", "Doses of 5 mg (see Fig. 1)."),
        (
            (
                "The sum:<disp-formula>x</disp-formula>where <inline-formula>y</inline-formula>, a vector"
                " (<inline-formula>z</inline-formula>), is known."
            ),
            None,
        ),
        ("In <italic>vivo</italic> K<sup>+</sup> and H<sub>2</sub>O.", "In vivo K+ and H2O."),
    ],
)
def test_citations_and_formulas_leave_whole_sentences(tmp_path, paragraph, expected):
    content = re.sub(r"\{(.*?)\}", r'<xref ref-type="bibr">\1</xref>', paragraph)
    (tmp_path / "a.xml").write_text(f"<article><body><p>{content}</p></body></article>")
    (document,) = read_raw_documents(CorpusConfig(path=[str(tmp_path / "a.xml")]))
    assert document.parts == [expected or "The sum: where, a vector, is known."]


def test_folders_globs_and_order(tmp_path):
    for name in ("b.txt", "a.txt", "sub/c.txt.gz", "d.pdf"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(gzip.compress(b"x", mtime=0) if name.endswith("gz") else b"x")
    names = [path.name for path in source_files(CorpusConfig(path=[str(tmp_path)]))]
    assert names == ["a.txt", "b.txt", "c.txt.gz"]
    assert [path.name for path in source_files(CorpusConfig(path=[f"{tmp_path}/*.txt", f"{tmp_path}/a.txt"]))] == [
        "a.txt",
        "b.txt",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "empty"),
        ("a.txt", b"good\nbad \xff byte\n", "byte 0xff at offset 9 is not UTF-8"),
        ("a.txt", b"\xef\xbb\xbfgood\nbad \xff byte\n", "byte 0xff at offset 12 is not UTF-8"),
        ("a.txt", b"\xef\xbb\xbf\xff", "byte 0xff at offset 3 is not UTF-8"),
        ("a.txt", b"good\n" * 300_000 + b"half a character \xe4\xb8", "byte 0xe4 at offset 1500017 is not UTF-8"),
        (
            "a.txt.gz",
            gzip.compress(b"good\n" * 300_000 + b"\xff\n", mtime=0),
            "byte 0xff at offset 1500000 is not UTF-8",
        ),
        ("a.txt.gz", gzip.compress(b"One.\n" * 1000, mtime=0)[:-20], "broken or cut short"),
        ("a.txt.gz", b"no gzip at all", "broken or cut short"),
        ("a.xml", b"<article><front>", "XML is broken"),
        ("a.pdf", b"x", "unknown kind of file"),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        sentences_of(tmp_path / name)
    assert name in str(error.value)


@pytest.mark.parametrize(
    ("paths", "message"),
    [([], "corpus.path is empty"), (["absent/*.txt"], "leads to no file"), (["."], "no file below")],
)
def test_bad_paths(tmp_path, monkeypatch, paths, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        source_files(CorpusConfig(path=paths))


def first_sentences(config: CorpusConfig, split: str, seed: int) -> list[str]:
    return [
        found.sentences[0]
        for found in read_documents(config)
        if split_of(found, config.validation_share, seed) == split
    ]


def test_splits_cover_the_corpus_and_copies_stay_on_one_side(tmp_path):
    texts = [f"Document number {number} of many." for number in range(2000)]
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join(texts * 2))
    config = CorpusConfig(path=[str(path)], validation_share=0.25)
    splits = {split: first_sentences(config, split, seed=1) for split in SPLITS}
    assert sorted(splits["train"] + splits["validation"]) == sorted(texts * 2)
    assert not set(splits["train"]) & set(splits["validation"])
    # 2,000 draws with share 1/4: outside 0.2 to 0.3 once in 10**6.
    assert 0.2 < len(splits["validation"]) / 4000 < 0.3
    assert first_sentences(config, "validation", seed=2) != splits["validation"]


@pytest.mark.skipif(importlib.util.find_spec("allofplos") is None, reason="the wheel allofplos is not installed")
def test_embedded_articles():
    documents = list(read_documents(CorpusConfig(path=["embedded:allofplos"])))
    assert len(documents) == 122
    sentences = [sentence for document in documents for sentence in document.sentences]
    assert 25_000 < len(sentences) < 30_000
    assert not any("<" in sentence and "/>" in sentence for sentence in sentences)
    assert not any("[,]" in sentence or "[]" in sentence for sentence in sentences)
