"""PubMed's baseline and update files -> one document per citation: title and abstract, the newest version only.

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

ROOTS = frozenset({"PubmedArticleSet", "PubmedArticle"})
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
    for place, record in enumerate(elements(source, "PubmedArticle")):
        if place in superseded:
            continue
        pmid, title, sections = pmid_title_and_sections(record)
        counts["records_without_abstract"] += not sections
        if title or sections:
            yield RawDocument([_labelled(*section) for section in sections], f"{source}#{pmid}", id=pmid, title=title)
        else:
            counts["documents_without_text"] += 1


def pmid_title_and_sections(record: etree._Element) -> tuple[str, str, list[tuple[str, str]]]:
    """PMID and title of a PubmedArticle, and label and text of each section of its abstract that has text."""
    found = record.find("MedlineCitation/Article/ArticleTitle")
    title = " ".join(text_of(found).split()) if found is not None else ""
    sections = [
        (section.get("Label", "").strip(), text_of(section).strip())
        for section in record.iterfind("MedlineCitation/Article/Abstract/AbstractText")
    ]
    pmid = record.findtext("MedlineCitation/PMID", "").strip()
    return pmid, "" if title in _NO_TITLE else title, [section for section in sections if section[1]]


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
        for element in elements(source, "PubmedArticle", "DeleteCitation"):
            if element.tag == "PubmedArticle":
                pmid = element.find("MedlineCitation/PMID")
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
