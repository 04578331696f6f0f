"""task.yaml in a folder, or hub:NAME/DATA?type=... -> what a task of one's own is: type, files, columns, labels."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from recipe.corpus.readers.hub_dataset import HubSource
from recipe.corpus.sources import HUB
from recipe.errors import InputError
from recipe.inputs.options import nearest_name
from recipe.inputs.strict_yaml import compose, value_of
from recipe.tasks.data.columns import lines_of
from recipe.tasks.data.records import TASK_SPLITS, find_split

TASK_YAML = "task.yaml"
KEYS = ("type", "metric", "source", "splits", "columns", "labels")
_TEXT, _LABEL = ("text", "sentence"), ("label", "labels")
# By type: its columns, each with the names that are looked for where task.yaml names none.
COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    "classification": {"text": _TEXT, "label": _LABEL},
    "multilabel": {"text": _TEXT, "label": ("labels", "label")},
    "pairs": {"text1": ("text1", "sentence1"), "text2": ("text2", "sentence2"), "label": _LABEL},
    "similarity": {
        "text1": ("text1", "sentence1"),
        "text2": ("text2", "sentence2"),
        "score": ("score", "similarity", "label"),
    },
    "entities": {"tokens": ("tokens", "words"), "tags": ("ner_tags", "tags")},
}
# By type: its metrics, the default first.
METRICS = {
    "classification": ("accuracy", "macro_f1"),
    "multilabel": ("micro_f1", "macro_f1"),
    "pairs": ("accuracy", "macro_f1"),
    "similarity": ("pearson", "spearman"),
    "entities": ("f1",),
}
ENDINGS = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
# Files of entities that are a word and its tag per line.
COLUMN_ENDINGS = (".tsv", ".txt", ".conll", ".iob", ".iob2", ".bio")
_OFFER = "; name a file for it in `splits`, or a share of train, such as `{split}: 0.1`"


@dataclass(frozen=True)
class TaskYaml:
    """What a task.yaml, or the address of a data set, says; checked as far as that can be without the data.

    place: the file or address, for messages. splits: by split a file or the name of a split at the Hub, or the share
    of train that it is, 0..1. columns: by role the name of a column; a list of names for labels that have a column
    each. labels: what the data have -> the label; None: learned from train.
    """

    place: str
    folder: Path
    name: str
    type: str
    metric: str
    source: str | None = None
    splits: dict[str, str | float] = field(default_factory=dict)
    columns: dict[str, str | list[str]] = field(default_factory=dict)
    labels: dict[str, str] | None = None

    @property
    def task_type(self) -> str:
        """The task's type and metric, a key of `recipe.tasks.own.types.OWN_TYPES`."""
        return f"{self.type}-{self.metric}"

    @property
    def options(self) -> dict[str, Any]:
        """All that the examples depend on, but for the data, as JSON can have it."""
        return {name: value for name, value in asdict(self).items() if name not in ("place", "folder", "name")}

    @property
    def files(self) -> list[Path | HubSource]:
        """task.yaml and the files of the splits, or the data set."""
        if self.source is not None:
            own = [Path(self.place)] if self.folder.parts else []
            return [*own, HubSource(self.source.removeprefix(HUB))]
        return [Path(self.place), *dict.fromkeys(self.file_of(split) for split in self.named_splits)]

    @property
    def named_splits(self) -> list[str]:
        """The splits that are not a share of train."""
        return [split for split in TASK_SPLITS if not isinstance(self.splits.get(split), float)]

    def file_of(self, split: str) -> Path:
        """The file of a split that is in one; an `InputError` if it is not there or of no form that is read."""
        endings = (*ENDINGS, *COLUMN_ENDINGS[1:]) if self.type == "entities" else ENDINGS
        if split not in self.splits:
            return find_split(self.folder, split, endings, "" if split == "train" else _OFFER.format(split=split))
        path = self.folder / str(self.splits[split])
        if not path.is_file():
            raise InputError(f"{self.place}: splits.{split} is {self.splits[split]}, but {path} is not a file")
        if path.suffix not in endings:
            raise InputError(f"{self.place}: splits.{split} is {path.name}; a file ends in {', '.join(endings)}")
        return path


def source_of(source: str) -> tuple[str, dict[str, str]]:
    """hub:NAME/DATA?name=CONFIG&revision=REVISION -> NAME/DATA, and what stands after the question mark."""
    name, _, query = source.removeprefix(HUB).partition("?")
    return name, dict(parse_qsl(query, keep_blank_values=True))


def find_task_yaml(name: str) -> TaskYaml | None:
    """The task of a data set of the Hub or of a folder with a task.yaml; None for every other name."""
    if name.startswith(HUB):
        return _of_address(name)
    folder = Path(name).expanduser()
    return read_task_yaml(folder) if (folder / TASK_YAML).is_file() else None


def read_task_yaml(folder: Path) -> TaskYaml:
    """Read FOLDER/task.yaml.

    Raises:
        InputError: for what is not YAML, an unknown key, or a value that cannot be; it names the key.
    """
    path = folder / TASK_YAML
    # As texts: a label 017 or no is what is written in the files, and not a number or a boolean.
    values = value_of(compose("\n".join(lines_of(path)), str(path)), as_text=True)
    if not isinstance(values, dict):
        raise InputError(f"{path}: has no keys; write `type: classification` and what docs/tasks.md explains")
    return _checked(values, str(path), folder, folder.resolve().name)


