"""Files of columns (a word, up to three that do not matter, its tag; a blank line after a sentence) -> `NerTask`."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from recipe.errors import InputError
from recipe.tasks.data.numbered import require_words
from recipe.tasks.data.schemes import SCHEMES, detect_scheme, normal_tag, to_iob2

# BLURB's scripts write dev.tsv, the files of Crichton et al. are devel.tsv.
SPLIT_FILES = {"train": ("train.tsv",), "devel": ("devel.tsv", "dev.tsv"), "test": ("test.tsv",)}
MOST_COLUMNS = 5


@dataclass
class TaggedSentence:
    """Words and as many tags (O, B-X, I-X), at least one."""

    words: list[str]
    tags: list[str]


@dataclass
class NerTask:
    """Entity recognition: sentences with IOB2 tags in three splits; every entity starts at a B-X.

    `labels`: O, then B-X and I-X of each type in the order of the types' names. `schemes`, `repairs`: for each split,
    how its file was tagged, and the lines of the tags that broke the rules of that scheme.
    """

    name: str
    labels: list[str]
    train: list[TaggedSentence]
    devel: list[TaggedSentence]
    test: list[TaggedSentence]
    schemes: dict[str, str] = field(default_factory=dict)
    repairs: dict[str, list[int]] = field(default_factory=dict)

    def counts(self) -> dict[str, dict[str, int]]:
        """Sentences and entities by split."""
        splits = {"train": self.train, "devel": self.devel, "test": self.test}
        counted: dict[str, Callable] = {"sentences": len, "entities": count_entities}
        return {what: {name: count(split) for name, split in splits.items()} for what, count in counted.items()}

    def answers(self) -> dict[str, set[str]]:
        """The different tags of each split."""
        return {name: {tag for each in getattr(self, name) for tag in each.tags} for name in SPLIT_FILES}

    def summary(self) -> str:
        """Sizes of the splits and repairs in one line."""
        sizes = ", ".join(f"{' / '.join(map(str, found.values()))} {what}" for what, found in self.counts().items())
        schemes = sorted(set(self.schemes.values()) - {"IOB2"})
        line = f"{self.name}: {sizes} (train / devel / test)"
        line += f", tagged by {', '.join(schemes)}" if schemes else ""
        return line + _repaired(self.repairs)


def read_task(folder: Path, scheme: str = "auto", merged_type: str | None = None) -> NerTask:
    """Read a folder with train.tsv, devel.tsv (or dev.tsv) and test.tsv; `merged_type` replaces all types."""
    if not folder.is_dir():
        raise InputError(f"{folder}: is not a folder; name one with train.tsv, devel.tsv and test.tsv")
    splits, schemes, repairs = {}, {}, {}
    for split, names in SPLIT_FILES.items():
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path is None:
            what = "a task has train.tsv, devel.tsv (or dev.tsv) and test.tsv, a word, a tab and its tag per line"
            raise InputError(f"{folder / names[0]}: is missing; {what}")
        splits[split], schemes[split], repairs[split] = read_sentences(path, scheme)
        for sentence in splits[split] if merged_type is not None else ():
            # Only the type changes, so the number of entities and their positions stay.
            sentence.tags = [tag if tag == "O" else f"{tag[0]}-{merged_type}" for tag in sentence.tags]
    labels = labels_of(splits["train"] + splits["devel"] + splits["test"])
    return NerTask(folder.resolve().name, labels, **splits, schemes=schemes, repairs=repairs)


def read_sentences(path: Path, scheme: str = "auto") -> tuple[list[TaggedSentence], str, list[int]]:
    """Read one file; gives its sentences in IOB2, the scheme of its tags and the lines of tags that broke its rules.

    The first column is the word, the last one the tag; 2 to 5 columns are separated by tabs, or by spaces in a line
    without a tab. A byte-order mark, \\r at the end of lines and -DOCSTART- lines are dropped.

    Raises:
        InputError: with file and line number, for a line of other columns than the first one, or an unknown tag; with
            the file for a first column of numbers or ids, which is not a word.
    """
    blocks = list(_blocks(path, scheme))
    if not blocks:
        raise InputError(f"{path}: contains no sentence; write one word, a tab and its tag per line")
    require_words(path, [block.columns for block in blocks])
    # By the whole file, since a single sentence fits several schemes.
    found = detect_scheme(block.tags for block in blocks) if scheme == "auto" else scheme
    sentences, repairs = [], list[int]()
    for block in blocks:
        iob2, repaired = to_iob2(block.tags, found)
        sentences.append(TaggedSentence([columns[0] for columns in block.columns], iob2))
        repairs += [block.lines[place] for place in repaired]
    return sentences, found, repairs


def labels_of(sentences: list[TaggedSentence]) -> list[str]:
    """O, then B-X and I-X for each type X that occurs, whether or not both do."""
    types = sorted({tag[2:] for sentence in sentences for tag in sentence.tags if tag != "O"})
    # Both, even if one does not occur: the model must be able to say any entity of the type.
    return ["O", *(f"{prefix}-{name}" for name in types for prefix in "BI")]


def count_entities(sentences: Iterable[TaggedSentence]) -> int:
    """Entities in IOB2 sentences: the number of B-X."""
    return sum(tag[0] == "B" for sentence in sentences for tag in sentence.tags)


def _repaired(repairs: dict[str, list[int]]) -> str:
    found = {split: lines for split, lines in repairs.items() if lines}
    if not found:
        return ""
    places = "; ".join(
        f"{split}: {len(lines):,}, first in line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines[:3]))}"
        for split, lines in found.items()
    )
    means = "an I-X that opens an entity was read as B-X; many of them mean IOB1 tags, or sentences cut in two"
    return f", {sum(map(len, found.values())):,} tags repaired ({places}): {means}"


def lines_of(path: Path) -> list[str]:
    """The lines of a UTF-8 file, which end at \\n only, without a byte-order mark and without \\r at their ends."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        # Not splitlines(): a word may contain characters such as U+2028, which would end a line there.
        return [line.rstrip("\r") for line in content.decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        place = f"{path}, line {number}"
        raise InputError(f"{place}: is not UTF-8 ({error.reason}); convert it, such as by iconv -t utf-8") from None


@dataclass
class _Block:
    """The lines of a sentence: their numbers, their columns, and the tags as `normal_tag` gives them."""

    lines: list[int] = field(default_factory=list)
    columns: list[list[str]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


def _blocks(path: Path, scheme: str) -> Iterator[_Block]:
    block, width, typed = _Block(), 0, ""
    for number, line in enumerate(lines_of(path), start=1):
        # CoNLL's marks of documents are not words.
        if not line.strip() or line.startswith("-DOCSTART-"):
            if block.lines:
                yield block
            block = _Block()
            continue
        place = f"{path}, line {number}"
        columns = _columns(line, place, width)
        width, typed = len(columns), _check_types(columns[-1], typed, place)
        block.lines.append(number)
        block.columns.append(columns)
        block.tags.append(_tag(columns[-1], scheme, place))
    if block.lines:
        yield block


def _columns(line: str, place: str, width: int) -> list[str]:
    """The columns of a line, as many as the lines before it had (`width`, 0 at the first)."""
    # The word is kept as it is, spaces too.
    columns = [column.strip(" ") if number else column for number, column in enumerate(line.split("\t"))]
    # Only without a tab: a word may contain a space.
    if len(columns) == 1:
        columns = [column for column in line.split(" ") if column]
    if not 2 <= len(columns) <= MOST_COLUMNS or not columns[0]:
        filled = len([column for column in columns if column])
        remedy = "write a word, a tab and its tag, with at most three columns between them"
        raise InputError(f"{place}: {line!r} has {filled} columns; {remedy}")
    if width and len(columns) != width:
        raise InputError(f"{place}: {line!r} has {len(columns)} columns, but earlier lines have {width}; correct it")
    return columns


def _tag(tag: str, scheme: str, place: str) -> str:
    normal = normal_tag(tag)
    if normal is None:
        remedy = "write O, B-X at an entity's first word or I-X at its other words"
        raise InputError(f"{place}: {tag!r} is not a tag of IO, IOB1, IOB2 or BIOES; {remedy}")
    if scheme != "auto" and normal != "O" and normal[0] not in SCHEMES[scheme]:
        raise InputError(f"{place}: {tag!r} is not a tag of {scheme}, the task's scheme; change the tag or the scheme")
    return normal


def _check_types(tag: str, typed: str, place: str) -> str:
    """Say whether tags have types, "B-X" or "B"; refuse a mix, whose entities cannot be told apart."""
    if tag == "O":
        return typed
    form = "B-X" if "-" in tag else "B"
    if typed and form != typed:
        forms = f"is of the form {form}, but earlier tags are of the form {typed}"
        raise InputError(f"{place}: {tag!r} {forms}; give all entities a type or none")
    return form
