"""PubMed's XML: what is read of a record, which of several versions counts, and hostile files."""

import gzip
import time
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipe.config import CorpusConfig
from recipe.corpus import RawDocument, read_raw_documents
from recipe.errors import InputError


def record(pmid: object, title: str = "A title.", abstract: str = "", version: object = 1) -> str:
    inside = f"<Abstract>{abstract}</Abstract>" if abstract else ""
    citation = (
        f'<PMID Version="{version}">{pmid}</PMID><Article><ArticleTitle>{title}</ArticleTitle>{inside}</Article>'
    )
    return f"<PubmedArticle><MedlineCitation>{citation}</MedlineCitation></PubmedArticle>"


def deleted(*pmids: object) -> str:
    return "<DeleteCitation>" + "".join(f"<PMID>{pmid}</PMID>" for pmid in pmids) + "</DeleteCitation>"


def write(path, *elements: str):
    path.write_text(
        f'<?xml version="1.0"?>\n<PubmedArticleSet>\n{"".join(elements)}\n</PubmedArticleSet>\n', encoding="utf-8"
    )
    return path


def read(path, counts: Counter | None = None) -> list[RawDocument]:
    return list(read_raw_documents(CorpusConfig(path=[str(path)]), counts))


@pytest.mark.parametrize(
    ("abstract", "expected"),
    [
        ("<AbstractText>One <i>in vivo</i> K<sup>+</sup>.\n  Two.</AbstractText>", ["One in vivo K+.\n  Two."]),
        (
            (
                '<AbstractText Label="METHODS">We did.</AbstractText><AbstractText Label="RESULTS:">It'
                " was.</AbstractText>"
            ),
            ["METHODS: We did.", "RESULTS: It was."],
        ),
        ('<AbstractText Label="UNLABELLED">Plain.</AbstractText><AbstractText/>', ["Plain."]),
        (
            (
                "<AbstractText>p &lt; 0.05 &amp; more &#945;</AbstractText><CopyrightInformation>©"
                " X</CopyrightInformation>"
            ),
            ["p < 0.05 & more α"],
        ),
        ("<AbstractText>a<!-- comment -->b<?pi?>c</AbstractText>", ["abc"]),
    ],
)
def test_sections(tmp_path, abstract, expected):
    (document,) = read(write(tmp_path / "a.xml", record(7, "A <b>bold</b>\n title.", abstract)))
    assert (document.id, document.title, document.parts) == ("7", "A bold title.", expected)
    assert document.source == f"{tmp_path}/a.xml#7"


def test_records_without_text_are_counted(tmp_path):
    counts: Counter = Counter()
    path = write(
        tmp_path / "a.xml",
        record(1, "[Not Available]."),
        record(2),
        record(3, "", "<AbstractText>Text.</AbstractText>"),
    )
    assert [(document.id, document.title, document.parts) for document in read(path, counts)] == [
        ("2", "A title.", []),
        ("3", "", ["Text."]),
    ]
    assert counts == {"documents_without_text": 1, "records_without_abstract": 2, "records_superseded": 0}


def book(pmid: object, title: str, abstract: str = "", chapter: str = "", version: int = 1) -> str:
    inside = f"<Abstract><AbstractText>{abstract}</AbstractText></Abstract>" if abstract else ""
    inside = (f"<ArticleTitle>{chapter}</ArticleTitle>" if chapter else "") + inside
    begin = f'<BookDocument><PMID Version="{version}">{pmid}</PMID><Book><BookTitle>{title}</BookTitle></Book>'
    return f"<PubmedBookArticle>{begin}{inside}</BookDocument><PubmedBookData/></PubmedBookArticle>"


def test_books_and_chapters_are_documents(tmp_path):
    counts: Counter = Counter()
    path = write(
        tmp_path / "a.xml",
        record(1, "One."),
        book(2, "A book", "About lamps.", "A chapter"),
        book(3, "Old"),
        book(4, "Gone", "Away."),
        record(5, "Five."),
        book(3, "New", version=2),
        "<DeleteDocument><PMID>4</PMID></DeleteDocument>",
    )
    assert [(document.id, document.title, document.parts) for document in read(path, counts)] == [
        ("1", "One.", []),
        ("2", "A chapter", ["About lamps."]),
        ("5", "Five.", []),
        ("3", "New", []),
    ]
    assert counts == {"records_without_abstract": 3, "records_superseded": 2}
    only = tmp_path / "b.xml"
    only.write_text(f"<PubmedBookArticleSet>{book(7, 'A book')}</PubmedBookArticleSet>")
    assert [document.title for document in read(only)] == ["A book"]


def other(text: str, **attributes: str) -> str:
    names = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<OtherAbstract{names}><AbstractText>{text}</AbstractText></OtherAbstract>"


