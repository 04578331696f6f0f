"""Run folder -> the JSON files of its stages, for the report and the model card."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from recipe.errors import InputError
from recipe.files import read_json, sha256_once
from recipe.formatting import NOT_KNOWN
from recipe.records import read_records


class RunFile(NamedTuple):
    """A file below the run folder, and the command that makes it."""

    path: str
    command: str


FILES = {
    "corpus": RunFile("corpus/statistics.json", "domain-bert corpus"),
    "pairs": RunFile("pairs/statistics.json", "domain-bert pairs"),
    "tokenizer": RunFile("tokenizer/statistics.json", "domain-bert tokenizer"),
    "fertility": RunFile("fertility.json", "domain-bert run"),
    "training": RunFile("training.json", "domain-bert pretrain"),
    "evaluation": RunFile("evaluation.json", "domain-bert evaluate"),
    "task": RunFile("task/scores.json", "domain-bert finetune"),
    "stages": RunFile("stages.json", "domain-bert run"),
}


@dataclass(frozen=True)
class RunFiles:
    """The JSON files of a run folder; None where the stage has not run."""

    folder: Path
    corpus: dict[str, Any] | None = None
    pairs: dict[str, Any] | None = None
    tokenizer: dict[str, Any] | None = None
    fertility: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    evaluation: dict[str, Any] | None = None
    task: dict[str, Any] | None = None
    stages: dict[str, Any] | None = None

    def training_log(self) -> list[dict[str, Any]]:
        """Log lines of training steps, in order."""
        return [line for line in (self.training or {}).get("log_history", []) if "mlm_loss" in line]

    def validation_log(self) -> list[dict[str, Any]]:
        """Log lines of validations, in order."""
        return [line for line in (self.training or {}).get("log_history", []) if "eval_mlm_loss" in line]

    def precision(self) -> str:
        """The numbers in which the model was trained."""
        return str((self.training or {}).get("precision") or NOT_KNOWN)

    def last(self, name: str) -> Any:
        """The newest value of a field in the log of training steps, None if there is none."""
        return next((line[name] for line in reversed(self.training_log()) if line.get(name) is not None), None)


def read_run_files(folder: Path) -> RunFiles:
    """Read what stands in a run folder.

    Raises:
        InputError: if a file is there but is no JSON object, such as one that another program wrote or cut off.
    """
    recorded = {path: sha for record in read_records(folder).values() for path, sha in record.get("files", {}).items()}
    return RunFiles(folder=folder, **{name: _read(folder, file, recorded) for name, file in FILES.items()})


def _read(folder: Path, file: RunFile, recorded: dict[str, str]) -> dict[str, Any] | None:
    path, command = folder / file.path, file.command
    if not path.is_file():
        return None
    if file.path in recorded and recorded[file.path] != sha256_once(path):
        raise InputError(f"{path}: is not as it was written, its sha256 differs; run `{command}` again")
    return read_json(path, f"remove it and run `{command}` again")
