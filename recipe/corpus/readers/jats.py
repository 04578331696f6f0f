"""Journal articles in JATS XML (PubMed Central, PLOS) -> title, abstract, and the paragraphs of the body and of boxes.

Source of the tag names: Journal Article Tag Suite, ANSI/NISO Z39.96.
"""

import re
from collections import Counter
from collections.abc import Iterator

from lxml import etree

from recipe.config import CorpusConfig
from recipe.corpus.document import RawDocument
from recipe.corpus.readers.xml import elements, text_of
from recipe.corpus.sources import Source

ROOTS = frozenset({"article", "pmc-articleset", "records"})
# Tables, figures, formulas and notes: what is left of them without their layout is not sentences.
_SKIPPED = frozenset(
    """
    table-wrap table-wrap-group table fig fig-group disp-formula disp-formula-group inline-formula ref-list
    supplementary-material media graphic inline-graphic alternatives math tex-math chem-struct-wrap fn
    {http://www.w3.org/1998/Math/MathML}math object-id
    """.split()
)
# Where prose stands: each is a paragraph, unless it is inside another one.
_PARAGRAPHS = ("p", "preformat", "def-item", "verse-group")
# Boxes may stand after the body, where the tables and figures are.
_PLACES = ("./front//abstract", "./body", "./floats-group")
# Their words stand apart from those around them; without a space they would be glued.
_APART = frozenset(
    "p list list-item def-list def-item term def disp-quote verse-group verse-line speech speaker statement title"
    " label break hr preformat".split()
)
# Placeholders for what is taken out, until the text around it is known; XML has none of these characters.
_GAP, _CITATION, _NAME_BEGIN, _NAME_END = "\x01", "\x02", "\x03", "\x04"
_ONE_CITATION = f"(?:{_CITATION}|{_NAME_BEGIN}[^{_NAME_END}]*{_NAME_END})"
_IN_BRACKETS = re.compile(
    rf"[\[(](?:(?:see|e\.g\.|reviewed in|cf\.)[\s,]*)*{_ONE_CITATION}(?:[\s,;–-]|and|{_ONE_CITATION})*[\])]"
)
_CITATIONS = re.compile(rf"{_CITATION}(?:[\s,;–-]*{_CITATION})*")
_GAPS_IN_BRACKETS = re.compile(rf"[\[(][\s,;{_GAP}]*{_GAP}[\s,;{_GAP}]*[\])]")
_HAS_NAME = re.compile(r"[^\W\d_]{3}")


def read_jats(source: Source, config: CorpusConfig, counts: Counter[str]) -> Iterator[RawDocument]:
    """Title, abstract and paragraphs of each article, without citations; raises InputError if the XML is broken."""
    for article in elements(source, "article"):
        if "}" in article.tag:
            # Some repositories put a default namespace in front; most files have the bare names that we look for.
            for element in article.iter(etree.Element):
                element.tag = element.tag.rpartition("}")[2]
        title = " ".join(_text_of_all(article.findall("./front//title-group/article-title")))
        paragraphs = [text for text in _text_of_all(_paragraphs_of(article)) if text]
        if title or paragraphs:
            yield RawDocument(paragraphs, str(source), id=_id_of(article), title=title)
        else:
            counts["documents_without_text"] += 1


def _paragraphs_of(article: etree._Element) -> list[etree._Element]:
    """The paragraphs in order, without those of tables and figures."""
    # A paragraph inside another one, such as in a list, is left out too: the outer one's text contains it.
    places = (place for name in _PLACES for place in article.iterfind(name))
    found = [element for place in places for element in place.iter(*_PARAGRAPHS)]
    outside = _SKIPPED.union(_PARAGRAPHS)
    return [element for element in found if not any(above.tag in outside for above in element.iterancestors())]


def _text_of_all(found: list[etree._Element]) -> list[str]:
    return [_without_marks(text_of(element, _in_place_of)) for element in found]


def _without_marks(text: str) -> str:
    """The text without citations; those that name authors stay where they are part of a sentence."""
    # Citations in brackets first, all of them, then numbers, then the brackets that are now empty.
    for pattern in (_IN_BRACKETS, _CITATIONS, _GAPS_IN_BRACKETS):
        text = pattern.sub(_GAP, text)
    return " ".join(_without_gaps(text.replace(_NAME_BEGIN, "").replace(_NAME_END, "")).split())


def _without_gaps(text: str) -> str:
    """The text with a space in the place of each gap, and none before punctuation."""
    # What is taken out would leave its spaces and commas behind ("since 1998 ,,") or glue the words around it.
    first, *others = text.split(_GAP)
    kept = [first.rstrip()]
    for part in filter(None, map(str.strip, others)):
        if part[0] in ")]":
            kept[-1] = kept[-1].rstrip(" ,;")
        kept += [part] if part[0] in ".,;:)]" else [" ", part]
    return "".join(kept)


def _in_place_of(child: etree._Element) -> Iterator[str] | None:
    if child.tag in _SKIPPED:
        return iter((_GAP,))
    if child.tag == "xref" and child.get("ref-type") == "bibr":
        text = text_of(child)
        return iter((_NAME_BEGIN, text, _NAME_END) if _HAS_NAME.search(text) else (_CITATION,))
    if child.tag in _APART:
        return iter((" ", text_of(child, _in_place_of), " "))
    return None


def _id_of(article: etree._Element) -> str:
    found = article.iterfind("./front//article-id")
    ids = {element.get("pub-id-type"): (element.text or "").strip() for element in found}
    return next((ids[kind] for kind in ("pmc", "pmcid", "pmid", "doi") if ids.get(kind)), "")
