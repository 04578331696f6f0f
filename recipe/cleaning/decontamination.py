"""Test sentences out of the corpus: documents that hold a sentence of a task, or a long run of its letters, whatever the case and the spaces."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from recipe.cleaning.step import Candidate, Removal
from recipe.errors import InputError

RUN = 80  # letters and digits
# A sentence of fewer letters and digits counts only as a whole sentence of the document: "The reason is unclear" stands in many innocent texts.
LEAST_INSIDE = 40
# One of fewer does not count at all: "Methods and results".
LEAST_SENTENCE = 25
# Every run of LEAST_INSIDE in a document holds one of the windows that begin at its every STRIDE-th character.
WINDOW = 20
STRIDE = LEAST_INSIDE - WINDOW + 1
HELD_OUT = ("devel.tsv", "dev.tsv", "test.tsv")
_SUFFIXES = (".tsv", ".txt", ".jsonl")
_NOT_ALPHANUMERIC = bytes(code for code in range(128) if not chr(code).isalnum())
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class Decontamination:
    """Drop documents that hold a task sentence: as a sentence of theirs, inside a longer one, or RUN letters and digits of it in a row."""

    name = "decontaminate"

    def __init__(self, paths: list[str]) -> None:
        self._sentences = {squeezed: sentence for sentence in _sentences_of(paths) if len(squeezed := squeeze(sentence)) >= LEAST_SENTENCE}
        # All of them in one string, so that a window is looked up by `find`; no document has the separator.
        self._inside = "\n" + "\n".join(squeezed for squeezed in self._sentences if len(squeezed) >= LEAST_INSIDE) + "\n"
        self._windows = {hash(self._inside[start : start + WINDOW]) for start in range(len(self._inside) - WINDOW)}
        self._least = min(map(len, self._sentences), default=0)

    def __call__(self, candidate: Candidate) -> str | Removal:
        text = candidate.text
        for sentence in text.split("\n"):
            # Squeezing can only shorten.
            if len(sentence) >= self._least and (known := self._sentences.get(squeeze(sentence))) is not None:
                return Removal("holds a sentence of the task", known)
        found = self._run_in(squeeze(text))
        return text if found is None else Removal(found[0], found[1])

    def _run_in(self, squeezed: str) -> tuple[str, str] | None:
        windows, inside = self._windows, self._inside
        for start in range(0, len(squeezed) - WINDOW + 1, STRIDE):
            if hash(squeezed[start : start + WINDOW]) in windows:
                place = -1
                while (place := inside.find(squeezed[start : start + WINDOW], place + 1)) >= 0:
                    if found := self._verdict(squeezed, start, place):
                        return found
        return None

    def _verdict(self, squeezed: str, start: int, place: int) -> tuple[str, str] | None:
        """Whether the window at `start` of the document and `place` of the task's text is part of a whole sentence or a long run."""
        inside = self._inside
        first, last = inside.rfind("\n", 0, place) + 1, inside.find("\n", place)
        before = _common(squeezed[max(0, start - RUN) : start][::-1], inside[max(first, place - RUN) : place][::-1])
        after = _common(squeezed[start : start + last - place], inside[place:last])
        known = self._sentences[inside[first:last]]
        if place - first <= start and squeezed.startswith(inside[first:last], start - (place - first)):
            return "holds a sentence of the task inside a longer one", known
        return ("holds a long run of a sentence of the task", known) if before + after >= RUN else None


def squeeze(text: str) -> str:
    """The letters and digits, in lower case."""
    text = text.lower().encode("utf-8", "surrogatepass").translate(None, _NOT_ALPHANUMERIC).decode("utf-8", "surrogatepass")
    if text.isascii():
        return text
    for character in {character for character in _NOT_ASCII.findall(text) if not character.isalnum()}:
        text = text.replace(character, "")
    return text


def task_files(paths: list[str]) -> list[Path]:
    """The files that hold task sentences: of a folder its devel and test .tsv if it has any, else all of a known ending.

    Raises:
        InputError: for a path that leads to none.
    """
    found: list[Path] = []
    for entry in paths:
        path = Path(entry).expanduser()
        inside = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES) if path.is_dir() else [path] * path.is_file()
        if not inside:
            raise InputError(f"corpus.decontaminate: {entry} leads to no file; name a task's folder, or files that end in {', '.join(_SUFFIXES)}")
        found += [file for file in inside if file.name in HELD_OUT] or inside
    return found


def _sentences_of(paths: list[str]) -> Iterator[str]:
    for path in task_files(paths):
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"corpus.decontaminate: {path} cannot be read as UTF-8 text ({error})") from None
        if path.suffix == ".tsv":
            yield from _sentences_of_columns(lines)
        elif path.suffix == ".jsonl":
            yield from _sentences_of_records(lines, path)
        else:
            yield from lines


def _sentences_of_columns(lines: list[str]) -> Iterator[str]:
    """A word per line, what stands behind a tab aside; a blank line after a sentence."""
    words: list[str] = []
    for line in [*lines, ""]:
        word = line.split("\t")[0].strip()
        if word:
            words.append(word)
        elif words:
            yield " ".join(words)
            words = []


def _sentences_of_records(lines: list[str], path: Path) -> Iterator[str]:
    """Every string of every object, such as question, context and answer."""
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line) if line.strip() else {}
        except json.JSONDecodeError as error:
            raise InputError(f"corpus.decontaminate: {path}:{number}: is no JSON ({error})") from None
        values = record.values() if isinstance(record, dict) else [record]
        yield from (sentence for value in values if isinstance(value, str) for sentence in value.split("\n"))


def _common(left: str, right: str) -> int:
    """How many characters two texts begin with in common."""
    length = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        length += 1
    return length
