"""Documents -> clean documents through the filters in their order, with counts of what each of them left."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from recipe.corpus.cleaning.filter import Candidate, Deletion, Filter, Removal, SignatureFilter
from recipe.corpus.document import Document

_UNITS = ("documents", "sentences", "characters")
# Characters of a deleted part that are listed: all of a notice, the beginning of a table.
_EXCERPT = 500
Listed = Callable[[dict[str, str]], None]


class CleaningReport:
    """The filters with their counts, which are right when all documents went through.

    Args:
        filters: in the order in which they are done.
        listed: is called with filter, id, source, kind, reason and excerpt of every document that is removed
            ("document") and of every part that is deleted from a document that goes on ("part").
    """

    def __init__(self, filters: Sequence[Filter], listed: Listed = lambda entry: None) -> None:
        self._filters, self._listed = filters, listed
        # What each filter took is counted, not what it left: most filters take nothing of most documents.
        self._read = dict.fromkeys(_UNITS, 0)
        self._lost = {filter_.name: dict.fromkeys(_UNITS, 0) for filter_ in filters}
        self._changed = dict.fromkeys(self._lost, 0)

    def clean(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents that are left."""
        for document in documents:
            text = "\n".join(document.sentences)
            _add(self._read, 1, len(document.sentences), len(text))
            yield from self._left_of(document, text, {}, self._filters)

    def clean_by_signatures(self, documents: Iterable[tuple[Document, Mapping[str, bytes]]]) -> Iterator[Document]:
        """The documents left of those that passed another report's other filters, each with its signatures."""
        filters = [filter_ for filter_ in self._filters if isinstance(filter_, SignatureFilter)]
        for document, signatures in documents:
            yield from self._left_of(document, "\n".join(document.sentences), signatures, filters)

    def counts(self) -> dict[str, Any]:
        """What `add_counts` of another report takes."""
        return {"read": self._read, "lost": self._lost, "changed": self._changed}

    def add_counts(self, counts: Mapping[str, Any]) -> None:
        """Count what another report counted, of some or all of these filters."""
        _add(self._read, *counts["read"].values())
        for name, lost in counts["lost"].items():
            _add(self._lost[name], *lost.values())
            self._changed[name] += counts["changed"][name]

    def statistics(self) -> list[dict[str, Any]]:
        """One entry for "read" and each filter: what is left after it, and how many documents it changed."""
        left = self._read
        rows: list[dict[str, Any]] = [{"filter": "read", **left, "changed_documents": 0}]
        for name, lost in self._lost.items():
            left = {unit: left[unit] - lost[unit] for unit in _UNITS}
            rows.append({"filter": name, **left, "changed_documents": self._changed[name]})
        return rows

    def _left_of(
        self, document: Document, text: str, signatures: Mapping[str, bytes], filters: Sequence[Filter]
    ) -> Iterator[Document]:
        origin = (document.source, document.id, document.title)
        kept = self._through(filters, Candidate(text, *origin, signatures))
        if kept is not None:
            # The same object means an untouched text, whose sentences need not be split again.
            yield document if kept is text else Document(kept.split("\n"), *origin)

    def _through(self, filters: Sequence[Filter], candidate: Candidate) -> str | None:
        """The text as the last of the filters leaves it, None if one of them removed the document."""
        for filter_ in filters:
            before, result = candidate.text, filter_(candidate)
            if result is before:
                continue
            found, deleted = (result.text, result.deleted) if isinstance(result, Deletion) else (result, ())
            if isinstance(found, Removal) or not found:
                self._remove(filter_.name, candidate, found or Removal("nothing is left of it", candidate.excerpt))
                return None
            for part in deleted:
                words = part.count(" ") + 1
                self._list(
                    filter_.name, candidate, "part", f"{words:,} words deleted in the document", part[:_EXCERPT]
                )
            self._changed[filter_.name] += 1
            _add(self._lost[filter_.name], 0, before.count("\n") - found.count("\n"), len(before) - len(found))
            candidate = replace(candidate, text=found)
        return candidate.text

    def _remove(self, name: str, candidate: Candidate, removal: Removal) -> None:
        _add(self._lost[name], 1, candidate.text.count("\n") + 1, len(candidate.text))
        self._list(name, candidate, "document", removal.reason, removal.excerpt)

    def _list(self, name: str, candidate: Candidate, kind: str, reason: str, excerpt: str) -> None:
        place = {"filter": name, "id": candidate.id, "source": candidate.source}
        self._listed({**place, "kind": kind, "reason": reason, "excerpt": excerpt})


def _add(counts: dict[str, int], documents: int, sentences: int, characters: int) -> None:
    counts["documents"] += documents
    counts["sentences"] += sentences
    counts["characters"] += characters
