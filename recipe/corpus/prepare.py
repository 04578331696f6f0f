"""corpus.path -> RUN/corpus: read, split into sentences and clean the text once, and tell what was removed and why."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import TextIO

from tqdm import tqdm

from recipe.config import Recipe
from recipe.corpus import Document, read_raw_documents, split_documents
from recipe.corpus.cleaning import CleaningReport, cleaning_filters
from recipe.corpus.prepared import write_prepared
from recipe.corpus.reading import corpus_formats
from recipe.corpus.sentence_check import SentenceCheck
from recipe.errors import InputError
from recipe.files import atomic_write, explain_disk_full, write_json

# Raise it when the clean documents change, by a reader, the sentences or a filter: every corpus is prepared again.
VERSION = 2
# Of one filter and kind; a corpus of copies would otherwise fill the disk with their list.
MOST_LISTED = 100_000
SAMPLES = 5


def prepare_corpus(recipe: Recipe) -> None:
    """Write the clean documents into RUN/corpus, with the cleaning report in statistics.json and removed.jsonl.

    Raises:
        InputError: if something of the corpus cannot be read, or fewer than two documents are left.
    """

    def cleaned(report: CleaningReport, removed: RemovedList, counts: Counter[str]) -> Iterator[Document]:
        found = read_raw_documents(recipe.corpus, counts)
        # A bar on a terminal only: in a file each of its updates would be a line.
        raw = tqdm(found, desc="corpus: documents read", unit=" documents", disable=None)
        return report.clean(split_documents(raw, recipe.corpus, counts))

    write_clean(recipe, cleaned)


def write_clean(
    recipe: Recipe, cleaned: Callable[[CleaningReport, "RemovedList", Counter[str]], Iterator[Document]]
) -> None:
    """Write RUN/corpus as `prepare_corpus` does.

    Args:
        cleaned: gives the documents that are left; it counts in the report, the list of what is removed and the
            counter of what was found in reading.

    Raises:
        InputError: if fewer than two documents are left.
    """
    counts: Counter[str] = Counter()
    check = SentenceCheck("blank_line_text" in corpus_formats(recipe.corpus).values())
    folder = recipe.folder / "corpus"
    with atomic_write(folder) as partial, explain_disk_full(folder.parent):
        partial.mkdir()
        with open(partial / "removed.jsonl", "w", encoding="utf-8") as file:
            removed = RemovedList(file)
            report = CleaningReport(cleaning_filters(recipe.corpus), removed.add)
            kept = _Kept(cleaned(report, removed, counts), check)
            write_prepared(partial, kept)
        # Only now is the number of documents known; the folder is thrown away if they are too few.
        kept.require_two(report, counts)
        statistics = {
            "filters": report.statistics(),
            "removed_documents": dict(removed.documents),
            "deleted_parts": dict(removed.parts),
            "samples_of_deleted_parts": removed.samples,
            "reading": dict(sorted(counts.items())),
            "warnings": [warning] if (warning := check.warning()) else [],
        }
        write_json(partial / "statistics.json", statistics)
    print(f"corpus: {summary(statistics)}")
    if warning:
        print(f"corpus: warning: {warning}")


def summary(statistics: dict) -> str:
    """The cleaning report in one line."""
    first, last = statistics["filters"][0], statistics["filters"][-1]
    removed = ", ".join(f"{name} {number:,}" for name, number in statistics["removed_documents"].items()) or "none"
    deleted = ", ".join(f"{name} {number:,}" for name, number in statistics["deleted_parts"].items())
    notes = [f"; deleted inside documents: {deleted}"] if deleted else []
    notes += [f"; {_plain(name)}: {number:,}" for name, number in statistics["reading"].items() if number]
    return (
        f"{last['documents']:,} of {first['documents']:,} documents, {last['sentences']:,} sentences,"
        f" {last['characters'] / 1e6:,.1f} M characters; removed: {removed}{''.join(notes)}"
    )


class RemovedList:
    """removed.jsonl: the first MOST_LISTED of every filter and kind, how many there were, and some deleted parts."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.documents: Counter[str] = Counter()
        self.parts: Counter[str] = Counter()
        self.samples: dict[str, list[str]] = {}

    def add(self, entry: dict[str, str]) -> None:
        """Count a document that was removed or a part that was deleted, and list it."""
        name = entry["filter"]
        counts = self.documents if entry["kind"] == "document" else self.parts
        counts[name] += 1
        if counts[name] <= MOST_LISTED:
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        if entry["kind"] == "part":
            samples = self.samples.setdefault(name, [])
            # Different ones: a journal writes the same notice under every article.
            if len(samples) < SAMPLES and entry["excerpt"] not in samples:
                samples.append(entry["excerpt"])


class _Kept:
    """An iteration over the documents that are left, with their number and the source of the last one."""

    # Counted in passing: the documents come in a stream and are never all in memory.
    def __init__(self, documents: Iterable[Document], check: SentenceCheck) -> None:
        self._documents, self.check = documents, check
        self.number = 0
        self.last_source = ""

    def __iter__(self) -> Iterator[Document]:
        for document in self._documents:
            self.number += 1
            self.last_source = document.source
            self.check.add(document)
            yield document

    def require_two(self, report: CleaningReport, counts: Counter[str]) -> None:
        """Raise InputError for fewer than two documents, with what was counted in reading."""
        if self.number > 1:
            return
        first = report.statistics()[0]["documents"]
        if first == 0:
            found = ", ".join(f"{_plain(name)} {number:,}" for name, number in sorted(counts.items()) if number)
            raise InputError(
                f"corpus.path: no document has any text (counted: {found or 'nothing'}); check the files,"
                " corpus.format and corpus.text_column"
            )
        if first == 1 == self.number:
            raise InputError(
                f"{self.last_source}: found 1 document, but a random segment B must come from another one; put a blank"
                " line between documents"
            )
        left = "1" if self.number else "none"
        why = ", but a random segment B must come from another one" if self.number else ""
        raise InputError(f"corpus: cleaning left {left} of {first:,} documents{why}; {_greediest(report)}")


def _greediest(report: CleaningReport) -> str:
    """What the filter that removed most did, and where it is set."""
    rows = report.statistics()
    number, name = max((before["documents"] - row["documents"], row["filter"]) for before, row in pairwise(rows))
    return f"the filter {name} removed {number:,}; change its settings in the section corpus of the recipe"


def _plain(name: str) -> str:
    return name.replace("_", " ")
