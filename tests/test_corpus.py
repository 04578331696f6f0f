import gzip
import importlib.util

import pytest

from recipe.config import CorpusConfig
from recipe.corpus import read_documents, read_split, source_files
from recipe.errors import InputError

ARTICLE = """<?xml version="1.0"?>
<article><front><article-meta><title-group><article-title>On <italic>in vivo</italic> K<sup>+</sup></article-title></title-group>
<abstract><p>First point. Second point <xref ref-type="bibr">1</xref>.</p></abstract></article-meta></front>
<body><sec><title>Results</title><p>Growth [<xref ref-type="bibr">3</xref>,<xref ref-type="bibr">4</xref>] rose (see <xref ref-type="fig">Fig. 2</xref>).
<list><list-item><p>Item one.</p></list-item><list-item><p>Item two.</p></list-item></list></p>
<fig><caption><p>A caption.</p></caption></fig><table-wrap><table><tr><td><p>cell</p></td></tr></table></table-wrap>
<p>With <inline-formula>x^2</inline-formula> formula.</p></sec></body><back><ref-list><ref><p>A reference.</p></ref></ref-list></back></article>"""


def sentences_of(path, **settings):
    return [document.sentences for document in read_documents(CorpusConfig(path=[str(path)], **settings))]


def test_blank_line_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffOne.\r\nTwo\u2028two.\r\n\r\n \t\r\n\nThree.\n".encode())
    documents = list(read_documents(CorpusConfig(path=[str(path)])))
    assert [document.sentences for document in documents] == [["One.", "Two\u2028two."], ["Three."]]
    assert [document.source for document in documents] == [f"{path}:1", f"{path}:6"]


def test_gzip_reads_like_text(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"One.\n\nTwo."))
    assert sentences_of(tmp_path / "a.txt.gz") == [["One."], ["Two."]]


def test_jats_article(tmp_path):
    (tmp_path / "a.xml").write_text(ARTICLE)
    (sentences,) = sentences_of(tmp_path / "a.xml")
    assert sentences == ["On in vivo K+", "First point.", "Second point .", "Growth rose (see Fig. 2).", "Item one.", "Item two.", "With formula."]


def test_folders_globs_and_order(tmp_path):
    for name in ("b.txt", "a.txt", "sub/c.txt.gz", "d.pdf"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(gzip.compress(b"x") if name.endswith("gz") else b"x")
    names = [path.name for path in source_files(CorpusConfig(path=[str(tmp_path)]))]
    assert names == ["a.txt", "b.txt", "c.txt.gz"]
    assert [path.name for path in source_files(CorpusConfig(path=[f"{tmp_path}/*.txt", f"{tmp_path}/a.txt"]))] == ["a.txt", "b.txt"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "empty"),
        ("a.txt", b"good\nbad \xff byte\n", "byte 0xff at offset 9 is not UTF-8"),
        ("a.txt.gz", gzip.compress(b"One.\n" * 1000)[:-20], "broken or cut short"),
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


@pytest.mark.parametrize(("paths", "message"), [([], "corpus.path is empty"), (["absent/*.txt"], "leads to no file"), (["."], "no file below")])
def test_bad_paths(tmp_path, monkeypatch, paths, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        source_files(CorpusConfig(path=paths))


def test_splits_cover_the_corpus_and_copies_stay_on_one_side(tmp_path):
    texts = [f"Document number {number} of many." for number in range(2000)]
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join(texts * 2))
    config = CorpusConfig(path=[str(path)], validation_share=0.25)
    splits = {split: [document.sentences[0] for document in read_split(config, split, seed=1)] for split in ("train", "validation")}
    assert sorted(splits["train"] + splits["validation"]) == sorted(texts * 2)
    assert not set(splits["train"]) & set(splits["validation"])
    # 2,000 draws with share 1/4: outside 0.2 to 0.3 once in 10**6.
    assert 0.2 < len(splits["validation"]) / 4000 < 0.3
    assert [document.sentences[0] for document in read_split(config, "validation", seed=2)] != splits["validation"]


@pytest.mark.skipif(importlib.util.find_spec("allofplos") is None, reason="the wheel allofplos is not installed")
def test_embedded_articles():
    documents = list(read_documents(CorpusConfig(path=["embedded:allofplos"])))
    assert len(documents) == 122
    sentences = [sentence for document in documents for sentence in document.sentences]
    assert 25_000 < len(sentences) < 30_000
    assert not any("<" in sentence and "/>" in sentence for sentence in sentences)
    assert not any("[,]" in sentence or "[]" in sentence for sentence in sentences)
