"""A JSON file -> its values one by one: those on the lines, one after the other, or the elements of one array."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from recipe.corpus.readers.text_blocks import blocks_of_lines, blocks_of_objects
from recipe.corpus.sources import Source
from recipe.errors import InputError

_BYTES_OF_HEAD = 1 << 16
# The first line that begins an object, if it ends in the head.
_LINE_OF_OBJECT = re.compile(rb"(?:^|[\r\n])[ \t]*(\{[^\r\n]*)[\r\n]")
_SPACES = re.compile(r"\s*")
_DECODER = json.JSONDecoder()
# It says "Unterminated string" at the string's beginning, which may be far from the end of what was read.
_NEAR_END = 8
Places = Iterator[tuple[Any, str]]


def json_values(source: Source, errors: str, counts: Counter[str]) -> Places:
    """The values of a file, each with its place "file:line" or "file:line element n"; blank lines are passed over.

    Raises:
        InputError: for what is not JSON, with its line, the cause and how it begins.
    """
    # One object per line is the common form, and its lines are decoded fastest one by one.
    head = source.head(_BYTES_OF_HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"["):
        return _values_in_a_row(source, errors, counts, is_array=True)
    object_line = _LINE_OF_OBJECT.search(head)
    if object_line and not object_line[1].rstrip().endswith(b"}"):
        return _values_in_a_row(source, errors, counts, is_array=False)
    return _values_of_lines(source, errors, counts)


def _values_of_lines(source: Source, errors: str, counts: Counter[str]) -> Places:
    number = 0
    for block in blocks_of_lines(source, errors, counts):
        for line in block.split("\n"):
            number += 1
            if line and not line.isspace():
                try:
                    yield _whole_characters(json.loads(line), line), f"{source}:{number}"
                except (ValueError, RecursionError) as error:
                    raise _no_json(source, number, error, line, "; put one object on each line") from None


def _values_in_a_row(source: Source, errors: str, counts: Counter[str], is_array: bool) -> Places:
    """The elements of an array, or values that go over lines, in a stream."""
    text = _Text(blocks_of_objects(source, errors, counts))
    if is_array:
        text.skip("[")
        if text.skip("]"):
            return
    number = 0
    while is_array or text.next():
        number += 1
        text.next()
        line = text.line
        try:
            value = text.take_value()
        except (ValueError, RecursionError) as error:
            # The decoder counts from the value's beginning.
            line += getattr(error, "lineno", 1) - 1
            raise _no_json(source, line, error, text.rest(), "; correct it or copy the file again") from None
        yield value, f"{source}:{line}" + (f" element {number}" if is_array else "")
        if is_array and not text.skip(","):
            if text.skip("]"):
                break
            raise InputError(
                f"{source}:{text.line}: element {number} of the array is followed by {text.rest()[:20]!r} and not by"
                " ',' or ']'; the file is cut short or broken"
            )
    if text.next():
        raise InputError(
            f"{source}:{text.line}: after the end of the array there is {text.rest()[:20]!r}; make one array of all,"
            " or put one object on each line"
        )


class _Text:
    """What is to be decoded, as far as it was read; `line` is where it begins."""

    def __init__(self, blocks: Iterator[str]) -> None:
        self._blocks = blocks
        self._text, self._place, self._counted = "", 0, 0
        self._line = 1

    @property
    def line(self) -> int:
        self._line += self._text.count("\n", self._counted, self._place)
        self._counted = self._place
        return self._line

    def rest(self) -> str:
        """What comes next, as far as it was read."""
        return self._text[self._place : self._place + 100]

    def next(self) -> str:
        """The next character that is not white space, "" at the end."""
        while True:
            self._place = _SPACES.match(self._text, self._place).end()  # type: ignore[union-attr]
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._read(1):
                return ""

    def skip(self, mark: str) -> bool:
        """Pass over a mark; whether it came next."""
        is_next = self.next() == mark
        self._place += is_next
        return is_next

    def take_value(self) -> Any:
        """The value that begins here, after `next`; raises json.JSONDecodeError if there is none."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._place)
            except json.JSONDecodeError as error:
                # As much again is read before the next attempt, so that all attempts together read it twice. What is
                # broken far from the end of what was read stays broken.
                is_open = error.pos >= len(self._text) - _NEAR_END or error.msg.startswith("Unterminated string")
                if not is_open or not self._read(len(self._text) - self._place):
                    message = json.JSONDecodeError(error.msg, self._text[self._place :], error.pos - self._place)
                    raise message from None
            else:
                value = _whole_characters(value, self._text[self._place : end])
                self._place = end
                return value

    def _read(self, least: int) -> int:
        """Read at least so many characters more, if there are any; how many were read."""
        self._line, self._counted = self.line, 0
        parts = [self._text[self._place :]]
        size = 0
        while size < least and (block := next(self._blocks, "")):
            parts.append(block)
            size += len(block)
        self._text, self._place = "".join(parts), 0
        return size


def _whole_characters(value: Any, text: str) -> Any:
    if "\\u" in text and "\\ud" in text.lower():
        # Half of a surrogate pair is not a character, and no UTF-8 file can contain it.
        return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return value


def _no_json(source: Source, line: int, error: Exception, text: str, advice: str) -> InputError:
    cause = getattr(error, "msg", str(error))[:120]
    found = f"begins with {text.strip()[:40]!r}" if text.strip() else "ends here"
    return InputError(f"{source}:{line}: is not JSON ({cause}): it {found}{advice}")
