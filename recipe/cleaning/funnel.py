"""Documents -> clean documents through the steps in their order, counting at each what comes in and what is left."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from recipe.cleaning.step import Candidate, Removal, Step
from recipe.corpus.document import Document

Listed = Callable[[dict[str, str]], None]


class Funnel:
    """The steps with their counts; `clean` may be called once, and the counts are right when it has ended.

    Args:
        steps: in the order in which they are done.
        listed: is called with step, id, source, reason and excerpt of every document that is removed.
    """

    def __init__(self, steps: list[Step], listed: Listed = lambda entry: None) -> None:
        self._steps, self._listed = steps, listed
        self._read: Counter[str] = Counter()
        self._lost: dict[str, Counter[str]] = {step.name: Counter() for step in steps}

    def clean(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents that are left."""
        for document in documents:
            text = "\n".join(document.sentences)
            self._read.update(documents=1, sentences=len(document.sentences), characters=len(text))
            kept = self._through_steps(Candidate(text, document.source, document.id, document.title))
            if kept is not None:
                yield document if kept is text else Document(kept.split("\n"), document.source, document.id, document.title)

    def statistics(self) -> list[dict[str, Any]]:
        """One entry for "read" and each step: documents, sentences and characters left after it, and how many documents it changed."""
        left = Counter(self._read)
        rows = [{"step": "read", **_counts(left), "changed_documents": 0}]
        for name, lost in self._lost.items():
            left = Counter({unit: left[unit] - lost[unit] for unit in _UNITS})
            rows.append({"step": name, **_counts(left), "changed_documents": lost["changed_documents"]})
        return rows

    def _through_steps(self, candidate: Candidate) -> str | None:
        """The text as the last step leaves it, None if one of them removed the document."""
        for step in self._steps:
            before, found = candidate.text, step(candidate)
            if found is before:
                continue
            if isinstance(found, Removal) or not found:
                self._remove(step.name, candidate, found or Removal("nothing is left of it", before[:120]))
                return None
            lost_sentences = before.count("\n") - found.count("\n")
            self._lost[step.name].update(changed_documents=1, sentences=lost_sentences, characters=len(before) - len(found))
            candidate = replace(candidate, text=found)
        return candidate.text

    def _remove(self, name: str, candidate: Candidate, removal: Removal) -> None:
        text = candidate.text
        self._lost[name].update(documents=1, sentences=text.count("\n") + 1, characters=len(text))
        self._listed({"step": name, "id": candidate.id, "source": candidate.source, "reason": removal.reason, "excerpt": removal.excerpt})


_UNITS = ("documents", "sentences", "characters")


def _counts(counts: Counter[str]) -> dict[str, int]:
    return {unit: counts[unit] for unit in _UNITS}
