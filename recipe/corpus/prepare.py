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
from recipe.errors import InputError
from recipe.files import atomic_write, explain_disk_full, write_json

# Raise it when the clean documents change, by a reader, the sentences or a filter: every corpus is prepared again.
VERSION = 1
# Of one filter; a corpus of copies would otherwise fill the disk with their list.
MOST_LISTED = 100_000


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
    folder = recipe.folder / "corpus"
    with atomic_write(folder) as partial, explain_disk_full(folder.parent):
        partial.mkdir()
        with open(partial / "removed.jsonl", "w", encoding="utf-8") as file:
            removed = RemovedList(file)
            report = CleaningReport(cleaning_filters(recipe.corpus), removed.add)
            kept = _Kept(cleaned(report, removed, counts))
            write_prepared(partial, kept)
        # Only now is the number of documents known; the folder is thrown away if they are too few.
        kept.require_two(report)
        statistics = {
            "filters": report.statistics(),
            "removed_documents": dict(removed.counts),
            "reading": dict(sorted(counts.items())),
        }
        write_json(partial / "statistics.json", statistics)
    print(f"corpus: {summary(statistics)}")


def summary(statistics: dict) -> str:
    """The cleaning report in one line."""
    first, last = statistics["filters"][0], statistics["filters"][-1]
    removed = ", ".join(f"{name} {number:,}" for name, number in statistics["removed_documents"].items()) or "none"
    notes = [f"; {name.replace('_', ' ')}: {number:,}" for name, number in statistics["reading"].items() if number]
    return (
        f"{last['documents']:,} of {first['documents']:,} documents, {last['sentences']:,} sentences,"
        f" {last['characters'] / 1e6:,.1f} M characters; removed: {removed}{''.join(notes)}"
    )


class RemovedList:
    """removed.jsonl: the first MOST_LISTED of every filter, and how many there were."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.counts: Counter[str] = Counter()

    def add(self, entry: dict[str, str]) -> None:
        """Count a document that was removed, and list it."""
        self.counts[entry["filter"]] += 1
        if self.counts[entry["filter"]] <= MOST_LISTED:
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")


class _Kept:
    """An iteration over the documents that are left, with their number and the source of the last one."""

    # Counted in passing: the documents come in a stream and are never all in memory.
    def __init__(self, documents: Iterable[Document]) -> None:
        self._documents = documents
        self.number = 0
        self.last_source = ""

    def __iter__(self) -> Iterator[Document]:
        for document in self._documents:
            self.number += 1
            self.last_source = document.source
            yield document

    def require_two(self, report: CleaningReport) -> None:
        """Raise InputError for fewer than two documents."""
        if self.number > 1:
            return
        first = report.statistics()[0]["documents"]
        if first == 0:
            raise InputError("corpus.path: no document has any text; check the files and corpus.format")
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
