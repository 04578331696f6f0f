"""BioC, JSON or XML (PMC's and PubTator's exports) -> one document per document of the collection.

Source: Comeau et al., BioC: a minimalist approach to interoperability (2013); infon types of PMC's BioC export.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from lxml import etree

from recipe.config import CorpusConfig
from recipe.corpus.document import RawDocument
from recipe.corpus.readers.json_values import json_values
from recipe.corpus.readers.records import shown
from recipe.corpus.readers.xml import elements
from recipe.corpus.sources import Source
from recipe.errors import InputError

ROOTS = frozenset({"collection"})
_SKIPPED_SECTIONS = frozenset({"REF", "TABLE", "FIG", "SUPPL", "ACK_FUND", "AUTH_CONT", "COMP_INT", "ABBR"})
_SKIPPED_TYPES = ("table", "fig", "ref", "footnote", "title_", "abstract_title")
_PASSAGES = re.compile(rb'"(?:passages|documents)"\s*:\s*\[\s*[{\]]')
_KEYS_OF_PASSAGES = re.compile(rb'"(?:infons|offset)"\s*:')


def looks_like_bioc(head: bytes, is_lines: bool) -> bool:
    """Whether JSON that begins so has a list of passages.

    Args:
        is_lines: asks for BioC's own keys too, since records on lines may have passages of another form.
    """
    return bool(_PASSAGES.search(head)) and (not is_lines or bool(_KEYS_OF_PASSAGES.search(head)))


def read_bioc_json(source: Source, config: CorpusConfig, counts: Counter[str]) -> Iterator[RawDocument]:
    """Title, abstract and paragraphs of each document.

    Reads a collection, a document, a list of them, one on each line, and an object around a list of them, such as
    {"PubTator3": [...]}.
    """
    for value, place in json_values(source, config.errors, counts):
        for document in _documents_in(value, place, counts):
            yield from _document(document, source, place, counts)


def read_bioc_xml(source: Source, config: CorpusConfig, counts: Counter[str]) -> Iterator[RawDocument]:
    """As `read_bioc_json`, of the <document>s of a <collection>; raises InputError if the XML is broken."""
    for element in elements(source, "document"):
        document = {
            "id": element.findtext("{*}id"),
            "passages": [_passage_of(passage) for passage in element.iterfind("{*}passage")],
        }
        yield from _document(document, source, str(source), counts)


def _documents_in(value: Any, place: str, counts: Counter[str]) -> Iterator[dict[str, Any]]:
    """The documents of a value: itself, or those in its list "documents", in its elements or in its only list."""
    if isinstance(value, list):
        for element in value:
            yield from _documents_in(element, place, counts)
    elif value is None:
        counts["null_records"] += 1
    elif isinstance(value, dict) and isinstance(value.get("passages"), list):
        yield value
    elif isinstance(value, dict) and (inner := _around(value)) is not None:
        yield from _documents_in(inner, place, counts)
    else:
        keys = f"the keys {', '.join(map(str, value))[:80] or '(none)'}" if isinstance(value, dict) else shown(value)
        raise InputError(
            f"{place}: found {keys}, but BioC JSON has documents with passages; set corpus.format to jsonl for other"
            " records, and corpus.text_column to their text"
        )


def _around(value: dict[str, Any]) -> Any:
    """What an object stands around: its documents, its only value, or its only list of objects; None for nothing."""
    if isinstance(value.get("documents"), list):
        return value["documents"]
    inside = list(value.values())
    if len(inside) > 1:
        inside = [found for found in inside if isinstance(found, list) and found and isinstance(found[0], dict)]
    return inside[0] if len(inside) == 1 and isinstance(inside[0], (list, dict)) else None


def _document(document: dict[str, Any], source: Source, place: str, counts: Counter[str]) -> Iterator[RawDocument]:
    title, paragraphs, sentences = "", list[str](), list[str]()
    for passage in document["passages"]:
        if not isinstance(passage, dict):
            raise InputError(f"{place}: a passage is {shown(passage)} and not an object with a text; correct the file")
        infons = passage["infons"] if isinstance(passage.get("infons"), dict) else {}
        text, split = _text_of(passage)
        kind, section = str(infons.get("type", "")).lower(), str(infons.get("section_type", "")).upper()
        if not text:
            counts["passages_without_text"] += 1
        elif kind in ("title", "front") and not title:
            title = text
        elif section in _SKIPPED_SECTIONS or kind.startswith(_SKIPPED_TYPES):
            counts["passages_left_out"] += 1
        else:
            paragraphs.append(text)
            sentences += split
    # A document whose passages are split in part is split anew, since a document has one form.
    is_split = bool(sentences) and " ".join(sentences) == " ".join(paragraphs)
    if title or paragraphs:
        name = str(document.get("id") or document.get("_id") or "")
        parts = sentences if is_split else paragraphs
        yield RawDocument(parts, f"{source}#{name}", id=name, title=title, is_split=is_split)
    else:
        counts["documents_without_text"] += 1


def _text_of(passage: dict[str, Any]) -> tuple[str, list[str]]:
    """The text of a passage, and its sentences if it has these in place of a text."""
    if text := " ".join(str(passage.get("text") or "").split()):
        return text, []
    found = passage.get("sentences")
    texts = (
        [str(entry.get("text") or "") for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    )
    sentences = [folded for text in texts if (folded := " ".join(text.split()))]
    return " ".join(sentences), sentences


def _passage_of(element: etree._Element) -> dict[str, Any]:
    """A passage of BioC XML in the form of BioC JSON."""
    return {
        "infons": {infon.get("key", ""): infon.text or "" for infon in element.iterfind("{*}infon")},
        "text": element.findtext("{*}text"),
        "sentences": [{"text": sentence.findtext("{*}text")} for sentence in element.iterfind("{*}sentence")],
    }
