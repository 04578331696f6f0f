"""XML files -> elements one by one, in the memory of one, without entities, DTD and network."""

import html
import re
from collections.abc import Callable, Iterator
from typing import IO

from lxml import etree

from recipe.corpus.sources import Source
from recipe.errors import InputError

_PROLOG = re.compile(rb"\s*(?:<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>)", re.S)
_START_TAG = re.compile(rb"\s*<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)")
_BYTES_OF_PROLOG = 1 << 16
# What libxml2 refuses to read unless it is told to trust the file: texts, names and comments of 10 MB, 256 levels.
_TOO_LARGE = re.compile(r"huge|too (?:big|long)|excessive depth", re.IGNORECASE)


def elements(source: Source, *tags: str) -> Iterator[etree._Element]:
    """The elements of these local names, each when it has ended; raises InputError for broken XML or entities."""
    _refuse_entities(source)
    try:
        with source.open() as file:
            yield from elements_of(file, *tags)
    except etree.XMLSyntaxError as error:
        cause = " ".join(str(error).split())[:150]
        if _TOO_LARGE.search(cause):
            raise InputError(
                f"{source}: line {error.lineno} has one text of more than 10 MB, or 256 elements inside one another,"
                " the most that is read of XML from others; remove that element, or save its text in a .txt file"
            ) from None
        raise InputError(f"{source}: the XML is broken ({cause}); copy or download the file again") from None


def elements_of(file: IO[bytes], *tags: str) -> Iterator[etree._Element]:
    """As `elements`, of an open file or stream, whose entities stay unresolved; raises lxml's XMLSyntaxError."""
    events = etree.iterparse(
        file,
        events=("end",),
        tag=[f"{{*}}{tag}" for tag in tags],
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
        huge_tree=False,
    )
    for _, element in events:
        yield element
        # The parser keeps the tree that it builds, so what was read is removed: else memory grows with the file.
        element.clear()
        parent = element.getparent()
        while parent is not None and (before := element.getprevious()) is not None:
            parent.remove(before)


def root_name(source: Source) -> str:
    """Local name of the root element, "" if there is none in the first 64 KB."""
    found = _START_TAG.match(_without_prolog(source.head(_BYTES_OF_PROLOG)))
    return found.group(1).decode() if found else ""


def _refuse_entities(source: Source) -> None:
    # Before any of it is parsed: entities can blow up to gigabytes or name other files.
    head = source.head(_BYTES_OF_PROLOG)
    rest = _without_prolog(head)
    # Without a root element in sight, such as after a long DOCTYPE, all of it counts.
    prolog = head[: len(head) - len(rest)] if _START_TAG.match(rest) else head
    if b"<!ENTITY" in prolog or b"<\0!\0E\0N\0T" in prolog or b"\0<\0!\0E\0N\0T" in prolog:
        raise InputError(
            f"{source}: declares entities, which can blow up or name other files; remove the <!ENTITY ...> lines from"
            " its DOCTYPE"
        )


def text_of(
    element: etree._Element, pieces: Callable[[etree._Element], Iterator[str] | None] = lambda child: None
) -> str:
    """The text of an element and all in it, in order; `pieces` gives what replaces a child's text, or None."""
    return "".join(_pieces(element, pieces))


def _pieces(element: etree._Element, pieces: Callable[[etree._Element], Iterator[str] | None]) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag is etree.Entity:
            # A named character of the DTD, which is not read: HTML knows most of them.
            yield html.unescape(child.text)
        else:
            own = pieces(child)
            yield from _pieces(child, pieces) if own is None else own
        yield child.tail or ""


def _without_prolog(head: bytes) -> bytes:
    head = head.removeprefix(b"\xef\xbb\xbf")
    place = 0
    while found := _PROLOG.match(head, place):
        place = found.end()
    return head[place:]
