"""Documents out of a stream: plain text and PubMed XML, with their places."""

import gzip
import io

import pytest

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


def test_text_that_begins_with_an_angle_bracket_is_no_xml():
    assert [text.text for text in read(b"<0.05 was the level.\n")] == ["<0.05 was the level."]


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
