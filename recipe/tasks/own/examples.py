"""Records of a `TaskYaml` -> the examples that the task types take: texts, pairs, tagged sentences."""

from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Any

from recipe.errors import InputError
from recipe.tasks.data.columns import NerTask, TaggedSentence, labels_of, read_sentences
from recipe.tasks.data.examples import Example, TextTask, id_of
from recipe.tasks.data.records import TASK_SPLITS, Record
from recipe.tasks.data.schemes import detect_scheme, normal_tag, to_iob2
from recipe.tasks.own.rows import read_splits, split_by_share
from recipe.tasks.own.task_yaml import COLUMN_ENDINGS, COLUMNS, TaskYaml
from recipe.tasks.types.similarity import gold_score

UNITS = {"classification": "texts", "multilabel": "texts", "pairs": "pairs", "similarity": "pairs"}
_FLAGS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


def read_own_task(own: TaskYaml) -> TextTask | NerTask:
    """The task of a task.yaml.

    Raises:
        InputError: for data that are not as it says; it names the file, and the line or row.
    """
    if own.type == "entities":
        return _entities(own)
    splits = _records(own)
    labels = {} if own.type == "similarity" else own.labels or _learned(own, splits["train"])
    read_gold: Callable[[Record], Any] = gold_score if own.type == "similarity" else _gold_of(own, labels)
    examples: dict[str, Any] = {split: _examples(own, records, read_gold) for split, records in splits.items()}
    _refuse_same_splits(own, {split: [(one.text, one.other) for one in examples[split]] for split in TASK_SPLITS})
    task = TextTask(own.name, [*dict.fromkeys(labels.values())] or ["score"], UNITS[own.type], **examples)
    if own.type == "multilabel":
        task.further["labels"] = lambda example: len(example.gold)
    _note_overlap(task)
    return task


def _records(own: TaskYaml) -> dict[str, list[Record]]:
    """The records of all three splits."""
    shares = {split: share for split, share in own.splits.items() if isinstance(share, float)}
    found = read_splits(own)
    roles = [role for role in COLUMNS[own.type] if role in ("text", "text1", "text2", "tokens")]
    found |= split_by_share(found["train"], shares, roles)
    for split, records in found.items():
        if not records:
            raise InputError(f"{own.place}: the share for {split} leaves {split} without a row; change it in `splits`")
    return {split: found[split] for split in TASK_SPLITS}


def _examples(own: TaskYaml, records: list[Record], read_gold: Callable[[Record], Any]) -> list[Example]:
    first, second = ("text1", "text2") if "text1" in COLUMNS[own.type] else ("text", None)
    return [
        Example(id_of(record, number), record.text(first), record.text(second) if second else "", read_gold(record))
        for number, record in enumerate(records, start=1)
    ]


def _written(value: Any) -> str:
    """A label as text, as task.yaml and CSV write it."""
    return " ".join((str(value).lower() if isinstance(value, bool) else str(value)).split())


def _learned(own: TaskYaml, train: list[Record]) -> dict[str, str]:
    """The labels of train, in the order of their names."""
    names = {name for record in train for name in _names(own.type, record)}
    return {name: name for name in sorted(names)}


def _names(kind: str, record: Record) -> list[str]:
    """The labels of a record as they are written."""
    value = record.values["label"]
    if kind != "multilabel":
        if isinstance(value, (list, dict)):
            raise InputError(f"{record.place}: the label {str(value)[:60]} is not one label; use `type: multilabel`")
        return [_written(value)]
    if isinstance(value, dict):
        return [column for column, flag in value.items() if _flag(record, column, flag)]
    if not isinstance(value, list):
        # One cell for several labels.
        cell = str(value).strip("[] ")
        value = cell.split(next((mark for mark in "|;," if mark in cell), None) or "\n")
    return [name for each in value if (name := _written(each))]


def _flag(record: Record, column: str, value: Any) -> bool:
    written = _written(value)
    if written not in _FLAGS:
        raise InputError(f"{record.place}: {column} is {written[:60]!r}; the column of a label takes 0 or 1")
    return _FLAGS[written]


def _gold_of(own: TaskYaml, labels: dict[str, str]) -> Callable[[Record], Any]:
    """Record -> its label, or the set of its labels."""
    if own.type != "multilabel":
        return lambda record: _known(record, _names(own.type, record)[0], labels)
    # A predictions file has the labels of a text with commas between them, and - for none.
    if bad := next((name for name in labels.values() if "," in name or name == "-"), None):
        raise InputError(
            f"{own.place}: the label {bad!r} has a comma, or is -; rename it by `labels: {{{bad!r}: NAME}}`"
        )
    return lambda record: frozenset(_known(record, name, labels) for name in _names(own.type, record))