@pytest.mark.parametrize(
    ("abstract", "others", "expected", "left_out"),
    [
        ("", [other("Mine.", Language="eng")], ["Mine."], 0),
        ("", [other("Meins.", Language="ger"), other("Mine."), other("Again.")], ["Mine."], 2),
        ("", [other("Meins.", Language="ger")], [], 1),
        ("", [other(" "), other("Mine.")], ["Mine."], 1),
        ("<AbstractText>Own.</AbstractText>", [other("Again.", Type="plain-language-summary")], ["Own."], 1),
    ],
)
def test_another_abstract_is_read_where_there_is_none_and_counted_else(tmp_path, abstract, others, expected, left_out):
    text = record(1, abstract=abstract).replace("</MedlineCitation>", "".join(others) + "</MedlineCitation>")
    counts: Counter = Counter()
    (document,) = read(write(tmp_path / "a.xml", text), counts)
    assert document.parts == expected
    assert (counts["other_abstracts_left_out"], counts["records_without_abstract"]) == (left_out, not expected)


@pytest.mark.parametrize(
    "inside",
    [
        f"<AbstractText>{'word ' * 2_100_000}</AbstractText>",
        "<b>" * 300 + "x" + "</b>" * 300,
        f"<!--{'x' * 10_500_000}-->",
        f"<![CDATA[{'x' * 10_500_000}]]>",
        f'<b c="{"x" * 10_500_000}"/>',
    ],
)
def test_texts_beyond_the_limits_of_the_parser_are_named(tmp_path, inside):
    with pytest.raises(InputError, match=r"a\.xml: line [35] has one text of more than 10 MB, or 256 elements inside"):
        read(write(tmp_path / "a.xml", record(1), record(2, abstract=inside)))


def test_a_set_without_records_is_counted(tmp_path):
    counts: Counter = Counter()
    assert read(write(tmp_path / "a.xml", deleted(1)), counts) == []
    assert counts["files_without_documents"] == 1


ENTRIES = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.integers(1, 4), st.integers(1, 3)),
        st.tuples(st.just("record"), st.just("none"), st.just(1)),
        st.tuples(st.just("deleted"), st.integers(1, 5), st.just(0)),
    ),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ENTRIES, min_size=1, max_size=3))
def test_the_newest_version_counts_unless_it_was_deleted_later(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("files")
    number = 0
    entries = []
    for place, content in enumerate(files):
        elements = []
        for kind, pmid, version in content:
            number += 1
            entries.append((kind, pmid, version, number))
            # Books are numbered as articles are.
            make = record if number % 3 else book
            elements.append(make(pmid, f"Title {number}.", version=version) if kind == "record" else deleted(pmid))
        write(folder / f"{place}.xml", *elements)
    counts: Counter = Counter()
    found = read(folder, counts)
    assert [document.title for document in found] == [f"Title {number}." for number in kept_of(entries)]
    # Any record is used or counted.
    assert len(found) + counts["records_superseded"] == sum(kind == "record" for kind, *_ in entries)


def kept_of(entries: list[tuple]) -> list[int]:
    """The numbers of the records that count, by the words of the rule."""
    kept = []
    for kind, pmid, version, number in entries:
        if kind == "record":
            others = [(v, n) for k, p, v, n in entries if k == "record" and p == pmid]
            is_deleted = any(k == "deleted" and p == pmid and n > number for k, p, _, n in entries)
            if pmid == "none" or ((version, number) == max(others) and not is_deleted):
                kept.append(number)
    return kept


BOMB = (
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)


@pytest.mark.parametrize(
    "doctype",
    [
        BOMB,
        '<!DOCTYPE a [<!ENTITY i SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1/x">%p;]>',
    ],
)
@pytest.mark.parametrize("root", ["PubmedArticleSet", "article"])
def test_entities_are_refused_at_once(tmp_path, doctype, root):
    (tmp_path / "a.xml").write_text(f"<?xml version='1.0'?>{doctype}<{root}><p>&i;</p></{root}>")
    started = time.monotonic()
    with pytest.raises(InputError, match=r"a\.xml: declares entities"):
        read(tmp_path / "a.xml")
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("cut", [2, 30, 200])
def test_a_cut_file_is_named_before_any_document(tmp_path, cut):
    whole = write(tmp_path / "a.xml", *(record(number) for number in range(50))).read_bytes()
    (tmp_path / "a.xml").write_bytes(whole[:-cut])
    with pytest.raises(InputError, match=r"a\.xml: the XML is broken"):
        next(read_raw_documents(CorpusConfig(path=[str(tmp_path / "a.xml")])))
    packed = tmp_path / "b.xml.gz"
    packed.write_bytes(gzip.compress(whole)[:-cut])
    with pytest.raises(InputError, match=r"b\.xml\.gz: the gzip data is broken or cut short"):
        next(read_raw_documents(CorpusConfig(path=[str(packed)])))


def test_memory_does_not_grow_with_the_file(tmp_path):
    peaks = []
    for records in (300, 3000):
        path = write(
            tmp_path / "a.xml",
            *(
                record(number, "A title.", f"<AbstractText>{'word ' * 200}</AbstractText>")
                for number in range(records)
            ),
        )
        tracemalloc.start()
        assert sum(1 for _ in read_raw_documents(CorpusConfig(path=[str(path)]))) == records
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0] + 1_000_000