def _of_address(address: str) -> TaskYaml:
    """hub:NAME/DATA?type=pairs&text1=premise&devel=validation&labels=a,b&name=CONFIG&revision=REVISION."""
    name, given = source_of(address)
    source: dict[str, str] = {key: given.pop(key) for key in ("name", "revision") if key in given}
    values: dict[str, Any] = {"source": f"{HUB}{name}" + (f"?{urlencode(source)}" if source else "")}
    for key, text in given.items():
        if key in TASK_SPLITS:
            values.setdefault("splits", {})[key] = text
        elif key == "labels":
            values[key] = text.split(",")
        elif key in ("type", "metric"):
            values[key] = text
        else:
            values.setdefault("columns", {})[key] = text
    parts = [name.rstrip("/").rpartition("/")[2], *([source["name"]] if "name" in source else [])]
    return _checked(values, address, Path(), "-".join(parts))


def _checked(values: dict[str, Any], place: str, folder: Path, name: str) -> TaskYaml:
    _known(values, KEYS, place, "")
    for key in ("type", "metric", "source"):
        if key in values and not isinstance(values[key], str):
            raise InputError(f"{place}: {key} is {values[key]!r}; it takes one word")
    if (kind := values.get("type")) not in COLUMNS:
        is_given = f"type is {kind!r}" if kind else "has no type"
        raise InputError(f"{place}: {is_given}; it takes {', '.join(COLUMNS)}")
    metric = values.get("metric", METRICS[kind][0])
    if metric not in METRICS[kind]:
        same = " (of one label per text accuracy is the micro F1)" if "accuracy" in METRICS[kind] else ""
        raise InputError(f"{place}: metric is {metric!r}; {kind} takes {' or '.join(METRICS[kind])}{same}")
    source = values.get("source")
    if source is not None and (not source.startswith(HUB) or source_of(source)[1].keys() - {"name", "revision"}):
        form = "hub:NAME/DATA, with ?name=CONFIG&revision=REVISION where it needs them; splits are keys of `splits`"
        raise InputError(f"{place}: source is {source!r}; it takes {form}")
    columns = _mapping(values, "columns", place)
    _known(columns, ("id", *COLUMNS[kind]), place, "columns.")
    for role, column in columns.items():
        is_many = kind == "multilabel" and role == "label" and _is_list_of_texts(column)
        if not is_many and not (isinstance(column, str) and column):
            raise InputError(f"{place}: columns.{role} is {column!r}; it takes the name of a column")
    splits, labels = _splits(values, place), _labels(values, kind, place)
    return TaskYaml(place, folder, name, kind, metric, source, splits, columns, labels)


def _splits(values: dict[str, Any], place: str) -> dict[str, str | float]:
    splits = _mapping(values, "splits", place)
    _known(splits, TASK_SPLITS, place, "splits.")
    found: dict[str, str | float] = {}
    for split, text in splits.items():
        if not isinstance(text, str) or not text:
            raise InputError(f"{place}: splits.{split} is {text!r}; it takes a file, or a share of train such as 0.1")
        try:
            found[split] = float(text)
        except ValueError:
            found[split] = text
    shares = {split: share for split, share in found.items() if isinstance(share, float)}
    # Half is left for training: a larger share is rather a percentage, or a mistake.
    if "train" in shares or not all(0 < share < 1 for share in shares.values()) or sum(shares.values()) > 0.5:
        written = ", ".join(f"{split}: {splits[split]}" for split in shares)
        raise InputError(f"{place}: splits has {written}; devel and test take a share above 0, together at most 0.5")
    return found


def _labels(values: dict[str, Any], kind: str, place: str) -> dict[str, str] | None:
    if "labels" not in values:
        return None
    labels = values["labels"]
    if kind == "similarity":
        raise InputError(f"{place}: labels is given, but similarity has scores; take it out")
    if _is_list_of_texts(labels):
        found = {label: label for label in labels}
        if len(found) < len(labels):
            raise InputError(f"{place}: labels names one label twice; remove one of the two")
    elif isinstance(labels, dict) and labels and all(isinstance(name, str) and name for name in labels.values()):
        found = labels
    else:
        how = "a list such as [no, yes], or what the data have with its name, such as {0: no, 1: yes}"
        raise InputError(f"{place}: labels is {labels!r}; it takes {how}")
    found = {" ".join(written.split()): " ".join(name.split()) for written, name in found.items()}
    if kind != "entities" and len({*found.values()}) < 2 - (kind == "multilabel"):
        raise InputError(f"{place}: labels names {', '.join(found.values())} only; a task needs two labels")
    return found


def _mapping(values: dict[str, Any], key: str, place: str) -> dict[str, Any]:
    found = values.get(key, {})
    if not isinstance(found, dict):
        example = {"splits": "train: train.csv", "columns": "text: sentence"}[key]
        raise InputError(f"{place}: {key} is {found!r}; write keys below it, such as `{example}`")
    return found


def _known(values: dict[str, Any], names: tuple[str, ...], place: str, section: str) -> None:
    for name in values:
        if name not in names:
            near = nearest_name(name, names)
            hint = f"; did you mean {section}{near}?" if near else f"; it takes {', '.join(names)}"
            raise InputError(f"{place}: unknown key {section}{name}{hint}")


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) and one for one in value)
