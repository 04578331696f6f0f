"""What a cleaning step is: text in, and out comes changed text or the reason why the document goes."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Candidate:
    """A document on its way through the steps; `text` holds its sentences, one per line, none empty."""

    text: str
    source: str
    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Removal:
    """Why a document goes, and the place in it that says so."""

    reason: str
    excerpt: str


class Step(Protocol):
    """One named step."""

    name: str

    def __call__(self, candidate: Candidate) -> str | Removal:
        """The text as it is to be, the same object if nothing is to do; "" drops a document of which nothing is left."""
