"""Documents -> clean documents through the steps in their order, counting at each what comes in and what is left."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from recipe.cleaning.step import Candidate, Removal, Step
from recipe.corpus.document import Document

_UNITS = ("documents", "sentences", "characters")
Listed = Callable[[dict[str, str]], None]


class Funnel:
    """The steps with their counts; `clean` may be called once, and the counts are right when it has ended.

    Args:
        steps: in the order in which they are done.
        listed: is called with step, id, source, reason and excerpt of every document that is removed.
    """

    def __init__(self, steps: list[Step], listed: Listed = lambda entry: None) -> None:
        self._steps, self._listed = steps, listed
        self._read = dict.fromkeys(_UNITS, 0)
        self._lost = {step.name: dict.fromkeys(_UNITS, 0) for step in steps}
        self._changed = dict.fromkeys(self._lost, 0)

    def clean(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents that are left."""
        for document in documents:
            text = "\n".join(document.sentences)
            _add(self._read, 1, len(document.sentences), len(text))
            kept = self._through_steps(Candidate(text, document.source, document.id, document.title))
            if kept is not None:
                yield document if kept is text else Document(kept.split("\n"), document.source, document.id, document.title)

    def statistics(self) -> list[dict[str, Any]]:
        """One entry for "read" and each step: documents, sentences and characters left after it, and how many documents it changed."""
        left = self._read
        rows: list[dict[str, Any]] = [{"step": "read", **left, "changed_documents": 0}]
        for name, lost in self._lost.items():
            left = {unit: left[unit] - lost[unit] for unit in _UNITS}
            rows.append({"step": name, **left, "changed_documents": self._changed[name]})
        return rows

    def _through_steps(self, candidate: Candidate) -> str | None:
        """The text as the last step leaves it, None if one of them removed the document."""
        for step in self._steps:
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
        self._listed({"step": name, "id": candidate.id, "source": candidate.source, "reason": removal.reason, "excerpt": removal.excerpt})


def _add(counts: dict[str, int], documents: int, sentences: int, characters: int) -> None:
    counts["documents"] += documents
    counts["sentences"] += sentences
    counts["characters"] += characters
