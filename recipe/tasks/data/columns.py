"""Files of columns (a word, up to three columns that do not matter, its tag; a blank line after a sentence) ->
`NerTask`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from recipe.errors import InputError
from recipe.tasks.data.schemes import SCHEMES, detect_scheme, normal_tag, to_iob2

SPLIT_FILES = {"train": ("train.tsv",), "devel": ("devel.tsv", "dev.tsv"), "test": ("test.tsv",)}
MOST_COLUMNS = 5


@dataclass
class TaggedSentence:
    """The words of a sentence and their tags (O, B-X, I-X), equally many and at least one."""

    words: list[str]
    tags: list[str]


@dataclass
class NerTask:
    """Entity recognition: sentences with IOB2 tags in three splits.

    `labels` holds O first, then B-X and I-X of each type in the order of the types' names. `schemes` and `repairs`
    say, for each split, how its file was tagged and how many tags broke the rules of that scheme; every entity here
    starts at a B-X.
    """

    name: str
    labels: list[str]
    train: list[TaggedSentence]
    devel: list[TaggedSentence]
    test: list[TaggedSentence]
    schemes: dict[str, str] = field(default_factory=dict)
    repairs: dict[str, int] = field(default_factory=dict)

    def counts(self) -> dict[str, dict[str, int]]:
        """Sentences and entities by split."""
        splits = {"train": self.train, "devel": self.devel, "test": self.test}
        sizes = {name: len(sentences) for name, sentences in splits.items()}
        return {
            "sentences": sizes,
            "entities": {name: count_entities(sentences) for name, sentences in splits.items()},
        }

    def summary(self) -> str:
        """Sizes of the splits and repairs in one line."""
        sizes = ", ".join(f"{' / '.join(map(str, found.values()))} {what}" for what, found in self.counts().items())
        schemes = sorted(set(self.schemes.values()) - {"IOB2"})
        line = f"{self.name}: {sizes} (train / devel / test)"
        line += f", tagged by {', '.join(schemes)}" if schemes else ""
        repairs = sum(self.repairs.values())
        return line + (f", {repairs} tags repaired" if repairs else "")


def read_task(folder: Path, scheme: str = "auto", merged_type: str | None = None) -> NerTask:
    """Read a folder with train.tsv, devel.tsv (or dev.tsv) and test.tsv.

    Args:
        scheme: see `read_sentences`. merged_type: the one type that takes the place of all, as BLURB does with JNLPBA;
            None keeps them.

    Raises:
        InputError: for a missing folder or file, a line that cannot be read, a split without a sentence, or training
            sentences without an entity.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder}: is no folder; name a folder with train.tsv, devel.tsv and test.tsv, or embedded:nero"
        )
    splits, schemes, repairs = {}, {}, {}
    for split, names in SPLIT_FILES.items():
        splits[split], schemes[split], repairs[split] = read_sentences(_find(folder, names), scheme)
        if merged_type is not None:
            merge_types(splits[split], merged_type)
    if not count_entities(splits["train"]):
        raise InputError(
            f"{folder / 'train.tsv'}: holds no entity, so there is nothing to learn; tag the first word of each entity"
            " as B-X"
        )
    return NerTask(
        folder.resolve().name,
        labels_of(splits["train"] + splits["devel"] + splits["test"]),
        **splits,
        schemes=schemes,
        repairs=repairs,
    )


def read_sentences(path: Path, scheme: str = "auto") -> tuple[list[TaggedSentence], str, int]:
    """Read one file; gives its sentences in IOB2, the scheme of its tags and the number of tags that broke the rules
    of that scheme.

    The first column is the word, the last one the tag; 2 to 5 columns stand apart by tabs, or by spaces in a line
    without a tab. Lines end at \\n only, so a word may hold any other character. Words are kept as they are ("None",
    "NA", a quote); a byte-order mark, \\r at the end of lines and -DOCSTART- lines are dropped.

    Args:
        scheme: IO, IOB1, IOB2 or BIOES; auto: by the tags.

    Raises:
        InputError: with file and line number, for a line of other columns than the first one or a tag that the scheme
            does not have.
    """
    blocks = list(_blocks(path, scheme))
    if not blocks:
        raise InputError(f"{path}: holds no sentence; write one word, a tab and its tag per line")
    found = detect_scheme(tags for _, tags in blocks) if scheme == "auto" else scheme
    sentences, repairs = [], 0
    for words, tags in blocks:
        iob2, repaired = to_iob2(tags, found)
        sentences.append(TaggedSentence(words, iob2))
        repairs += repaired
    return sentences, found, repairs


