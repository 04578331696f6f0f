"""A stream of bytes -> documents: plain text with a blank line between documents, or PubMed's XML."""

import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from lxml import etree

from recipe.corpus.readers.pubmed import pmid_title_and_sections
from recipe.corpus.readers.xml import elements_of
from recipe.errors import InputError

# A text without blank lines is cut after the line in which it gets this long, so that memory does not grow with it.
MOST_CHARACTERS = 100_000
# By the first bytes, since standard input has no name.
_XML = re.compile(rb"(\xef\xbb\xbf)?\s*<(\?xml|!DOCTYPE|Pubmed)")


@dataclass(frozen=True)
class Text:
    """One document: PMID or number from 0, its first character in the input (None in XML), and its text as it is."""

    id: str
    offset: int | None
    text: str


def read_texts(stream: IO[bytes], name: str) -> Iterator[Text]:
    """The documents of a stream, one after the other; gzip and XML are known by their first bytes."""
    buffered: Any = stream if hasattr(stream, "peek") else io.BufferedReader(stream)  # type: ignore[type-var]
    try:
        if buffered.peek(2)[:2] == b"\x1f\x8b":
            buffered = gzip.GzipFile(fileobj=buffered)
        yield from (read_pubmed if _XML.match(buffered.peek(256)) else read_plain)(buffered, name)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{name}: cannot be read ({error})") from None


def read_plain(lines: Iterable[bytes], name: str) -> Iterator[Text]:
    """Documents of plain UTF-8 text; a blank line ends one."""
    number, offset, begin, parts = 0, 0, 0, list[str]()
    for line_number, line in enumerate(lines, start=1):
        decoded = _decode(line, f"{name}, line {line_number}", encoding="utf-8-sig" if line_number == 1 else "utf-8")
        is_blank = not decoded.strip()
        if not is_blank:
            begin = begin if parts else offset
            parts.append(decoded)
        offset += len(decoded)
        if parts and (is_blank or offset - begin > MOST_CHARACTERS):
            yield Text(str(number), begin, "".join(parts).rstrip("\r\n"))
            number, parts = number + 1, []
    if parts:
        yield Text(str(number), begin, "".join(parts).rstrip("\r\n"))


def read_pubmed(stream: IO[bytes], name: str) -> Iterator[Text]:
    """PubmedArticles with a title or abstract: a line for the title and one for each part of the abstract."""
    try:
        for record in elements_of(stream, "PubmedArticle"):
            pmid, title, sections = pmid_title_and_sections(record)
            if text := "\n".join(filter(None, [title, *(" ".join(section.split()) for _, section in sections)])):
                yield Text(pmid, None, text)
    except etree.XMLSyntaxError as error:
        place = f"{name}, line {error.lineno}"
        raise InputError(f"{place}: is not well-formed XML ({error.msg}); mend the file, or fetch it again") from None


def _decode(line: bytes, place: str, encoding: str) -> str:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: is not UTF-8 ({error.reason}); convert it, such as by iconv -t utf-8") from None
