"""A stream of bytes -> documents: plain text with a blank line between documents, PubMed, JATS, BioC or JSON lines."""

import gzip
import io
import re
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any, BinaryIO

from lxml import etree

from recipe.config import CorpusConfig
from recipe.corpus.formats import READERS, format_of
from recipe.corpus.readers.pubmed import RECORDS, pmid_title_and_sections
from recipe.corpus.readers.pubmed import ROOTS as PUBMED_ROOTS
from recipe.corpus.readers.xml import elements_of, root_name
from recipe.corpus.sources import Source
from recipe.errors import InputError

# A text without blank lines is cut after the line in which it gets this long, so that memory does not grow with it.
MOST_CHARACTERS = 100_000
# By the first bytes, since standard input has no name. Text may begin with "<0.05", "<i>in vivo</i>" or "[Zinc]".
_HEAD = 4096
_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:[?!]|(?!(?:[abiup]|br|em|strong|su[bp]|span)\b)[A-Za-z_][\w.:-]*[\s/>])")
_JSON = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\[\s*)?\{\s*["}]')
_READ = "predict reads plain text, PubMed, JATS and BioC files, and JSON lines with the field text"


@dataclass(frozen=True)
class Text:
    """One document: its id or number from 0, its first character in the input, and its text as it is.

    offset: counted in characters of the input, a byte-order mark included, so that input[offset:][:len(text)] is the
    text where the input was read as UTF-8; None in XML and JSON.
    """

    id: str
    offset: int | None
    text: str


def read_texts(stream: IO[bytes], name: str, by_line: bool = False) -> Iterator[Text]:
    """The documents of a stream, one after the other; gzip, XML and JSON are known by their first bytes.

    Args:
        by_line: take each line of plain text as one text, and not what stands between blank lines.

    Raises:
        InputError: for what cannot be read, and for a stream without any text.
    """
    buffered: Any = stream if hasattr(stream, "peek") else io.BufferedReader(stream)  # type: ignore[type-var]
    try:
        if buffered.peek(2)[:2] == b"\x1f\x8b":
            buffered = gzip.GzipFile(fileobj=buffered)
        head = buffered.peek(_HEAD)
        if _XML.match(head):
            texts = _read_xml(buffered, name, head)
        else:
            texts = _read_copy(buffered, name, ".json") if _JSON.match(head) else read_plain(buffered, name, by_line)
        first = next(texts, None)
        # An empty output would look like a text in which nothing was found.
        if first is None:
            raise InputError(f"{name}: contains no text; {_READ}")
        yield from chain([first], texts)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{name}: cannot be read ({error})") from None


def read_plain(lines: Iterable[bytes], name: str, by_line: bool = False) -> Iterator[Text]:
    """Documents of plain UTF-8 text; a blank line ends one, or, `by_line`, each line."""
    number, offset, begin, parts = 0, 0, 0, list[str]()
    for line_number, line in enumerate(lines, start=1):
        decoded = _decode(line, f"{name}, line {line_number}")
        if line_number == 1 and decoded.startswith("\ufeff"):
            # A byte-order mark is a character of the file, but not of its text.
            decoded, offset = decoded[1:], 1
        is_blank = not decoded.strip()
        if not is_blank:
            begin = begin if parts else offset
            parts.append(decoded)
        offset += len(decoded)
        if parts and (is_blank or by_line or offset - begin > MOST_CHARACTERS):
            yield Text(str(number), begin, "".join(parts).rstrip("\r\n"))
            number, parts = number + 1, []
    if parts:
        yield Text(str(number), begin, "".join(parts).rstrip("\r\n"))


def read_pubmed(stream: IO[bytes], name: str) -> Iterator[Text]:
    """PubMed records with a title or abstract: a line for the title and one for each part of the abstract."""
    found = False
    try:
        for record in elements_of(stream, *RECORDS):
            pmid, title, sections = pmid_title_and_sections(record)
            if text := "\n".join(filter(None, [title, *(" ".join(section.split()) for _, section in sections)])):
                yield Text(pmid, None, text)
                found = True
    except etree.XMLSyntaxError as error:
        place = f"{name}, line {error.lineno}"
        raise InputError(f"{place}: is not well-formed XML ({error.msg}); mend the file, or fetch it again") from None
    if not found:
        raise InputError(f"{name}: is PubMed XML, but has no article or book with a title or abstract; {_READ}")


@dataclass(frozen=True)
class _Copy(Source):
    """A stream as a file that the corpus's readers can open twice; its name is the user's, its ending is ours."""

    path: Path
    ending: str

    @property
    def suffix(self) -> str:
        return self.ending

    def open_raw(self) -> BinaryIO:
        return open(self.path, "rb")

    def open(self) -> BinaryIO:
        # The stream was unpacked, whatever its name says.
        return self.open_raw()


def _read_xml(stream: Any, name: str, head: bytes) -> Iterator[Text]:
    """PubMed as it comes, since its files are large and standard input may not end; other XML from a copy."""
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder, "head")).write_bytes(head)
        root = root_name(_Copy(name, path, ".xml"))
    return read_pubmed(stream, name) if root in PUBMED_ROOTS else _read_copy(stream, name, ".xml")


def _read_copy(stream: IO[bytes], name: str, suffix: str) -> Iterator[Text]:
    """The documents of what the corpus's readers know by its content: a line for the title and for each paragraph."""
    with tempfile.TemporaryDirectory() as folder:
        source = _Copy(name, Path(folder, "input"), suffix)
        with open(source.path, "wb") as copy:
            # A byte-order mark would hide the first brace.
            copy.write(stream.read(3).removeprefix(b"\xef\xbb\xbf"))
            shutil.copyfileobj(stream, copy)
        config, number = CorpusConfig(), 0
        try:
            for document in READERS[format_of(source, config)](source, config, Counter()):
                if text := "\n".join(filter(None, (document.title, *document.parts))):
                    yield Text(document.id or str(number), None, text)
                    number += 1
        except InputError as error:
            # The readers name keys of a recipe, which a prediction does not have.
            problem = re.sub(r"; (set|correct) corpus\..*| or correct corpus\..*", "", str(error))
            raise InputError(f"{problem}; {_READ}") from None


def _decode(line: bytes, place: str) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: is not UTF-8 ({error.reason}); convert it, such as by iconv -t utf-8") from None
