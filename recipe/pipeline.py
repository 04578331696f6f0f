"""The stages of a run in their order: each is done once, and again only when its settings, its input's content or its
code have changed.

A stage's key is a hash of the settings that shape its result, of the content that it reads and, for the cheap stages,
of its code. RUN/stages.json remembers the key and the content of what came out; both must still be as they were, else
the stage runs again.
"""

import importlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from recipe.config import CorpusConfig, Recipe
from recipe.corpus import Source
from recipe.corpus.cleaning import task_files
from recipe.corpus.readers.hub_dataset import HubSource
from recipe.corpus.reading import corpus_sources
from recipe.errors import InputError
from recipe.files import read_json, sha256_of_file, sha256_of_json, write_json
from recipe.processes import is_first_process
from recipe.provenance import code_hash, git_commit, package_versions


@dataclass(frozen=True)
class Stage:
    """One arrow of the pipeline.

    call: "module:function" that takes the recipe. script: the command of its own. sections: the parts of the recipe
    that shape its result. reads: the stages before it that it needs. results: files below the run folder whose content
    stands for all that it made. inputs: the user's files and data sets that it reads; it raises InputError where they
    cannot serve, fast enough to be asked at the start. follows_code: whether a change of its code redoes it;
    pretraining and fine-tuning take hours or days, so there the user decides.
    """

    name: str
    call: str
    script: str
    sections: tuple[str, ...]
    reads: tuple[str, ...]
    results: tuple[str, ...]
    inputs: Callable[[Recipe], Sequence[Path | Source | HubSource]] = lambda recipe: []
    follows_code: bool = True


def _corpus_sources(recipe: Recipe) -> list[Path | Source | HubSource]:
    return [*corpus_sources(recipe.corpus), *task_files(recipe.corpus.decontaminate)]


def _tokenizer_files(recipe: Recipe) -> list[Path]:
    if recipe.tokenizer.path is None:
        return []
    size = _function("recipe.tokenizer.build:load_tokenizer")(Path(recipe.tokenizer.path)).get_vocab_size()
    if recipe.model.vocab_size is not None and size > recipe.model.vocab_size:
        raise InputError(
            f"model.vocab_size is {recipe.model.vocab_size}, but the tokenizer {recipe.tokenizer.path} has {size}"
            " entries: some pieces would have no embedding; set it to null"
        )
    return [Path(recipe.tokenizer.path) / "tokenizer.json"]


def _first_checkpoint_files(recipe: Recipe) -> list[Path]:
    if recipe.training.init_from is None:
        return []
    path = Path(recipe.training.init_from) / "config.json"
    if not path.is_file():
        raise InputError(f"training.init_from: {path} does not exist; name the folder RUN/model of the phase before")
    positions = read_json(path).get("max_position_embeddings", 0)
    if positions < recipe.pairs.max_seq_length:
        raise InputError(
            f"training.init_from: {path} has max_position_embeddings {positions}, less than pairs.max_seq_length"
            f" {recipe.pairs.max_seq_length}; train the first phase with model.max_position_embeddings as long as the"
            " last phase needs"
        )
    return sorted(path.parent.glob("*.safetensors"))


def _task_files(recipe: Recipe) -> Sequence[Path]:
    return _function("recipe.tasks.experiments.stage:task_inputs")(recipe)


def _inspected_files(recipe: Recipe) -> list[Path]:
    for folder in recipe.tokenizer.compare_with:
        _function("recipe.tokenizer.build:load_tokenizer")(Path(folder))
    return [*_task_files(recipe), *(Path(folder) / "tokenizer.json" for folder in recipe.tokenizer.compare_with)]


# What shapes the clean documents: all of the section but for the split, which the later stages make.
_CORPUS_KEYS = tuple(f"corpus.{found.name}" for found in fields(CorpusConfig) if found.name != "validation_share")

