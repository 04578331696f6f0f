"""Documents out of a stream: plain text and PubMed XML, with their places."""

import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe.errors import InputError
from recipe.tasks.prediction import texts
from recipe.tasks.prediction.texts import Text, read_texts

PLAIN = "\n\nZinc in rats.\nMore <i>.\n \n\nNaïve cells\r\nof rats. \r\n\r\nend"
XML = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle//EN" "absent.dtd">
<PubmedArticleSet>
<PubmedArticle><MedlineCitation><PMID Version="1">11</PMID><Article><ArticleTitle>Zinc<sub>2+</sub> &lt; <i>in
 vivo</i>.</ArticleTitle><Abstract><AbstractText Label="AIM">One.</AbstractText>
<AbstractText Label="END">Two é.</AbstractText></Abstract></Article>
</MedlineCitation><PubmedData><ReferenceList><Reference><ArticleIdList/></Reference></ReferenceList></PubmedData>
</PubmedArticle>
<PubmedArticle><MedlineCitation><PMID>12</PMID><Article><ArticleTitle/></Article></MedlineCitation></PubmedArticle>
<PubmedArticle><MedlineCitation><PMID>13</PMID><Article><ArticleTitle>Title only.</ArticleTitle></Article>
</MedlineCitation></PubmedArticle>
</PubmedArticleSet>
"""


def read(content: bytes) -> list[Text]:
    return list(read_texts(io.BytesIO(content), "a.txt"))


def test_blank_lines_part_documents_and_offsets_lead_back():
    found = read(PLAIN.encode())
    assert [text.text for text in found] == ["Zinc in rats.\nMore <i>.", "Naïve cells\r\nof rats. ", "end"]
    assert [text.id for text in found] == ["0", "1", "2"]
    for text in found:
        assert PLAIN[text.offset : text.offset + len(text.text)] == text.text
    assert read(gzip.compress(PLAIN.encode())) == found


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_offsets_count_a_byte_order_mark(mark):
    content = mark + PLAIN
    found = read(content.encode())
    assert [text.text for text in found] == ["Zinc in rats.\nMore <i>.", "Naïve cells\r\nof rats. ", "end"]
    for text in found:
        assert content[text.offset :][: len(text.text)] == text.text
    assert [text.offset for text in read((mark + "zinc").encode())] == [len(mark)]


JATS = "<article><front><article-meta><article-id pub-id-type='pmc'>7</article-id><title-group><article-title>Zinc."
JATS += "</article-title></title-group></article-meta></front><body><p>In <i>rats</i>.</p></body></article>"
BIOC = {"documents": [{"id": "7", "passages": [{"infons": {"type": "title"}, "text": "Zinc."}, {"text": "In rats."}]}]}
SEVEN = [Text("7", None, "Zinc.\nIn rats.")]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda content: b"\xef\xbb\xbf" + content])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (JATS, SEVEN),
        (f"<?xml version='1.0'?>\n<!-- {'long ' * 2000}-->\n{JATS}", SEVEN),
        (json.dumps(BIOC), SEVEN),
        (json.dumps(BIOC, indent=2), SEVEN),
        ('{"text": "Zinc."}\n{"text": "Rats."}\n', [Text("0", None, "Zinc."), Text("1", None, "Rats.")]),
    ],
)
def test_what_the_corpus_reads_is_read(content, expected, pack):
    assert read(pack(content.encode())) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "contains no text"),
        (b"\xef\xbb\xbf", "contains no text"),
        (b"\n \n", "contains no text"),
        (b"<html><body>Zinc.</body></html>", "has the root element <html>"),
        (b"<?xml version='1.0'?><notes/>", "has the root element <notes>"),
        (b"<article><body/></article>", "contains no text"),
        (b"<PubmedArticleSet></PubmedArticleSet>", "no article or book with a title or abstract"),
        (b'{"documents":\n []}', "contains no text"),
        (b'{"body": "Zinc."}\n', "there is no 'text'"),
        (b'{"documents": [{"passages": [{"text": ""}]}]}', "contains no text"),
    ],
)
def test_input_without_a_text_is_refused_in_one_line(content, message):
    with pytest.raises(InputError, match=f"^a\\.txt.*{message}") as refused:
        read(content)
    assert "\n" not in str(refused.value)
    assert "corpus." not in str(refused.value)
    assert "predict reads plain text, PubMed, JATS and BioC files" in str(refused.value)


@given(st.text(alphabet="ab \n\r\t\u2028é😀\ufeff", max_size=40), st.booleans())
def test_every_character_but_white_space_is_in_a_text_at_its_offset(content, has_mark):
    content = "\ufeff" * has_mark + content
    try:
        found = read(content.encode())
    except InputError:
        found = []
    for text in found:
        assert content[text.offset :][: len(text.text)] == text.text
    kept = "".join("".join(text.text.split()) for text in found)
    assert kept == "".join(content.removeprefix("\ufeff").split())


def test_a_long_text_is_cut_behind_a_line(monkeypatch):
    monkeypatch.setattr(texts, "MOST_CHARACTERS", 20)
    content = "one two three.\nfour five six.\nseven.\n"
    found = read(content.encode())
    assert [text.text for text in found] == ["one two three.\nfour five six.", "seven."]
    assert [text.offset for text in found] == [0, content.index("seven")]


def test_title_and_abstract_of_each_article():
    found = read(XML.encode())
    assert found == [Text("11", None, "Zinc2+ < in vivo.\nOne.\nTwo é."), Text("13", None, "Title only.")]
    assert read(gzip.compress(XML.encode())) == found


@pytest.mark.parametrize("line", ["<0.05 was the level.", "<i>In vivo</i>, zinc.", "[Zinc].", "{zinc}", "[1, 2]"])
def test_text_that_begins_with_a_bracket_is_text(line):
    assert [text.text for text in read(line.encode() + b"\n")] == [line]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"fine\n\xe9\n", r"a\.txt, line 2: is not UTF-8"),
        (XML.replace("</PMID>", "", 1).encode(), r"a\.txt, line [0-9]+: is not well-formed XML"),
        (XML[:-40].encode(), r"a\.txt, line [0-9]+: is not well-formed XML"),
        (gzip.compress(PLAIN.encode() * 99, mtime=0)[:-20], r"a\.txt: cannot be read"),
    ],
)
def test_what_cannot_be_read_is_named(content, message):
    with pytest.raises(InputError, match=message):
        read(content)


def test_articles_come_while_the_file_is_read():
    class Slow(io.RawIOBase):
        """Gives articles for ever."""

        def __init__(self) -> None:
            self.left = XML.encode().replace(b"</PubmedArticleSet>", b"")
            self.article = self.left[self.left.index(b"<PubmedArticle>") :]

        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            if not self.left:
                self.left = self.article
            taken, self.left = self.left[: len(buffer)], self.left[len(buffer) :]
            buffer[: len(taken)] = taken
            return len(taken)

    found = read_texts(io.BufferedReader(Slow()), "a.xml")
    assert [next(found).id for _ in range(2000)] == ["11", "13"] * 1000