def _known(record: Record, name: str, labels: dict[str, str]) -> str:
    if name not in labels:
        known = ", ".join(labels)[:200]
        remedy = "correct it, or name all labels in `labels`; without `labels` they are those of train"
        raise InputError(f"{record.place}: the label {name[:60]!r} is not one of {known}; {remedy}")
    return labels[name]


def _refuse_same_splits(own: TaskYaml, texts: dict[str, list[Any]]) -> None:
    for one, other in combinations(TASK_SPLITS, 2):
        if sorted(texts[one]) == sorted(texts[other]):
            how = f"a score on texts of {one} says nothing; name another file or split in `splits`"
            raise InputError(f"{own.place}: {one} and {other} have the same {len(texts[one])} texts; {how}")


def _note_overlap(task: TextTask) -> None:
    # Printed and not refused: short texts, such as "Yes.", may well be in both.
    known = {(one.text, one.other) for one in task.train}
    for split in ("devel", "test"):
        same = sum((one.text, one.other) in known for one in getattr(task, split))
        task.notes[f"{task.unit} of {split} that are also in train"] = same


def _entities(own: TaskYaml) -> NerTask:
    columns = own.source is None and all(own.file_of(name).suffix in COLUMN_ENDINGS for name in own.named_splits)
    if columns:
        if len(own.named_splits) < len(TASK_SPLITS):
            raise InputError(f"{own.place}: a share of train is taken of rows, not of columns of words; name a file")
        read = {split: read_sentences(own.file_of(split)) for split in TASK_SPLITS}
    else:
        read = {split: _tagged(own, records) for split, records in _records(own).items()}
    sentences: dict[str, Any] = {split: found[0] for split, found in read.items()}
    _refuse_same_splits(own, {split: [one.words for one in sentences[split]] for split in TASK_SPLITS})
    labels = labels_of(sentences["train"])
    for split in ("devel", "test"):
        unknown = [tag for tag in labels_of(sentences[split]) if tag not in labels]
        if unknown:
            number = next(n for n, one in enumerate(sentences[split], 1) if {*one.tags} & {*unknown})
            known = ", ".join(sorted({tag[2:] for tag in labels[1:]})) or "none"
            why = f"its sentence {number} has entities of the type {unknown[0][2:]}, which train has not ({known})"
            raise InputError(f"{own.place}: {split}: {why}; correct it, or move such a sentence to train")
    schemes = {split: scheme for split, (_, scheme, _) in read.items()}
    repairs = {split: places for split, (_, _, places) in read.items()}
    return NerTask(own.name, labels, **sentences, schemes=schemes, repairs=repairs)


def _tagged(own: TaskYaml, records: Iterable[Record]) -> tuple[list[TaggedSentence], str, list[int]]:
    """Sentences in IOB2, the scheme of their tags, and the numbers of sentences whose tags broke its rules."""
    words, tags = [], []
    for record in records:
        tokens, written = record.values["tokens"], record.values["tags"]
        if not isinstance(tokens, list) or not isinstance(written, list) or len(tokens) != len(written) or not tokens:
            sizes = [len(one) if isinstance(one, list) else f"{str(one)[:20]!r}" for one in (tokens, written)]
            raise InputError(
                f"{record.place}: tokens ({sizes[0]}) and tags ({sizes[1]}) are not two lists of one length"
            )
        words.append([_word(record, token) for token in tokens])
        tags.append([_tag(own, record, tag) for tag in written])
    scheme = detect_scheme(tags)
    read = [to_iob2(of_sentence, scheme) for of_sentence in tags]
    sentences = [TaggedSentence(of_words, iob2) for of_words, (iob2, _) in zip(words, read, strict=True)]
    return sentences, scheme, [number for number, (_, repaired) in enumerate(read, 1) for _ in repaired]


def _word(record: Record, token: Any) -> str:
    if not isinstance(token, str) or not token.strip():
        raise InputError(f"{record.place}: the token {token!r} is not a word; take it and its tag out")
    return " ".join(token.split())


def _tag(own: TaskYaml, record: Record, written: Any) -> str:
    name = _written(written) if own.labels is None else _known(record, _written(written), own.labels)
    tag = normal_tag(name)
    if tag is None:
        how = "write O, B-X and I-X, or say in `labels` what numbers mean, such as {0: O, 1: B-X, 2: I-X}"
        raise InputError(f"{record.place}: {name[:60]!r} is not a tag of IO, IOB1, IOB2 or BIOES; {how}")
    return tag
