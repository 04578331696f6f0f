"""A text file -> blocks of text in a stream, cut between lines or objects, with bad bytes refused or replaced."""

import codecs
from collections import Counter
from collections.abc import Callable, Iterator
from typing import BinaryIO

from recipe.corpus.document import with_plain_line_ends
from recipe.corpus.sources import Source
from recipe.errors import InputError

BYTES_PER_READ = 1 << 20
_REPLACEMENT = "\ufffd"


def blocks_of_lines(source: Source, errors: str, counts: Counter[str]) -> Iterator[str]:
    """The text in blocks of whole lines, "\\n" between the lines and none after the last one of a block.

    Lines end in "\\n", "\\r\\n" or "\\r" (classic Mac). Other line separators of Unicode (U+0085, U+2028, U+2029) end
    none: they are white space, so that the numbers of lines are those of editors and grep.

    Args:
        errors: "strict", or "replace" for U+FFFD in place of bytes that are not UTF-8, counted as "replaced_bytes".

    Raises:
        InputError: for such bytes if errors is "strict", with their offset.
    """
    for text in _texts(source, errors, counts, _end_of_last_line):
        yield with_plain_line_ends(text).removesuffix("\n")


def blocks_of_objects(source: Source, errors: str, counts: Counter[str]) -> Iterator[str]:
    """The text in blocks that end in "}", for JSON, which may be one line of gigabytes; else as `blocks_of_lines`."""
    for text in _texts(source, errors, counts, lambda block: block.rfind(b"}") + 1):
        yield with_plain_line_ends(text)


def _texts(source: Source, errors: str, counts: Counter[str], last_cut: Callable[[bytes], int]) -> Iterator[str]:
    offset = 0
    with source.open() as file:
        for block in _cut_blocks(file, last_cut):
            if errors == "strict":
                yield _decoded(block, offset, source)
            else:
                text = block.removeprefix(codecs.BOM_UTF8 if offset == 0 else b"").decode(errors="replace")
                counts["replaced_bytes"] += text.count(_REPLACEMENT) - block.count(_REPLACEMENT.encode())
                yield text
            offset += len(block)


def _cut_blocks(file: BinaryIO, last_cut: Callable[[bytes], int]) -> Iterator[bytes]:
    """The bytes in blocks of about BYTES_PER_READ; `last_cut` says where one read may be cut last, 0 for nowhere."""
    unfinished: list[bytes] = []
    # Cut after a byte of ASCII, which is part of no other character in UTF-8, so that each block decodes by itself.
    while block := file.read(BYTES_PER_READ):
        if cut := last_cut(block):
            yield b"".join([*unfinished, block[:cut]])
            unfinished = []
        unfinished.append(block[cut:])
    if any(unfinished):
        yield b"".join(unfinished)


def _end_of_last_line(block: bytes) -> int:
    # A "\r" at the end of what was read may be the first half of "\r\n".
    return max(block.rfind(b"\n"), block.rfind(b"\r", 0, len(block) - 1)) + 1


def _decoded(block: bytes, offset: int, source: Source) -> str:
    mark = len(codecs.BOM_UTF8) if offset == 0 and block.startswith(codecs.BOM_UTF8) else 0
    try:
        return block[mark:].decode()
    except UnicodeDecodeError as error:
        place = mark + error.start
        raise InputError(
            f"{source}: byte {block[place]:#04x} at offset {offset + place} is not UTF-8; save the file as UTF-8 or"
            " remove the byte, or set corpus.errors to replace"
        ) from None
