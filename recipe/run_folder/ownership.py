"""Whose a file of a run folder is: what a stage replaces must be its own, and the user's files are refused."""

import errno
import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from recipe.errors import InputError

_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt")
_CURVES = ("mlm_loss", "mlm_accuracy", "nsp_loss", "nsp_accuracy", "learning_rate")
# whole_words: drawn by earlier reports; now it is text of the page.
_PLOTS = ("cleaning", "pair_lengths", "label_balance", "whole_words", "fertility", "task_scores")
_STORE = ("tokens.bin", "sentences.bin", "documents.bin", "store.json", "sha256.json")
# Folders that are replaced as a whole, with the names of all that may be in them.
REPLACED = {
    "corpus": ("documents-*.parquet", "sha256.json", "statistics.json", "removed.jsonl"),
    "tokenizer": (*_TOKENIZER, "statistics.json"),
    "store": (),
    "store/train": _STORE,
    "store/validation": _STORE,
    "model": (*_TOKENIZER, "*config.json", "*.safetensors", "*.safetensors.index.json", "README.md"),
    "plots": tuple(f"{name}.png" for name in (*_CURVES, *_PLOTS)),
}
FOLDERS = (
    *("corpus", "tokenizer", "store", "pairs", "passes", "checkpoints", "model", "task", "plots"),
    *("cluster", "heartbeats", "tensorboard"),
)
_WRITTEN_OVER = ("recipe.yaml", "report.html", "fertility.json", "training.json", "progress.json", "evaluation.json")
FILES = (*_WRITTEN_OVER, "stages.json", "inputs.json", "events.jsonl", "run.lock", "run.lock.json")
# What systems leave by themselves.
_LITTER = (".DS_Store", ".nfs*", "Thumbs.db", "*.lock")


def check_run_dir(run: Path, text: str) -> None:
    """Refuse a run_dir that cannot be written; nothing is made.

    Args:
        text: run_dir as the user wrote it, for messages.

    Raises:
        InputError: for a file, a dangling link, a name that is too long, or a folder without the right to write.
    """
    other = "set run_dir to a folder that can be written, such as runs/my-bert"
    if not text.strip():
        raise InputError(f"run_dir is {text!r}; {other}")
    try:
        # With room for the names of what will be in it.
        os.lstat(run / ("x" * 100))
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) or error.errno == errno.ENAMETOOLONG:
            shown = text if len(text) < 80 else f"{text[:40]}...{text[-20:]}"
            raise InputError(f"run_dir: {shown!r} is no possible name of a folder; {other}") from None
    place = Path(os.path.abspath(run))
    while not os.path.lexists(place):
        place = place.parent
    if place.is_symlink() and not place.exists():
        raise InputError(f"run_dir: {place} is a link that leads nowhere; remove the link, or {other}")
    if not place.is_dir():
        raise InputError(f"run_dir: {place} is a file, not a folder; {other}")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"run_dir: {place} cannot be written (no permission, or a read-only disk); {other}")
    for name in FOLDERS:
        if os.path.lexists(run / name) and not (run / name).is_dir():
            raise InputError(f"{run / name}: is not a folder, but a stage writes into one of this name; move it away")
    for name in FILES:
        if (run / name).is_dir():
            raise InputError(f"{run / name}: is a folder, but a stage writes a file of this name; move it away")
    # `Recipe.to_yaml` writes no comments; and before the first stage began nothing here is a stage's.
    is_new = not (run / "stages.json").is_file() and not (run / "events.jsonl").is_file()
    for name in _WRITTEN_OVER if is_new else ():
        if os.path.lexists(run / name):
            raise InputError(f"{run / name}: no stage wrote this file, but one would write over it; move it elsewhere")
    if _has_comments(run / "recipe.yaml"):
        raise InputError(
            f"{run / 'recipe.yaml'}: has comments, so no stage wrote it, and a stage would replace it; move it out of"
            " the run folder"
        )


def refuse_foreign(run: Path, results: Iterable[str]) -> None:
    """Refuse to replace a folder in which there is a file that no stage writes.

    Args:
        results: files of a stage below the run folder.

    Raises:
        InputError: that names the first such file.
    """
    tops = {Path(result).parts[0] for result in results}
    for folder, names in REPLACED.items():
        if Path(folder).parts[0] not in tops:
            continue
        for path in sorted((run / folder).glob("*")):
            # What is in a folder that the stage writes itself is looked at in its own turn.
            is_own = f"{folder}/{path.name}" in REPLACED or path.name.endswith((".blocks", ".partial"))
            allowed = () if path.is_dir() else (*names, *_LITTER)
            if not is_own and not any(fnmatchcase(path.name, pattern) for pattern in allowed):
                raise InputError(
                    f"{path}: no stage wrote this file, but {run / folder} is replaced now; move it elsewhere, or set"
                    " --run_dir to another folder"
                )


def refuse_own(run: Path, key: str, paths: Iterable[str | Path], folders: tuple[str, ...] = FOLDERS) -> None:
    """Refuse an input that lies where stages write.

    Args:
        key: of the recipe, for the message.
        folders: of the run folder, in which no input may lie.

    Raises:
        InputError: that names the file and the folder.
    """
    for path in paths:
        place = _place(str(path))
        if "://" in place:
            continue
        # As it is written and as it is: a link is replaced where it stands, a file where it leads to.
        forms = (
            (os.path.abspath(run), os.path.abspath(os.path.expanduser(place))),
            (os.path.realpath(run), os.path.realpath(os.path.expanduser(place))),
        )
        for root, found in forms:
            if not found.startswith(root.rstrip("/") + "/"):
                continue
            first = Path(found).relative_to(root).parts[0]
            # corpus.partial and store.blocks are removed as well.
            name = first.partition(".")[0]
            if name in folders or (folders == FOLDERS and first in FILES):
                raise InputError(
                    f"{key}: {path} lies in {run / first}, which a stage of this run writes and replaces; move it"
                    " elsewhere, or set --run_dir to another folder"
                )


def refuse_around(run: Path, key: str, entries: Iterable[str]) -> None:
    """Refuse a folder or a pattern of inputs below which the run folder lies: its own files would become input.

    Raises:
        InputError: that names the entry.
    """
    inner = os.path.realpath(run)
    for entry in entries:
        place = _place(entry)
        outer = Path(os.path.expanduser(place))
        if "**" in place:
            outer = Path(os.path.expanduser(place.partition("**")[0] + "x")).parent
        root = os.path.realpath(outer).rstrip("/") + "/"
        if "://" not in place and outer.is_dir() and (inner + "/").startswith(root):
            raise InputError(
                f"{key}: the run folder {run} lies below {entry}, so the run's own files would be read as input; set"
                " --run_dir to a folder elsewhere"
            )


def _place(entry: str) -> str:
    """The path of an entry of corpus.path that is local, also of hub:FOLDER?split=train and file://PATH."""
    if entry.startswith("hub:"):
        entry = entry.removeprefix("hub:").partition("?")[0]
    return entry.removeprefix("file://").removeprefix("local://")


def _has_comments(path: Path) -> bool:
    try:
        return any(line.lstrip().startswith("#") for line in path.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        return False
