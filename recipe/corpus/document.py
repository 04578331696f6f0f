"""The two forms of a text of the corpus: as a reader finds it, and as sentences."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from recipe.corpus.sentences import split_sentences

_PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n")


@dataclass(frozen=True)
class Document:
    """A text as sentences in order, none empty, the title first; its source is "file:line" or "file"."""

    sentences: list[str]
    source: str
    id: str = ""
    title: str = ""


@dataclass(frozen=True)
class RawDocument:
    """A text as a reader finds it: `parts` are its sentences if `is_split`, else its paragraphs; without the title."""

    parts: list[str]
    source: str
    id: str = ""
    title: str = ""
    is_split: bool = False


def split_document(raw: RawDocument, split: Callable[[str], list[str]] = split_sentences) -> Document:
    """The document with its sentences, as `split` cuts a paragraph: white space folded, empty ones left out."""
    if raw.is_split:
        sentences = raw.parts if not raw.title else [raw.title, *raw.parts]
    else:
        sentences = [sentence for part in (raw.title, *raw.parts) if part for sentence in split(part)]
    return Document(sentences, raw.source, raw.id, raw.title)


def paragraphs_of(text: str) -> list[str]:
    """The paragraphs of a text, between blank lines; a single end of line is only white space."""
    # Most texts of a data set are one line, for which the pattern is not needed.
    parts = _PARAGRAPH_END.split(text) if "\n" in text else [text]
    return [part for part in parts if part and not part.isspace()]
