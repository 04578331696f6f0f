"""The two forms of a text of the corpus: as a reader finds it, and as sentences."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from recipe.corpus.sentences import split_sentences

# A list is taken for paragraphs from here on: one sentence split in two by mistake shall not have a list of sentences
# split again (docs/own-corpus.md).
MOST_SENTENCES_PER_ELEMENT = 1.25
MOST_SENTENCES_OF_ELEMENT = 2
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
    """A text as a reader finds it, without the title.

    parts: its sentences if `is_split`, else its paragraphs; either of them if that is None, for lists of records.
    """

    parts: list[str]
    source: str
    id: str = ""
    title: str = ""
    is_split: bool | None = False


def split_document(raw: RawDocument, split: Callable[[str], list[str]] = split_sentences) -> Document:
    """The document with its sentences, as `split` cuts a paragraph: white space folded, empty ones left out."""
    pieces = [] if raw.is_split else [split(part) for part in raw.parts]
    if raw.is_split or (raw.is_split is None and not _are_paragraphs(pieces)):
        sentences = [raw.title, *raw.parts] if raw.title else raw.parts
    else:
        title = split(raw.title) if raw.title else []
        sentences = [sentence for part in (title, *pieces) for sentence in part]
    return Document(sentences, raw.source, raw.id, raw.title)


def _are_paragraphs(pieces: list[list[str]]) -> bool:
    """Whether the elements of a list, cut by the splitter, have so many sentences that they are paragraphs."""
    numbers = [len(sentences) for sentences in pieces]
    return (
        sum(numbers) > MOST_SENTENCES_PER_ELEMENT * len(pieces) or max(numbers, default=0) > MOST_SENTENCES_OF_ELEMENT
    )


def paragraphs_of(text: str) -> list[str]:
    """The paragraphs of a text, between blank lines; a single end of line, also "\\r" alone, is only white space."""
    text = with_plain_line_ends(text)
    # Most texts of a data set are one line, for which the pattern is not needed.
    parts = _PARAGRAPH_END.split(text) if "\n" in text else [text]
    return [part for part in parts if part and not part.isspace()]


def with_plain_line_ends(text: str) -> str:
    """The text with "\\n" in place of "\\r\\n" and of "\\r" alone."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
