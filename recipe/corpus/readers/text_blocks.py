"""A text file -> runs of whole lines as text, in a stream, with bad bytes refused or replaced."""

import codecs
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from recipe.corpus.sources import Source
from recipe.errors import InputError

BYTES_PER_READ = 1 << 20
_REPLACEMENT = "\ufffd"


def blocks_of_lines(source: Source, errors: str, counts: Counter[str]) -> Iterator[str]:
    """The text in blocks of whole lines, each without its last newline.

    Args:
        errors: "strict", or "replace" for U+FFFD in place of bytes that are not UTF-8, counted as "replaced_bytes".

    Raises:
        InputError: for such bytes if errors is "strict", with their offset.
    """
    offset = 0
    with source.open() as file:
        for block in _ended_by_newline(file):
            if errors == "strict":
                yield _decoded(block, offset, source)
            else:
                text = block.removeprefix(codecs.BOM_UTF8 if offset == 0 else b"").decode(errors="replace")
                counts["replaced_bytes"] += text.count(_REPLACEMENT) - block.count(_REPLACEMENT.encode())
                yield text
            offset += len(block) + 1


def _ended_by_newline(file: BinaryIO) -> Iterator[bytes]:
    """What lies between newlines about BYTES_PER_READ apart; the rest of the file comes last."""
    unfinished: list[bytes] = []
    # Cut at the byte of a newline, which is part of no other character in UTF-8, so that each block decodes by itself.
    while block := file.read(BYTES_PER_READ):
        whole, newline, rest = block.rpartition(b"\n")
        if newline:
            yield b"".join([*unfinished, whole])
            unfinished = []
        unfinished.append(rest)
    if any(unfinished):
        yield b"".join(unfinished)


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
