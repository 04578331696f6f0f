"""The text that the pair builders are measured on: made up, real files unpacked, or a text repeated with altered
words.
"""

import gzip
import re
from collections.abc import Iterator
from functools import partial
from itertools import accumulate, count
from pathlib import Path
from random import Random

DISTINCT_WORDS = 60_000
LONG_WORD = re.compile("[a-z]{9,}")


def plain_text(sources: list[Path], path: Path, megabytes: float) -> Path:
    """Join real files (.txt or .txt.gz) into one plain text of at most so many megabytes, cut between documents, with
    no blank line at its end.

    A blank line at the end would make the class of transformers 4 fail: it takes it for a document without sentences
    and may draw that.
    """
    size = 0
    with open(path, "w", encoding="utf-8") as file:
        for number, document in enumerate(_documents(sources)):
            size += len(document.encode()) + 1
            if size > megabytes * 1e6:
                break
            file.write(("\n" if number else "") + document)
    return path


def made_up_text(path: Path, megabytes: float, seed: int = 1) -> Path:
    """Documents of words that look like words: frequencies after Zipf, 4 to 40 words a sentence, 2 to 60 sentences a
    document.
    """
    draw = Random(seed)
    words = _made_up_words(draw)
    cumulative = list(accumulate(1 / (rank + 2.7) for rank in range(len(words))))
    size = 0
    with open(path, "w", encoding="utf-8") as file:
        while size < megabytes * 1e6:
            sentences = [
                _sentence(draw, words, cumulative)
                for _ in range(min(60, max(2, round(draw.lognormvariate(2.4, 0.7)))))
            ]
            document = ("\n" if size else "") + "\n".join(sentences) + "\n"
            file.write(document)
            size += len(document)
    return path


def repeated_text(source: Path, path: Path, megabytes: float) -> Path:
    """The text again and again to so many megabytes; in each repetition but the first every word of nine letters or
    more becomes another one.

    So rare words keep coming, as in a real corpus that grows, and a dictionary of words cannot stop growing.
    """
    size = 0
    with open(path, "w", encoding="utf-8") as file:
        for line in _lines_without_end(source):
            # Stop before the blank line after a document.
            if size >= megabytes * 1e6 and not line.strip():
                break
            size += file.write(line)
    return path


def two_documents(path: Path, words: tuple[str, str], sentences: int) -> Path:
    """Two documents, each of one word only, so that a row tells which document its segments came from."""
    path.write_text(
        "\n".join("".join(f"{' '.join([word] * 11)}\n" for _ in range(sentences)) for word in words), encoding="utf-8"
    )
    return path


def _lines_without_end(source: Path) -> Iterator[str]:
    for repetition in count():
        mark = chr(97 + repetition // 26 % 26) + chr(97 + repetition % 26)
        alter = partial(_altered, mark=mark) if repetition else str
        with source.open(encoding="utf-8") as file:
            yield from map(alter, file)
        yield "\n"


def _altered(line: str, mark: str) -> str:
    return LONG_WORD.sub(lambda word: word[0][:4] + mark + word[0][4:], line)


def _documents(sources: list[Path]) -> Iterator[str]:
    for source in sources:
        lines: list[str] = []
        with (
            gzip.open(source, "rt", encoding="utf-8") if source.suffix == ".gz" else source.open(encoding="utf-8")
        ) as file:
            for line in file:
                if line.strip():
                    lines.append(line.strip() + "\n")
                elif lines:
                    yield "".join(lines)
                    lines = []
        if lines:
            yield "".join(lines)


def _made_up_words(draw: Random) -> list[str]:
    syllables = [
        first + vowel + last for first in "bcdfglmnprstv" for vowel in "aeiou" for last in ("", "n", "r", "s", "x")
    ]
    words: dict[str, None] = {}
    while len(words) < DISTINCT_WORDS:
        # Frequent words are short, as in every language.
        most = 1 + min(4, len(words) // 300)
        words["".join(draw.choices(syllables, k=draw.randint(1, most)))] = None
    return list(words)


def _sentence(draw: Random, words: list[str], cumulative: list[float]) -> str:
    chosen = draw.choices(words, cum_weights=cumulative, k=draw.randint(4, 40))
    if len(chosen) > 12:
        chosen[len(chosen) // 2] += ","
    return " ".join(chosen).capitalize() + "."
