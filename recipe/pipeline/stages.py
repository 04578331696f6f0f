"""The stages in their order: what each reads, which settings shape it, and which files it makes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from recipe.config import CorpusConfig, Recipe
from recipe.corpus.prepare import VERSION as CORPUS_VERSION
from recipe.files import sha256_once
from recipe.model.memory import require_memory
from recipe.pairs.sampling import VERSION as PAIRS_VERSION
from recipe.pipeline.inputs import (
    Input,
    corpus_inputs,
    inspection_inputs,
    pretrain_inputs,
    task_inputs,
    tokenizer_inputs,
)
from recipe.report.inspection import VERSION as INSPECTION_VERSION
from recipe.run_folder.integrity import COMMANDS
from recipe.tasks.experiments.protocol import VERSION as TASK_VERSION
from recipe.tokenizer.build import VERSION as TOKENIZER_VERSION
from recipe.tokens.store import VERSION as TOKENS_VERSION

# What a second phase takes from the first one by corpus.prepared_from.
SHARED_STAGES = ("corpus", "tokenizer", "tokens")


# The imports of the stages stand in their functions: torch and `datasets` take seconds to import, and bad input shall
# be found before.
def _prepare_corpus(recipe: Recipe) -> None:
    from recipe.corpus.prepare import prepare_corpus

    prepare_corpus(recipe)


def _make_tokenizer(recipe: Recipe) -> None:
    from recipe.tokenizer.build import make_tokenizer

    make_tokenizer(recipe)


def _inspect_tokenizer(recipe: Recipe) -> None:
    from recipe.report.inspection import inspect_run

    inspect_run(recipe)


def _build_tokens(recipe: Recipe) -> None:
    from recipe.tokens.build import build_token_stores

    build_token_stores(recipe)


def _build_pairs(recipe: Recipe) -> None:
    from recipe.pairs.dataset import build_pairs

    build_pairs(recipe)


def _pretrain(recipe: Recipe) -> None:
    require_memory(recipe)
    from recipe.pretraining.run import pretrain

    pretrain(recipe)


def _evaluate(recipe: Recipe) -> None:
    from recipe.pretraining.evaluation import evaluate

    evaluate(recipe)


def _finetune(recipe: Recipe) -> None:
    from recipe.tasks.experiments.stage import finetune_task

    finetune_task(recipe)


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline.

    run: does it.
    sections: the parts of the recipe that shape its result. reads: the stages whose results it needs.
    results: files below the run folder whose content decides whether later stages are redone.
    files: patterns of all files that it makes, which are compared with their sha256 when they are read.
    version: raised by hand when the same settings and input give another result.
    inputs: the user's files that it reads; raises InputError where they cannot serve, and is fast.
    """

    name: str
    run: Callable[[Recipe], None]
    sections: tuple[str, ...]
    reads: tuple[str, ...]
    results: tuple[str, ...]
    files: tuple[str, ...]
    version: int = 1
    inputs: Callable[[Recipe], Sequence[Input]] = lambda recipe: []

    @property
    def command(self) -> str:
        """What does it alone."""
        return COMMANDS[self.name]

    def recorded_settings(self, record: dict[str, Any]) -> dict[str, Any]:
        """The settings of its sections that it was made with; a key that the record lacks had its default."""
        return Recipe().settings(*self.sections) | record["settings"]

    def results_in(self, run: Path) -> dict[str, str | None]:
        """sha256 of each of its results in a run folder, None where it is not there."""
        paths = {name: run / name for name in self.results}
        return {name: sha256_once(path) if path.is_file() else None for name, path in paths.items()}

    def is_shared(self, recipe: Recipe) -> bool:
        """Whether its results are taken over from the run of corpus.prepared_from."""
        return recipe.corpus.prepared_from is not None and self.name in SHARED_STAGES

    def inputs_of(self, recipe: Recipe) -> Sequence[Input]:
        """What `inputs` gives, nothing where its results are taken over."""
        return [] if self.is_shared(recipe) else self.inputs(recipe)


# The split into training and validation is made after cleaning, so another share does not clean again.
_CORPUS_KEYS = tuple(f"corpus.{found.name}" for found in fields(CorpusConfig) if found.name != "validation_share")
_SPLIT_KEYS = ("seed", "corpus.validation_share")

STAGES = (
    Stage(
        name="corpus",
        run=_prepare_corpus,
        sections=_CORPUS_KEYS,
        reads=(),
        results=("corpus/sha256.json",),
        files=("corpus/*",),
        version=CORPUS_VERSION,
        inputs=corpus_inputs,
    ),
    Stage(
        name="tokenizer",
        run=_make_tokenizer,
        sections=(*_SPLIT_KEYS, "corpus.language", "tokenizer", "model.max_position_embeddings"),
        reads=("corpus",),
        results=("tokenizer/tokenizer.json",),
        files=("tokenizer/*",),
        version=TOKENIZER_VERSION,
        inputs=tokenizer_inputs,
    ),
    Stage(
        name="tokens",
        run=_build_tokens,
        sections=_SPLIT_KEYS,
        reads=("corpus", "tokenizer"),
        results=("store/train/sha256.json", "store/validation/sha256.json"),
        files=("store/train/*", "store/validation/*"),
        version=TOKENS_VERSION,
    ),
    Stage(
        name="pairs",
        run=_build_pairs,
        sections=("seed", "pairs"),
        reads=("tokenizer", "tokens"),
        results=("pairs/statistics.json",),
        files=("pairs/statistics.json", "pairs/sha256.json"),
        version=PAIRS_VERSION,
    ),
    Stage(
        name="inspect",
        run=_inspect_tokenizer,
        sections=(*_SPLIT_KEYS, "task.name", "task.data"),
        reads=("corpus", "tokenizer"),
        results=("fertility.json",),
        files=("fertility.json",),
        version=INSPECTION_VERSION,
        inputs=inspection_inputs,
    ),
    Stage(
        name="pretrain",
        run=_pretrain,
        sections=("seed", "masking", "model", "training"),
        reads=("tokenizer", "tokens", "pairs"),
        results=("model/config.json", "model/model.safetensors"),
        files=("model/*", "training.json"),
        inputs=pretrain_inputs,
    ),
    Stage(
        name="evaluate",
        run=_evaluate,
        sections=("seed", "masking"),
        reads=("tokens", "pairs", "pretrain"),
        results=("evaluation.json",),
        files=("evaluation.json",),
    ),
    Stage(
        name="task",
        run=_finetune,
        sections=("task",),
        reads=("pretrain",),
        results=("task/scores.json",),
        files=("task/**/*",),
        version=TASK_VERSION,
        inputs=task_inputs,
    ),
)
BY_NAME = {stage.name: stage for stage in STAGES}
