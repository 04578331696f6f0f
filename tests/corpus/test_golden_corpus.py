"""Real records against golden files: what 20 PubMed citations and 3 PLOS articles hold, as somebody read them beside
their XML.

The golden files hold no text but lengths and hashes. Those of PubMed were made by the standard library's ElementTree
and not by the recipe.
"""

import hashlib
import html
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from conftest import ROOT

from recipe.config import CorpusConfig
from recipe.corpus import RawDocument, read_raw_documents

GOLDEN = Path(__file__).with_name("golden")
PUBMED = ROOT.parent / "shared" / "data" / "pubmed_xml" / "pubmed_sample_metapub.xml.gz"
WORD = re.compile(r"[^\W_]+")


def short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""


def golden(name: str) -> dict:
    return json.loads((GOLDEN / name).read_text())


@pytest.fixture(scope="module")
def citations() -> tuple[dict[str, RawDocument], Counter]:
    if not PUBMED.is_file():
        pytest.skip(f"{PUBMED} is not there; it is no part of the product")
    counts: Counter = Counter()
    return {document.id: document for document in read_raw_documents(CorpusConfig(path=[str(PUBMED)]), counts)}, counts


@pytest.fixture(scope="module")
def articles() -> dict[str, RawDocument]:
    return {document.id: document for document in read_raw_documents(CorpusConfig(path=["embedded:allofplos"]))}


def test_pubmed_records_with_and_without_abstract(citations):
    documents, counts = citations
    assert sum(bool(document.parts) for document in documents.values()) == 179
    assert counts["records_without_abstract"] == 35
    # Six of those without an abstract have no title either but "[Not Available].".
    assert (len(documents), counts["documents_without_text"]) == (208, 6)
    assert set(golden("pubmed_records.json")) - set(documents) == {"37070066"}


def test_pubmed_records_read_by_eye(citations):
    documents, _ = citations
    for pmid, expected in golden("pubmed_records.json").items():
        found = documents.get(pmid, RawDocument([], ""))
        assert (short_hash(found.title), len(found.title.split())) == (expected["title"], expected["title_words"]), (
            pmid
        )
        sections = expected["sections"]
        assert [read(part, section) for part, section in zip(found.parts, sections, strict=True)] == [
            tuple(section.values()) for section in sections
        ], pmid


def read(part: str, section: dict) -> tuple[str, int, str]:
    """Label, words and hash of a part of a document, its label taken off in front."""
    label = section["label"]
    assert part.startswith(f"{label}: " if label else ""), part[:60]
    text = " ".join(part.removeprefix(f"{label}: " if label else "").split())
    return label, len(text.split()), short_hash(text)


def test_plos_articles_read_by_eye(articles):
    for doi, expected in golden("plos_articles.json").items():
        assert short_hash(articles[doi].title) == expected["title"]
        assert [{"words": len(part.split()), "sha256": short_hash(part)} for part in articles[doi].parts] == expected[
            "paragraphs"
        ], doi


def test_plos_articles_have_no_references_tables_or_glued_words(articles):
    assert len(articles) == 122
    for document in articles.values():
        xml = Path(document.source).read_text(encoding="utf-8")
        known = words_of(re.sub("<[^>]*>", " ", xml)) | words_of(re.sub("<[^>]*>", "", xml))
        text = " ".join(document.parts)
        assert words_of(text) <= known, sorted(words_of(text) - known)[:5]
        for outside in (*re.findall(r"<ref id=.*?</ref>", xml, re.S), *re.findall(r"<td\b.*?</td>", xml, re.S)):
            cell = " ".join(html.unescape(re.sub("<[^>]*>", " ", outside)).split())
            assert len(cell.split()) < 12 or cell not in text, cell[:80]
        assert not re.search(r"[\x00-\x08]|tex-math|\\usepackage", text)


def words_of(text: str) -> set[str]:
    return set(WORD.findall(html.unescape(text)))