STAGES = (
    Stage(
        "corpus",
        "recipe.corpus.prepare:prepare_corpus",
        "scripts/prepare_corpus.py",
        sections=_CORPUS_KEYS,
        reads=(),
        results=("corpus/sha256.json",),
        inputs=_corpus_sources,
    ),
    Stage(
        "tokenizer",
        "recipe.tokenizer.build:make_tokenizer",
        "scripts/train_tokenizer.py",
        sections=("seed", "corpus.validation_share", "tokenizer", "model.max_position_embeddings"),
        reads=("corpus",),
        results=("tokenizer/tokenizer.json",),
        inputs=_tokenizer_files,
    ),
    Stage(
        "inspect",
        "recipe.report.inspection:inspect_run",
        "scripts/run_recipe.py",
        sections=("seed", "corpus.validation_share", "task.name", "task.data"),
        reads=("corpus", "tokenizer"),
        results=("fertility.json",),
        inputs=_inspected_files,
    ),
    Stage(
        "pairs",
        "recipe.pairs.dataset:build_pairs",
        "scripts/build_pairs.py",
        sections=("seed", "corpus.validation_share", "pairs"),
        reads=("corpus", "tokenizer"),
        results=("store/train/sha256.json", "store/validation/sha256.json", "pairs/statistics.json"),
    ),
    Stage(
        "pretrain",
        "recipe.pretraining.run:pretrain",
        "scripts/pretrain.py",
        sections=("seed", "masking", "model", "training"),
        reads=("tokenizer", "pairs"),
        results=("model/config.json", "model/model.safetensors"),
        inputs=_first_checkpoint_files,
        follows_code=False,
    ),
    Stage(
        "evaluate",
        "recipe.pretraining.evaluation:evaluate",
        "scripts/evaluate.py",
        sections=("seed", "masking"),
        reads=("pairs", "pretrain"),
        results=("evaluation.json",),
    ),
    Stage(
        "task",
        "recipe.tasks.experiments.stage:finetune_task",
        "scripts/finetune.py",
        sections=("task",),
        reads=("pretrain",),
        results=("task/scores.json",),
        inputs=_task_files,
        follows_code=False,
    ),
)


def run_all(recipe: Recipe) -> None:
    """All stages, then the model card and the report; what is done and unchanged is skipped. Prints the time of each."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(
            "scripts/run_recipe.py runs as one process; start `accelerate launch scripts/pretrain.py CONFIG` for the"
            " stage that uses many"
        )
    stages = [stage for stage in STAGES if stage.name != "task" or recipe.task.name is not None]
    for stage in stages:
        stage.inputs(recipe)
    for number, stage in enumerate(stages, start=1):
        print(f"[{number}/{len(stages) + 1}] {stage.name}", flush=True)
        run_stage(recipe, stage.name)
    print(f"[{len(stages) + 1}/{len(stages) + 1}] report", flush=True)
    write_results(recipe)


def write_results(recipe: Recipe) -> None:
    """Write RUN/report.html with its plots, and the model card."""
    write_recipe(recipe)
    if (recipe.folder / "model").is_dir():
        _function("recipe.report.model_card:write_model_card")(recipe)
    _function("recipe.report.report:write_report")(recipe)
    print(f"report: {recipe.folder / 'report.html'}")


def run_stage(recipe: Recipe, name: str, call: Callable[[Recipe], None] | None = None) -> None:
    """One stage, unless it is done and unchanged.

    Args:
        call: does it in place of the stage's own function, with the same result; such as from parts that other
            machines made.

    Raises:
        InputError: if a stage before it is not done, or was done with other settings or input.
    """
    stage = _stage(name)
    for before in stage.reads:
        _require_done(recipe, _stage(before), stage)
    stage.inputs(recipe)
    key = stage_key(recipe, stage)
    if _is_done(recipe, stage, key):
        print(f"{name}: done and unchanged, skipped")
        return
    started = time.time()
    recipe.folder.mkdir(parents=True, exist_ok=True)
    (call or _function(stage.call))(recipe)
    if is_first_process():
        _record(recipe, stage, key, time.time() - started)
        print(f"{name}: done in {time.time() - started:.0f} s", flush=True)


def stage_key(recipe: Recipe, stage: Stage) -> str:
    """Hash of all that the stage's result depends on."""
    before = {name: _results(recipe, _stage(name)) for name in stage.reads}
    code = code_hash(stage.call.split(":")[0]) if stage.follows_code else None
    return sha256_of_json(
        [stage.name, recipe.settings(*stage.sections), before, code, _content_hash(recipe, stage.inputs(recipe))]
    )


