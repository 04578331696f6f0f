"""Two-column files (word, IOB2 tag; a blank line after a sentence) -> `NerTask`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from recipe.errors import InputError

SPLIT_FILES = {"train": ("train.tsv",), "devel": ("devel.tsv", "dev.tsv"), "test": ("test.tsv",)}
_TAG = re.compile(r"O|[BI]-\S+")


@dataclass
class TaggedSentence:
    """The words of a sentence and their tags (O, B-X, I-X), equally many and at least one."""

    words: list[str]
    tags: list[str]


@dataclass
class NerTask:
    """Entity recognition: sentences with IOB2 tags in three splits.

    `labels` holds O first, then B-X and I-X of each type in the order of the types' names. `stray_tags` counts, for each split, the I-X that
    followed neither B-X nor I-X and were made B-X, so every entity starts at a B-X.
    """

    name: str
    labels: list[str]
    train: list[TaggedSentence]
    devel: list[TaggedSentence]
    test: list[TaggedSentence]
    stray_tags: dict[str, int] = field(default_factory=dict)

    def summary(self) -> str:
        """Sizes of the splits and repairs in one line."""
        splits = (self.train, self.devel, self.test)
        sentences = " / ".join(str(len(split)) for split in splits)
        entities = " / ".join(str(count_entities(split)) for split in splits)
        strays = sum(self.stray_tags.values())
        return f"{self.name}: {sentences} sentences, {entities} entities (train / devel / test)" + (f", {strays} stray I- tags made B-" if strays else "")


def read_task(folder: Path) -> NerTask:
    """Read a folder with train.tsv, devel.tsv (or dev.tsv) and test.tsv.

    Raises:
        InputError: for a missing folder or file, a line that is not a word and its tag, a split without a sentence, or training sentences
            without an entity.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder; set task.data to a folder with train.tsv, devel.tsv and test.tsv, or to embedded:nero")
    splits, stray_tags = {}, {}
    for split, names in SPLIT_FILES.items():
        splits[split], stray_tags[split] = read_sentences(_find(folder, names))
    if not count_entities(splits["train"]):
        raise InputError(f"{folder / 'train.tsv'}: holds no entity, so there is nothing to learn; tag the first word of each entity as B-X")
    return NerTask(folder.resolve().name, labels_of(splits["train"] + splits["devel"] + splits["test"]), **splits, stray_tags=stray_tags)


def read_sentences(path: Path) -> tuple[list[TaggedSentence], int]:
    """Read one file; gives its sentences and the number of stray I-X that became B-X.

    Word and tag stand apart by a tab, or by spaces in a line without a tab. Lines end at \\n only, so a word may hold any other character.
    Words are kept as they are ("None", "NA", a quote); a byte-order mark, \\r at the end of lines and -DOCSTART- lines are dropped.

    Raises:
        InputError: with file and line number, for anything but a word and a tag of the form O, B-X or I-X.
    """
    sentences, strays = [], 0
    for rows in _blocks(path):
        words, tags = [word for word, _ in rows], [tag for _, tag in rows]
        strays += repair_stray_tags(tags)
        sentences.append(TaggedSentence(words, tags))
    if not sentences:
        raise InputError(f"{path}: holds no sentence; write one word, a tab and its tag per line")
    return sentences, strays


def repair_stray_tags(tags: list[str]) -> int:
    """Make B-X, in place, of every I-X that follows neither B-X nor I-X; gives their number."""
    strays = 0
    previous = "O"
    for index, tag in enumerate(tags):
        if tag[0] == "I" and previous[2:] != tag[2:]:
            tags[index] = "B-" + tag[2:]
            strays += 1
        previous = tags[index]
    return strays


def labels_of(sentences: list[TaggedSentence]) -> list[str]:
    """O, then B-X and I-X for each type X that occurs, whether or not both do."""
    types = sorted({tag[2:] for sentence in sentences for tag in sentence.tags if tag != "O"})
    return ["O", *(f"{prefix}-{name}" for name in types for prefix in "BI")]


def count_entities(sentences: list[TaggedSentence]) -> int:
    """Entities in repaired sentences: the number of B-X."""
    return sum(tag[0] == "B" for sentence in sentences for tag in sentence.tags)


def _find(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{folder / names[0]}: is missing; task.data needs train.tsv, devel.tsv (or dev.tsv) and test.tsv, a word, a tab and its tag per line")


def _blocks(path: Path) -> Iterator[list[tuple[str, str]]]:
    rows: list[tuple[str, str]] = []
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip() or line.startswith("-DOCSTART-"):
            if rows:
                yield rows
            rows = []
        else:
            rows.append(_word_and_tag(line, f"{path}, line {number}"))
    if rows:
        yield rows


def _lines(path: Path) -> list[str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return [line.rstrip("\r") for line in content.decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {number}: is not UTF-8 ({error.reason}); convert the file, such as by iconv -t utf-8") from None


def _word_and_tag(line: str, place: str) -> tuple[str, str]:
    columns = line.split("\t") if "\t" in line else [column for column in line.split(" ") if column]
    if len(columns) != 2 or not columns[0]:
        filled = len([column for column in columns if column])
        raise InputError(f"{place}: {line!r} has {filled} columns; write a word, a tab and its tag (cut -f1,4 picks the columns 1 and 4)")
    word, tag = columns[0], columns[1].strip(" ")
    if not _TAG.fullmatch(tag):
        raise InputError(f"{place}: {tag!r} is no IOB2 tag; write O, B-X at an entity's first word or I-X at its other words")
    return word, tag
