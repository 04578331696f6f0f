"""Documents -> clean documents through the steps in their order, counting at each what comes in and what is left."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from recipe.corpus.cleaning.filter import Candidate, Removal, SignatureFilter, Step
from recipe.corpus.document import Document

_UNITS = ("documents", "sentences", "characters")
Listed = Callable[[dict[str, str]], None]


class CleaningReport:
    """The steps with their counts, which are right when all documents went through.

    Args:
        steps: in the order in which they are done.
        listed: is called with step, id, source, reason and excerpt of every document that is removed.
    """

    def __init__(self, steps: Sequence[Step], listed: Listed = lambda entry: None) -> None:
        self._steps, self._listed = steps, listed
        self._read = dict.fromkeys(_UNITS, 0)
        self._lost = {step.name: dict.fromkeys(_UNITS, 0) for step in steps}
        self._changed = dict.fromkeys(self._lost, 0)

    def clean(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents that are left."""
        for document in documents:
            text = "\n".join(document.sentences)
            _add(self._read, 1, len(document.sentences), len(text))
            yield from self._left_of(document, text, {}, self._steps)

    def go_on(self, documents: Iterable[tuple[Document, Mapping[str, bytes]]]) -> Iterator[Document]:
        """The documents that are left of those that `clean` of another funnel let through all but the marking steps,
        each with its marks.
        """
        steps = [step for step in self._steps if isinstance(step, SignatureFilter)]
        for document, marks in documents:
            yield from self._left_of(document, "\n".join(document.sentences), marks, steps)

    def counts(self) -> dict[str, Any]:
        """What `add_counts` of another funnel takes."""
        return {"read": self._read, "lost": self._lost, "changed": self._changed}

    def add_counts(self, counts: Mapping[str, Any]) -> None:
        """Count what another funnel counted, of some or all of these steps."""
        _add(self._read, *counts["read"].values())
        for name, lost in counts["lost"].items():
            _add(self._lost[name], *lost.values())
            self._changed[name] += counts["changed"][name]

    def statistics(self) -> list[dict[str, Any]]:
        """One entry for "read" and each step: documents, sentences and characters left after it, and how many
        documents it changed.
        """
        left = self._read
        rows: list[dict[str, Any]] = [{"step": "read", **left, "changed_documents": 0}]
        for name, lost in self._lost.items():
            left = {unit: left[unit] - lost[unit] for unit in _UNITS}
            rows.append({"step": name, **left, "changed_documents": self._changed[name]})
        return rows

    def _left_of(
        self, document: Document, text: str, marks: Mapping[str, bytes], steps: Sequence[Step]
    ) -> Iterator[Document]:
        kept = self._through(steps, Candidate(text, document.source, document.id, document.title, marks))
        if kept is not None:
            yield (
                document if kept is text else Document(kept.split("\n"), document.source, document.id, document.title)
            )

    def _through(self, steps: Sequence[Step], candidate: Candidate) -> str | None:
        """The text as the last of the steps leaves it, None if one of them removed the document."""
        for step in steps:
            before, found = candidate.text, step(candidate)
            if found is before:
                continue
            if isinstance(found, Removal) or not found:
                self._remove(step.name, candidate, found or Removal("nothing is left of it", candidate.excerpt))
                return None
            self._changed[step.name] += 1
            _add(self._lost[step.name], 0, before.count("\n") - found.count("\n"), len(before) - len(found))
            candidate = replace(candidate, text=found)
        return candidate.text

    def _remove(self, name: str, candidate: Candidate, removal: Removal) -> None:
        text = candidate.text
        _add(self._lost[name], 1, text.count("\n") + 1, len(text))
        self._listed(
            {
                "step": name,
                "id": candidate.id,
                "source": candidate.source,
                "reason": removal.reason,
                "excerpt": removal.excerpt,
            }
        )


def _add(counts: dict[str, int], documents: int, sentences: int, characters: int) -> None:
    counts["documents"] += documents
    counts["sentences"] += sentences
    counts["characters"] += characters