def is_done(recipe: Recipe, name: str) -> bool:
    """Whether a stage and those that it reads are done and unchanged, so that `run_stage` would skip it."""
    stage = _stage(name)
    if name not in _records(recipe) or not all(is_done(recipe, before) for before in stage.reads):
        return False
    return _is_done(recipe, stage, stage_key(recipe, stage))


def remember_inputs(recipe: Recipe, seen: dict[str, dict[str, Any]]) -> None:
    """Take note of inputs' sha256 that others worked out, beside the state of each at that time, so that `run_stage`
    need not read them again.
    """
    memory = _remembered(recipe)
    if not seen.items() <= memory.items():
        write_json(recipe.folder / "inputs.json", memory | seen)


def write_recipe(recipe: Recipe) -> None:
    """Leave the recipe as it was run in RUN/recipe.yaml."""
    recipe.folder.mkdir(parents=True, exist_ok=True)
    (recipe.folder / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")


def _content_hash(recipe: Recipe, inputs: Sequence[Path | Source | HubSource]) -> str:
    """sha256 over the bytes of inputs; one is read again only when its size or time of change differ from what
    RUN/inputs.json remembers.
    """
    memory = _remembered(recipe)
    seen = {}
    for source in (Source(str(entry)) if isinstance(entry, Path) else entry for entry in inputs):
        state, known = source.state(), memory.get(str(source), {})
        is_same = "sha256" in known and known.items() >= state.items()
        seen[str(source)] = known if is_same else {**state, "sha256": source.sha256()}
    if is_first_process():
        remember_inputs(recipe, seen)
    return sha256_of_json([entry["sha256"] for entry in seen.values()])


def _remembered(recipe: Recipe) -> dict[str, dict[str, Any]]:
    path = recipe.folder / "inputs.json"
    return read_json(path) if path.is_file() else {}


def _stage(name: str) -> Stage:
    return next(stage for stage in STAGES if stage.name == name)


def _function(call: str):
    module, _, name = call.partition(":")
    return getattr(importlib.import_module(module), name)


def _require_done(recipe: Recipe, stage: Stage, wanted_by: Stage) -> None:
    """Neither the corpus nor the code is looked at: a long run goes on where the corpus is not at hand, or after an
    update.
    """
    for before in stage.reads:
        _require_done(recipe, _stage(before), wanted_by)
    record = _records(recipe).get(stage.name)
    if record is None or record["results"] != _results(recipe, stage):
        raise InputError(
            f"{wanted_by.name} needs the stage {stage.name}, which is not done in {recipe.run_dir}; run {stage.script}"
            " first, same recipe"
        )
    settings = recipe.settings(*stage.sections)
    changed = [place for place in settings if record["settings"].get(place) != settings[place]]
    if changed:
        raise InputError(
            f"{recipe.run_dir}: the stage {stage.name} was made with {changed[0]}"
            f" {record['settings'].get(changed[0])!r} instead of {settings[changed[0]]!r}; run {stage.script} again,"
            " or set --run_dir to another folder"
        )


def _is_done(recipe: Recipe, stage: Stage, key: str) -> bool:
    record = _records(recipe).get(stage.name)
    return record is not None and record["key"] == key and record["results"] == _results(recipe, stage)


def _results(recipe: Recipe, stage: Stage) -> dict[str, str | None]:
    paths = {name: recipe.folder / name for name in stage.results}
    return {name: sha256_of_file(path) if path.is_file() else None for name, path in paths.items()}


def _records(recipe: Recipe) -> dict:
    path = recipe.folder / "stages.json"
    return read_json(path)["stages"] if path.is_file() else {}


def _record(recipe: Recipe, stage: Stage, key: str, seconds: float) -> None:
    write_recipe(recipe)
    record = {
        "key": key,
        "settings": recipe.settings(*stage.sections),
        "results": _results(recipe, stage),
        "seconds": round(seconds, 1),
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    records = {**_records(recipe), stage.name: record}
    write_json(
        recipe.folder / "stages.json", {"stages": records, "versions": package_versions(), "git_commit": git_commit()}
    )