def merge_types(sentences: list[TaggedSentence], name: str) -> None:
    """Give all entities one type, in place; their number and places stay."""
    for sentence in sentences:
        sentence.tags = [tag if tag == "O" else f"{tag[0]}-{name}" for tag in sentence.tags]


def labels_of(sentences: list[TaggedSentence]) -> list[str]:
    """O, then B-X and I-X for each type X that occurs, whether or not both do."""
    types = sorted({tag[2:] for sentence in sentences for tag in sentence.tags if tag != "O"})
    return ["O", *(f"{prefix}-{name}" for name in types for prefix in "BI")]


def count_entities(sentences: list[TaggedSentence]) -> int:
    """Entities in IOB2 sentences: the number of B-X."""
    return sum(tag[0] == "B" for sentence in sentences for tag in sentence.tags)


def lines_of(path: Path) -> list[str]:
    """The lines of a UTF-8 file, which end at \\n only, without a byte-order mark and without \\r at their ends.

    Raises:
        InputError: for a file that cannot be read or is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return [line.rstrip("\r") for line in content.decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {number}: is not UTF-8 ({error.reason}); convert the file, such as by iconv -t utf-8"
        ) from None


def _find(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise InputError(
        f"{folder / names[0]}: is missing; a task has train.tsv, devel.tsv (or dev.tsv) and test.tsv, a word, a tab"
        " and its tag per line"
    )


def _blocks(path: Path, scheme: str) -> Iterator[tuple[list[str], list[str]]]:
    """Words and tags of each sentence, the tags as `normal_tag` gives them."""
    words: list[str] = []
    tags: list[str] = []
    width, typed = 0, ""
    for number, line in enumerate(lines_of(path), start=1):
        if not line.strip() or line.startswith("-DOCSTART-"):
            if words:
                yield words, tags
            words, tags = [], []
            continue
        place = f"{path}, line {number}"
        columns = _columns(line, place, width)
        width = len(columns)
        typed = _check_types(columns[-1], typed, place)
        words.append(columns[0])
        tags.append(_tag(columns[-1], scheme, place))
    if words:
        yield words, tags


def _columns(line: str, place: str, width: int) -> list[str]:
    """The columns of a line, as many as the lines before it had (`width`, 0 at the first)."""
    columns = [column.strip(" ") if number else column for number, column in enumerate(line.split("\t"))]
    if len(columns) == 1:
        columns = [column for column in line.split(" ") if column]
    if not 2 <= len(columns) <= MOST_COLUMNS or not columns[0]:
        filled = len([column for column in columns if column])
        raise InputError(
            f"{place}: {line!r} has {filled} columns; write a word, a tab and its tag, at most three columns between"
            " them"
        )
    if width and len(columns) != width:
        raise InputError(
            f"{place}: {line!r} has {len(columns)} columns, but the lines before it have {width}; give every line the"
            " same columns"
        )
    return columns


def _tag(tag: str, scheme: str, place: str) -> str:
    normal = normal_tag(tag)
    if normal is None:
        raise InputError(
            f"{place}: {tag!r} is no tag of IO, IOB1, IOB2 or BIOES; write O, B-X at an entity's first word or I-X at"
            " its other words"
        )
    if scheme != "auto" and normal != "O" and normal[0] not in SCHEMES[scheme]:
        raise InputError(f"{place}: {tag!r} is no tag of {scheme}, which the task names; change the tag or the scheme")
    return normal


def _check_types(tag: str, typed: str, place: str) -> str:
    """Say whether tags bear types, "B-X" or "B"; refuse a file that does both, since its entities could not be told
    apart.
    """
    if tag == "O":
        return typed
    kind = "B-X" if "-" in tag else "B"
    if typed and kind != typed:
        raise InputError(
            f"{place}: {tag!r} is of the form {kind}, but tags before it are of the form {typed}; give all entities a"
            " type or none"
        )
    return kind
