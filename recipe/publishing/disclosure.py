"""What a file to upload would tell about this machine: every byte is searched, also inside of pictures and pages."""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from recipe.errors import InputError
from recipe.privacy.secrets import secrets_in
from recipe.privacy.traces import traces_in

# Files whose words come from the corpus, in which the name of a host, such as "vm", may be a word like any other.
_CORPUS_WORDS = ("vocab.txt", "tokenizer.json", "added_tokens.json", "special_tokens_map.json")
_PICTURE = re.compile(rb"(data:[\w/+.-]+;base64,)([A-Za-z0-9+/=\s]+)")
_PNG = b"\x89PNG\r\n\x1a\n"


def refuse_disclosure(place: Path, content: Path | bytes) -> None:
    """Look through a file before it is uploaded.

    Args:
        place: its path below the run folder. content: the bytes to upload, or the file of them.

    Raises:
        InputError: if it contains a secret, or names this machine or its user; the message names the kind only.
    """
    data = content if isinstance(content, bytes) else content.read_bytes()
    for kind in _found(place.name, data):
        raise InputError(
            f"{place}: contains what looks like {kind}, so nothing was uploaded; remove it from the file, or make the"
            " file again by `domain-bert report`"
        )


def _found(name: str, data: bytes) -> Iterator[str]:
    for part, is_text in _parts(name, data):
        yield from secrets_in(part)
        # Random bytes of weights and pixels look like short words now and then.
        yield from traces_in(part, names=is_text and name not in _CORPUS_WORDS)


def _parts(name: str, data: bytes) -> Iterator[tuple[bytes, bool]]:
    """(bytes, whether they are text) of a file and of what is packed in it."""
    if data.startswith(_PNG):
        yield data, False
        yield from ((text, True) for text in _png_texts(data))
    elif name.endswith(".safetensors"):
        start = 8 + int.from_bytes(data[:8], "little")
        yield data, False
        yield data[:start], True
        # What follows the last tensor is none.
        yield data[start + _bytes_of_tensors(data[8:start]) :], True
    elif name.endswith(".html"):
        # The letters of a picture are not words; its bytes are looked at instead.
        yield _PICTURE.sub(rb"\1", data), True
        for match in _PICTURE.finditer(data):
            try:
                picture = base64.b64decode(match[2])
            except binascii.Error:
                picture = match[2]
            yield from _parts("picture", picture)
    elif name.endswith(".arrow"):
        # The token ids are numbers; what describes the columns is text.
        yield data, False
        yield from ((text, True) for text in _arrow_texts(data))
    else:
        yield data, True
        if name.endswith(".json"):
            yield from ((text, True) for text in _unescaped(data))


def _bytes_of_tensors(header: bytes) -> int:
    try:
        entries = json.loads(header).values()
        return max((entry["data_offsets"][1] for entry in entries if "data_offsets" in entry), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return 0


def _arrow_texts(data: bytes) -> Iterator[bytes]:
    """What an Arrow file tells about its columns, such as the features of `datasets`."""
    import pyarrow

    try:
        schema = pyarrow.ipc.open_stream(data).schema
    except (pyarrow.ArrowInvalid, OSError):
        # Not as `datasets` writes it: all of it is text then, or would pass unread.
        yield data
        return
    yield str(schema).encode()
    yield from (part for entry in (schema.metadata or {}).items() for part in entry)


def _unescaped(data: bytes) -> Iterator[bytes]:
    """The texts of JSON with escapes such as \\u002f taken away."""
    if b"\\" in data:
        try:
            yield json.dumps(json.loads(data), ensure_ascii=False).encode("utf-8", errors="replace")
        except (ValueError, RecursionError):
            return


def _png_texts(data: bytes) -> Iterator[bytes]:
    """The chunks of a PNG that are no pixels, unpacked, and what follows its end."""
    position = len(_PNG)
    while position + 12 <= len(data):
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        body = data[position + 8 : position + 8 + length]
        position += 12 + length
        if kind != b"IDAT":
            yield body
        if kind in (b"zTXt", b"iTXt"):
            # After a name and its zero byte come one or two bytes and, in iTXt, a language and another name.
            for start in (match.start() for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", body)):
                try:
                    yield zlib.decompress(body[start:])
                except zlib.error:
                    continue
        if kind == b"IEND":
            break
    yield data[position:]
