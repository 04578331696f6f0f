"""The runs of an experiment on disk: a finished one is a folder with run.json, and is not done again."""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from recipe.files import read_json, sha256_of_file, sha256_of_json, write_json
from recipe.provenance import git_commit, package_versions
from recipe.tasks.finetuning.settings import RunSettings


@dataclass(frozen=True)
class System:
    """A model that is evaluated: the weights of a checkpoint, or a random initialisation of its shape."""

    name: str
    checkpoint: Path
    pretrained: bool

    @cached_property
    def key(self) -> str:
        """A hash of all that it starts from."""
        folder = self.checkpoint
        # A random initialisation has only the shape, so new weights do not redo its runs.
        weights = sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")]) if self.pretrained else []
        files = [folder / "config.json", folder / "tokenizer.json", *weights]
        return sha256_of_json([self.pretrained, *(sha256_of_file(path) for path in files if path.is_file())])


@dataclass(frozen=True)
class Run:
    """One fine-tuning: its settings and seed, the keys of task and system, and its folder."""

    folder: Path
    task_key: str
    system_key: str
    settings: RunSettings
    seed: int

    @property
    def result(self) -> dict[str, Any]:
        """What it left in run.json."""
        return read_json(self.folder / "run.json")

    @property
    def test(self) -> dict[str, Any]:
        """Its scores on test."""
        return read_json(self.folder / "test.json")

    def is_trained(self) -> bool:
        """Whether training has ended; the model may have been removed since."""
        return (self.folder / "run.json").is_file()

    def is_tested(self) -> bool:
        """Whether its scores on test are there."""
        return (self.folder / "test.json").is_file()

    def is_ready_for_test(self) -> bool:
        """Whether test was scored or can be."""
        # A tested run may have lost its model, but its scores are there.
        return self.is_tested() or (self.is_trained() and (self.folder / "model" / "config.json").is_file())

    def write_result(self, devel_score: float | None, best_epoch: int, epochs: int, seconds: float) -> None:
        """Mark it as trained; to be called after its model was written."""
        start = {"task": self.task_key, "start": self.system_key, **asdict(self.settings), "seed": self.seed}
        found = {"devel_score": devel_score, "best_epoch": best_epoch, "epochs": epochs, "seconds": seconds}
        made_with = {"versions": package_versions(), "git_commit": git_commit()}
        write_json(self.folder / "run.json", {**start, **found, **made_with})


def run_of(folder: Path, task_key: str, system_key: str, settings: RunSettings, seed: int) -> Run:
    """The run of these settings below a system's folder."""
    # The hash in the name gives other data or weights another folder, so a finished run is never taken for theirs.
    digest = sha256_of_json([task_key, system_key, asdict(settings), seed])[:10]
    name = f"rate{settings.learning_rate:g}-batch{settings.batch_size}-seed{seed}-{digest}"
    return Run(folder / "runs" / name, task_key, system_key, settings, seed)
