"""What a cleaning step is: text in, and out comes changed text or the reason why the document goes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

EXCERPT = 120
_COMMON = bytes(range(0x20, 0x7F)) + b"\n"


@dataclass(frozen=True)
class Candidate:
    """A document on its way through the steps; `text` holds its sentences, one per line, none empty.

    The other forms are made once, for the steps that ask cheaply whether there is anything to do: most texts need
    nothing.
    """

    text: str
    source: str = ""
    id: str = ""
    title: str = ""
    marks: Mapping[str, bytes] = field(default_factory=dict)  # those that are known, by the name of their step

    @property
    def excerpt(self) -> str:
        """How it begins, for the list of what was removed."""
        return self.text[:EXCERPT]

    @cached_property
    def encoded(self) -> bytes:
        """The text in UTF-8, in which to look for words costs a tenth."""
        return self.text.encode("utf-8", "surrogatepass")

    @cached_property
    def lowered(self) -> bytes:
        """The same with ASCII's capitals as small letters."""
        return self.encoded.lower()

    @cached_property
    def rare_text(self) -> str:
        """All characters but ASCII's printable ones and the ends of lines, in their order."""
        return self.encoded.translate(None, _COMMON).decode("utf-8", "surrogatepass")

    @cached_property
    def rare(self) -> frozenset[str]:
        """The different ones of them."""
        return frozenset(self.rare_text)


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


class SignatureFilter(ABC):
    """A step that changes no text, and whose verdict follows from a mark of the text and from the documents before.

    So marks can be made file by file and on any machine, and the verdicts afterwards in one pass in order.
    """

    name: str

    @abstractmethod
    def mark(self, candidate: Candidate) -> bytes:
        """What the verdict needs to know of the text, a function of the text alone."""

    @abstractmethod
    def judge(self, candidate: Candidate, mark: bytes) -> str | Removal:
        """The verdict on a document, after those on all before it."""

    def __call__(self, candidate: Candidate) -> str | Removal:
        known = candidate.marks.get(self.name)
        return self.judge(candidate, self.mark(candidate) if known is None else known)
