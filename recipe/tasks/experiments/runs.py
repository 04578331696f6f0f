"""The runs of an experiment on disk: a finished one is a folder with run.json, and is not done again."""

import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from recipe.config import TaskConfig
from recipe.files import read_json, sha256_of_file, sha256_of_json, write_json
from recipe.provenance import git_commit, package_versions

SETTINGS = (
    "learning_rate",
    "batch_size",
    "num_train_epochs",
    "patience",
    "warmup_share",
    "weight_decay",
    "max_seq_length",
)


@dataclass(frozen=True)
class Contestant:
    """A model that is judged: a checkpoint's weights, or random ones of its shape."""

    name: str
    checkpoint: Path
    pretrained: bool

    def key(self) -> str:
        """A hash of all that it starts from."""
        return _key_of(self.checkpoint, self.pretrained)


@dataclass(frozen=True)
class Run:
    """One fine-tuning: what is trained, with which settings and seed, and where it lies."""

    folder: Path
    settings: dict[str, Any]
    seed: int
    config: TaskConfig

    @property
    def result(self) -> dict[str, Any]:
        """What it left in run.json."""
        return read_json(self.folder / "run.json")

    @property
    def test(self) -> dict[str, Any]:
        """Its scores on test."""
        return read_json(self.folder / "test.json")

    def is_trained(self) -> bool:
        """Whether it has come to its end; its model may be gone since."""
        return (self.folder / "run.json").is_file()

    def is_tested(self) -> bool:
        """Whether test was scored."""
        return (self.folder / "test.json").is_file()

    def is_ready_for_test(self) -> bool:
        """Whether test was scored or can be."""
        return self.is_tested() or (self.is_trained() and (self.folder / "model" / "config.json").is_file())

    def drop_model(self) -> None:
        """Remove the weights."""
        shutil.rmtree(self.folder / "model", ignore_errors=True)

    def write_result(self, devel_score: float, best_epoch: int, epochs: int, seconds: float) -> None:
        """Mark it as trained; to be written after its model."""
        found = {"devel_score": devel_score, "best_epoch": best_epoch, "epochs": epochs, "seconds": seconds}
        write_json(
            self.folder / "run.json",
            {**self.settings, "seed": self.seed, **found, "versions": package_versions(), "git_commit": git_commit()},
        )


def run_of(folder: Path, task_key: str, contestant_key: str, config: TaskConfig, seed: int) -> Run:
    """The run of these settings below a contestant's folder; other settings, data or weights have another place."""
    settings = {name: getattr(config, name) for name in SETTINGS}
    digest = sha256_of_json([task_key, contestant_key, settings, seed])[:10]
    name = f"rate{config.learning_rate:g}-batch{config.batch_size}-seed{seed}-{digest}"
    return Run(folder / "runs" / name, {"task": task_key, "start": contestant_key, **settings}, seed, config)


@cache
def _key_of(checkpoint: Path, pretrained: bool) -> str:
    weights = sorted([*checkpoint.glob("*.safetensors"), *checkpoint.glob("*.bin")]) if pretrained else []
    files = [checkpoint / "config.json", checkpoint / "tokenizer.json", *weights]
    return sha256_of_json([pretrained, *(sha256_of_file(path) for path in files if path.is_file())])
