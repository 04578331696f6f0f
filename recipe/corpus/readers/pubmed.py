"""PubMed's baseline and update files -> one document per article or book: title and abstract, the newest version only.

Source of the tag names: NLM, PubMed DTD of 2025 (pubmed_250101.dtd).
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from lxml import etree

from recipe.config import CorpusConfig
from recipe.corpus.document import RawDocument
from recipe.corpus.readers.xml import elements, text_of
from recipe.corpus.sources import Source, explain_broken_data

ROOTS = frozenset({"PubmedArticleSet", "PubmedArticle", "PubmedBookArticleSet", "PubmedBookArticle"})
# What a record is called: the parent of PMID, titles and abstract; titles, the best one first; abstract. A book of the
# Bookshelf, or a chapter of it, has its own form.
RECORDS = {
    "PubmedArticle": ("MedlineCitation", ("Article/ArticleTitle",), "Article/Abstract"),
    "PubmedBookArticle": ("BookDocument", ("ArticleTitle", "Book/BookTitle"), "Abstract"),
}
_DELETIONS = ("DeleteCitation", "DeleteDocument")
_ENGLISH = ("", "eng", "en")
# What NLM writes where it does not have a title (yet).
_NO_TITLE = frozenset({"[Not Available].", "[Not available].", "[In Process Citation]", "[In Process Citation]."})
_NO_LABEL = frozenset({"", "UNLABELLED", "UNASSIGNED", "UNKNOWN"})


def read_pubmed(
    source: Source, config: CorpusConfig, counts: Counter[str], superseded: frozenset[int] = frozenset()
) -> Iterator[RawDocument]:
    """Title and sections of the abstract, in order, each section with its label in front of it ("METHODS: ...").

    Args:
        superseded: positions of records in this file that are passed over, as `superseded_records` gives them.

    Raises:
        InputError: if the XML is broken.
    """
    counts["records_superseded"] += len(superseded)
    for place, record in enumerate(elements(source, *RECORDS)):
        if place in superseded:
            continue
        pmid, title, sections = pmid_title_and_sections(record)
        counts["records_without_abstract"] += not sections
        if left := len(record.findall("MedlineCitation/OtherAbstract")) - _is_in_other_place(record):
            counts["other_abstracts_left_out"] += left
        if title or sections:
            yield RawDocument([_labelled(*section) for section in sections], f"{source}#{pmid}", id=pmid, title=title)
        else:
            counts["documents_without_text"] += 1


def pmid_title_and_sections(record: etree._Element) -> tuple[str, str, list[tuple[str, str]]]:
    """PMID and title of a record, and label and text of each section of its abstract that has text.

    An article without an abstract of its own has that of its first <OtherAbstract> in English, if there is one. A book
    without a title of a chapter has the book's.
    """
    parent_path, title_paths, abstract_path = RECORDS[record.tag]
    parent = record.find(parent_path)
    if parent is None:
        return "", "", []
    titles = (" ".join(text_of(found).split()) for path in title_paths for found in parent.iterfind(path))
    title = next(filter(None, titles), "")
    sections = _sections_of(parent.find(abstract_path))
    if not sections:
        sections = _sections_of(_other_abstract(record))
    return parent.findtext("PMID", "").strip(), "" if title in _NO_TITLE else title, sections


def _sections_of(abstract: etree._Element | None) -> list[tuple[str, str]]:
    found = () if abstract is None else abstract.iterfind("AbstractText")
    sections = [(section.get("Label", "").strip(), text_of(section).strip()) for section in found]
    return [section for section in sections if section[1]]


def _other_abstract(record: etree._Element) -> etree._Element | None:
    # Another language, or a second abstract beside the first, would stand in the text as if the article went on.
    others = record.iterfind("MedlineCitation/OtherAbstract")
    return next((other for other in others if other.get("Language", "") in _ENGLISH and _sections_of(other)), None)


def _is_in_other_place(record: etree._Element) -> bool:
    """Whether the abstract is read from an <OtherAbstract>."""
    return not _sections_of(record.find("MedlineCitation/Article/Abstract")) and _other_abstract(record) is not None


@dataclass(frozen=True)
class RecordNumbers:
    """What decides which records of a file count.

    pmids (int64, -1: none) and versions (int32) of the records, in order. deleted: int64 of shape (n, 2), the PMID and
    how many records stand before the <DeleteCitation>.
    """

    pmids: np.ndarray
    versions: np.ndarray
    deleted: np.ndarray


def superseded_records(sources: Sequence[Source]) -> dict[Source, frozenset[int]]:
    """The records that do not count, by their positions in each file; raises InputError for broken XML."""
    # All files are read once before, with some bytes kept for each record, so that reading itself can be a stream in
    # the files' order. One reading would have to take back what every filter did to records that do not count.
    places = superseded_positions([record_numbers(source) for source in sources])
    return {source: frozenset(found.tolist()) for source, found in zip(sources, places, strict=True)}


def record_numbers(source: Source) -> RecordNumbers:
    """The numbers of a file's records; raises InputError if the XML is broken."""
    pmids, versions, deleted = array("q"), array("i"), array("q")
    with explain_broken_data(source):
        for element in elements(source, *RECORDS, *_DELETIONS):
            if element.tag in RECORDS:
                pmid = element.find(
                    "BookDocument/PMID" if element.tag == "PubmedBookArticle" else "MedlineCitation/PMID"
                )
                pmids.append(_number(pmid.text if pmid is not None else None))
                versions.append(_number(pmid.get("Version") if pmid is not None else None))
            else:
                for entry in element.iterfind("PMID"):
                    deleted.extend((_number(entry.text), len(pmids)))
    return RecordNumbers(
        np.frombuffer(pmids, np.int64),
        np.frombuffer(versions, np.int32),
        np.frombuffer(deleted, np.int64).reshape(-1, 2),
    )


def superseded_positions(files: Sequence[RecordNumbers]) -> list[np.ndarray]:
    """Positions in each file of the records that do not count, int64.

    Of a PMID these are all but the one of the highest version (the last one of several), and those that a later
    <DeleteCitation> names.
    """
    if not files:
        return []
    ends = np.cumsum([len(file.pmids) for file in files])
    # For each PMID, how many records of all files stand before the last place that deletes it.
    deleted = {
        pmid: before + end - len(file.pmids)
        for file, end in zip(files, ends.tolist(), strict=True)
        for pmid, before in file.deleted.tolist()
    }
    pmids, versions = (np.concatenate([getattr(file, name) for file in files]) for name in ("pmids", "versions"))
    # Sorted by PMID, version and position: of each PMID the last record is the one that counts.
    order = np.lexsort((np.arange(len(pmids)), versions, pmids))
    is_newest = np.append(np.diff(pmids[order]) != 0, True)[: len(pmids)]
    dropped = np.ones(len(pmids), bool)
    dropped[order[is_newest]] = False
    # Records without a number are documents of their own.
    dropped[pmids < 0] = False
    # A record that stands after the deletion of its PMID was published again, so it counts.
    for place in np.flatnonzero(np.isin(pmids, list(deleted))).tolist():
        dropped[place] |= place < deleted[int(pmids[place])]
    return [np.flatnonzero(part) for part in np.split(dropped, ends[:-1])]


def _labelled(label: str, text: str) -> str:
    return text if label.upper() in _NO_LABEL else f"{label.rstrip(':')}: {text}"


def _number(text: str | None) -> int:
    return int(text) if text and text.strip().isdecimal() else -1
