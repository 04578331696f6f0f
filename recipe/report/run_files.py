"""Run folder -> the JSON files of its stages, for the report and the model card."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe.config import TrainingConfig
from recipe.errors import InputError
from recipe.files import read_json

COMMANDS = {
    "corpus": "domain-bert corpus",
    "pairs": "domain-bert pairs",
    "tokenizer": "domain-bert tokenizer",
    "fertility": "domain-bert run",
    "training": "domain-bert pretrain",
    "evaluation": "domain-bert evaluate",
    "task": "domain-bert finetune",
    "stages": "domain-bert run",
}

PATHS = {
    "corpus": "corpus/statistics.json",
    "pairs": "pairs/statistics.json",
    "tokenizer": "tokenizer/statistics.json",
    "fertility": "fertility.json",
    "training": "training.json",
    "evaluation": "evaluation.json",
    "task": "task/scores.json",
    "stages": "stages.json",
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
    return RunFiles(folder=folder, **{name: _read(folder / path, COMMANDS[name]) for name, path in PATHS.items()})


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
