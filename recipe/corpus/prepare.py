"""corpus.path -> RUN/corpus: read, split into sentences and clean the text once; what went and why stands beside it."""

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

# Of one step; a corpus of copies would otherwise fill the disk with their list.
MOST_LISTED = 100_000


def prepare_corpus(recipe: Recipe) -> None:
    """Write the clean documents into RUN/corpus, with statistics.json (the funnel) and removed.jsonl (step, id,
    source, reason and excerpt of what went).

    Raises:
        InputError: if something of the corpus cannot be read, or fewer than two documents are left.
    """

    def cleaned(funnel: CleaningReport, removed: RemovedList, counts: Counter[str]) -> Iterator[Document]:
        raw = tqdm(read_raw_documents(recipe.corpus, counts), desc="corpus: documents read", unit=" documents")
        return funnel.clean(split_documents(raw, recipe.corpus, counts))

    write_clean(recipe, cleaned)


def write_clean(
    recipe: Recipe, cleaned: Callable[[CleaningReport, "RemovedList", Counter[str]], Iterator[Document]]
) -> None:
    """Write RUN/corpus as `prepare_corpus` does.

    Args:
        cleaned: gives the documents that are left; it counts in the funnel, the list of what is removed and the
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
            funnel = CleaningReport(cleaning_filters(recipe.corpus), removed.add)
            kept = _Kept(cleaned(funnel, removed, counts))
            write_prepared(partial, kept)
        kept.require_two(funnel)
        statistics = {
            "funnel": funnel.statistics(),
            "removed_documents": dict(removed.counts),
            "reading": dict(sorted(counts.items())),
        }
        write_json(partial / "statistics.json", statistics)
    print(f"corpus: {summary(statistics)}")


def summary(statistics: dict) -> str:
    """The funnel in one line."""
    first, last = statistics["funnel"][0], statistics["funnel"][-1]
    lost = ", ".join(f"{step} {number:,}" for step, number in statistics["removed_documents"].items()) or "none"
    notes = "".join(
        f"; {name.replace('_', ' ')}: {number:,}" for name, number in statistics["reading"].items() if number
    )
    left = (
        f"{last['documents']:,} of {first['documents']:,} documents, {last['sentences']:,} sentences,"
        f" {last['characters'] / 1e6:,.1f} M characters"
    )
    return f"{left}; removed: {lost}{notes}"


class RemovedList:
    """removed.jsonl: the first MOST_LISTED of every step, and how many there were."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.counts: Counter[str] = Counter()

    def add(self, entry: dict[str, str]) -> None:
        """Count a document that was removed, and list it."""
        self.counts[entry["step"]] += 1
        if self.counts[entry["step"]] <= MOST_LISTED:
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")


class _Kept:
    """An iteration over the documents that are left, which remembers how many there were and the last one's place."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._documents = documents
        self.number = 0
        self.last_source = ""

    def __iter__(self) -> Iterator[Document]:
        for document in self._documents:
            self.number += 1
            self.last_source = document.source
            yield document

    def require_two(self, funnel: CleaningReport) -> None:
        """Raise InputError for fewer than two documents: a random segment must come from another one."""
        first = funnel.statistics()[0]["documents"]
        if first == 0:
            raise InputError("corpus.path: no document has any text; check the files and corpus.format")
        if self.number == 0:
            raise InputError(f"corpus: cleaning left none of {first:,} documents; {_greediest(funnel)}")
        if self.number == 1 and first == 1:
            raise InputError(
                f"{self.last_source}: found 1 document, but a random segment B must come from another one; put a blank"
                " line between documents"
            )
        if self.number == 1:
            raise InputError(
                f"corpus: cleaning left 1 of {first:,} documents, but a random segment B must come from another one;"
                f" {_greediest(funnel)}"
            )


def _greediest(funnel: CleaningReport) -> str:
    """What the step that removed most did, and which key rules it."""
    rows = funnel.statistics()
    number, step = max((before["documents"] - row["documents"], row["step"]) for before, row in pairwise(rows))
    return (
        f"the step {step} removed {number:,}; change its settings in the section corpus (scripts/prepare_corpus.py"
        " --help)"
    )
