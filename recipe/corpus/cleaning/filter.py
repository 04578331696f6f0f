"""What a filter of the cleaning is: text in, and changed text, less text or the reason why the document goes out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

EXCERPT = 120
_COMMON = bytes(range(0x20, 0x7F)) + b"\n"


@dataclass(frozen=True)
class Candidate:
    """A document on its way through the filters; `text` contains its sentences, one per line, none empty."""

    text: str
    source: str = ""
    id: str = ""
    title: str = ""
    signatures: Mapping[str, bytes] = field(default_factory=dict)  # those that are known, by the name of their filter

    @property
    def excerpt(self) -> str:
        """How it begins, for the list of what was removed."""
        return self.text[:EXCERPT]

    # The forms below are made once and shared, for filters that ask cheaply whether there is anything to do: most
    # texts need nothing, and to look for words in bytes costs a tenth of what it costs in a str.
    @cached_property
    def encoded(self) -> bytes:
        """The text in UTF-8."""
        return self.text.encode("utf-8", "surrogatepass")

    @cached_property
    def lowered(self) -> bytes:
        """The text in UTF-8 with ASCII's capitals as small letters."""
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
    """Why a document goes, and the place in it that shows this."""

    reason: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Deletion:
    """The text without some of its parts, and these parts in their order."""

    text: str
    deleted: tuple[str, ...]


class Filter(Protocol):
    """One named filter."""

    name: str

    def __call__(self, candidate: Candidate) -> "str | Deletion | Removal":
        """The new text, the same object if there is nothing to do; "" removes a document of which nothing is left.

        A filter that deletes words says which, as a `Deletion`; one that only writes them otherwise gives a text.
        """


class SignatureFilter(ABC):
    """A filter that changes no text, and decides by a signature of the text and by the documents before."""

    # Split in two so that signatures can be made file by file and on any machine, and the decisions afterwards in one
    # pass in order.
    name: str

    @abstractmethod
    def signature(self, candidate: Candidate) -> bytes:
        """What the decision needs to know of the text, a function of the text alone."""

    @abstractmethod
    def decide(self, candidate: Candidate, signature: bytes) -> str | Removal:
        """The decision on a document, after those on all before it."""

    def __call__(self, candidate: Candidate) -> str | Removal:
        known = candidate.signatures.get(self.name)
        return self.decide(candidate, self.signature(candidate) if known is None else known)
