"""What is sent to a repository: each file's place there, and its bytes as others may see them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.privacy.traces import hidden, public_settings
from recipe.records import paths_of
from recipe.report.model_card import PLACEHOLDER

# Of a folder of a model. A list of what is allowed and not of what is forbidden: a Trainer's folder also holds
# training_args.bin (in older releases with the Hub token in clear), optimizer and trainer state, so everything that is
# not named stays at home.
MODEL_FILES = (
    "config.json",
    "model.safetensors",
    "model-*-of-*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
)
# Files in which paths of this machine may stand and that are no data: those of the tokenizer and the weights are sent
# as they are, or refused.
CLEANED = ("report.html", "README.md", "config.json", "tokenizer_config.json")


@dataclass(frozen=True)
class Sent:
    """A file to send: how messages call it (its path below the run folder), and its bytes or the file of them."""

    origin: str
    content: Path | bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def read(self) -> bytes:
        """The bytes."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


# By the path in the repository.
Files = dict[str, Sent]


@dataclass
class Upload:
    """What goes to one repository.

    repo: NAME/MODEL. type: "model" or "dataset". files: of the branch main. revisions: of other branches, by name.
    """

    repo: str
    type: str
    message: str
    private: bool
    files: Files
    revisions: dict[str, Files] = field(default_factory=dict)

    def all_files(self) -> list[Sent]:
        """The files of all branches."""
        return [sent for files in (self.files, *self.revisions.values()) for sent in files.values()]

    def listing(self) -> str:
        """Places and sizes, for people."""
        lines = [f"{self.repo}: {self.type}, {'private' if self.private else 'public'}"]
        for revision, files in {"main": self.files, **self.revisions}.items():
            lines += [f"revision {revision}:"] if self.revisions else []
            lines += [f"{sent.size:>15,}  {place}" for place, sent in sorted(files.items())]
        return "\n".join([*lines, f"{self.total()}; nothing was sent"])

    def total(self) -> str:
        """How many files and bytes there are on all branches."""
        sizes = [sent.size for sent in self.all_files()]
        return f"{len(sizes):,} files, {sum(sizes):,} bytes"


def chosen_files(folder: Path, patterns: Iterable[str], run: Path, recipe: Recipe, below: str = "") -> Files:
    """The files of a folder whose names match, at the top of the repository or below a folder there."""
    patterns = tuple(patterns)
    paths = [
        path
        for path in sorted(folder.glob("*"))
        if path.is_file() and any(fnmatchcase(path.name, pattern) for pattern in patterns)
    ]
    return {below + path.name: file_of(path, run, recipe) for path in paths}


def file_of(path: Path, run: Path, recipe: Recipe) -> Sent:
    """A file of a run: without private paths, and in the card with the name of the repository.

    Raises:
        InputError: if what should be text is not UTF-8.
    """
    origin = path.relative_to(run).as_posix()
    if path.name not in CLEANED:
        return Sent(origin, path)
    try:
        text = hidden(path.read_text(encoding="utf-8"), paths_of(recipe))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 ({error.reason}), so nothing was uploaded; write it again") from None
    return Sent(origin, (with_repo(text, recipe) if path.name == "README.md" else text).encode())


def with_repo(card: str, recipe: Recipe) -> str:
    """A card with the name of its repository."""
    return card.replace(PLACEHOLDER, recipe.hub.repo or PLACEHOLDER)


def recipe_file(recipe: Recipe) -> Files:
    """recipe.yaml: the file in the run folder keeps the full paths, with which it can be run again there."""
    return {"recipe.yaml": Sent("recipe.yaml", public_settings(recipe).to_yaml().encode())}
