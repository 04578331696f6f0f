"""Run folder -> the JSON files of its stages, for the report and the model card."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from recipe.config import TrainingConfig
from recipe.errors import InputError
from recipe.files import read_json


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

    def last(self, name: str) -> Any:
        """The newest value of a field in the log of training steps, None if there is none."""
        return next((line[name] for line in reversed(self.training_log()) if line.get(name) is not None), None)


def read_run_files(folder: Path) -> RunFiles:
    """Read what stands in a run folder.

    Raises:
        InputError: if a file is there but is no JSON object, such as one that another program wrote or cut off.
    """
    return RunFiles(folder=folder, **{name: _read(folder / file.path, file.command) for name, file in FILES.items()})


def _read(path: Path, command: str) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content = read_json(path)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is no JSON ({error}); remove it and run `{command}` again") from None
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: holds a {type(content).__name__} where an object belongs; remove it and run `{command}` again"
        )
    return content


def precision_name(training: TrainingConfig) -> str:
    """The number format of pretraining in words."""
    return "bfloat16" if training.bf16 else "float16" if training.fp16 else "float32"
