"""The stages of a run in their order: what each needs, what it makes, and when it is redone.

A stage is redone when its settings, the content that it reads or its VERSION have changed, or when its results are not
what they were; RUN/stages.json remembers all of this. An update of the package redoes nothing by itself.
"""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recipe.config import CorpusConfig, Recipe
from recipe.corpus import Source
from recipe.corpus.cleaning import task_files
from recipe.corpus.languages import check_card_language
from recipe.corpus.prepare import VERSION as CORPUS_VERSION
from recipe.corpus.readers.hub_dataset import HubSource
from recipe.corpus.reading import corpus_sources
from recipe.corpus.sentences import splitter
from recipe.errors import InputError
from recipe.files import atomic_write, explain_unwritable, read_json, sha256_of_json, sha256_once, write_json
from recipe.model.memory import require_memory
from recipe.pairs.sampling import VERSION as PAIRS_VERSION
from recipe.processes import is_first_process, world_size
from recipe.provenance import git_commit, package_versions
from recipe.records import read_records, recorded_recipe, write_recipe, write_record
from recipe.run_folder.events import log_event
from recipe.run_folder.integrity import (
    COMMANDS,
    damaged_files,
    files_made,
    refuse_damaged,
    remove_spoiled,
    require_intact,
    require_intact_folder,
)
from recipe.run_folder.lock import run_lock
from recipe.run_folder.ownership import check_run_dir, refuse_around, refuse_foreign, refuse_own
from recipe.run_folder.settings import changes_of, note_settings
from recipe.run_folder.shared import require_shared_folder
from recipe.tasks.experiments.protocol import VERSION as TASK_VERSION
from recipe.tokenizer.build import VERSION as TOKENIZER_VERSION
from recipe.tokenizer.folder import TOKENIZER_FILES, load_tokenizer
from recipe.tokens.store import VERSION as TOKENS_VERSION

Input = Path | Source | HubSource

# Where the Trainer can send its log, and the package that each needs.
REPORTERS = {
    name: name
    for name in (
        "clearml",
        "codecarbon",
        "comet_ml",
        "dagshub",
        "dvclive",
        "kubeflow",
        "mlflow",
        "neptune",
        "swanlab",
        "tensorboard",
        "trackio",
        "wandb",
    )
} | {"azure_ml": "azureml", "flyte": "flytekit"}


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


def _corpus_inputs(recipe: Recipe) -> Sequence[Input]:
    # Made only for its errors: a language or a library that is not known.
    splitter(recipe.corpus.sentence_splitter, recipe.corpus.language)
    check_card_language(recipe.hub.language or recipe.corpus.language)
    refuse_around(recipe.folder, "corpus.path", recipe.corpus.path)
    sources, tasks = corpus_sources(recipe.corpus), task_files(recipe.corpus.decontaminate)
    refuse_own(recipe.folder, "corpus.path", [*recipe.corpus.path, *map(str, sources)])
    refuse_own(recipe.folder, "corpus.decontaminate", [*recipe.corpus.decontaminate, *tasks])
    return [*sources, *tasks]


def _tokenizer_inputs(recipe: Recipe) -> Sequence[Input]:
    if recipe.tokenizer.path is None:
        return []
    folder = Path(recipe.tokenizer.path)
    refuse_own(recipe.folder, "tokenizer.path", [folder])
    require_intact_folder(folder)
    size = load_tokenizer(folder).get_vocab_size()
    if recipe.model.vocab_size is not None and size > recipe.model.vocab_size:
        raise InputError(
            f"model.vocab_size is {recipe.model.vocab_size}, but the tokenizer {folder} has {size} entries: some"
            " pieces would have no embedding; set it to null"
        )
    # All of them are copied, so all of them count.
    return [path for name in TOKENIZER_FILES if (path := folder / name).is_file()]


def _inspection_inputs(recipe: Recipe) -> Sequence[Input]:
    for folder in recipe.tokenizer.compare_with:
        load_tokenizer(Path(folder))
    return [*_task_inputs(recipe), *(Path(folder) / "tokenizer.json" for folder in recipe.tokenizer.compare_with)]


def _pretrain_inputs(recipe: Recipe) -> Sequence[Input]:
    for name in recipe.training.report_to:
        if name not in REPORTERS or find_spec(REPORTERS[name]) is None:
            why = f"whose package {REPORTERS[name]} is not installed" if name in REPORTERS else "which nobody knows"
            raise InputError(
                f"training.report_to names {name!r}, {why}; it takes a list of {', '.join(REPORTERS)}, or [] for none"
            )
    if recipe.training.init_from is None:
        return []
    path = Path(recipe.training.init_from) / "config.json"
    if not path.is_file():
        raise InputError(f"training.init_from: {path} does not exist; name the folder RUN/model of the phase before")
    refuse_own(recipe.folder, "training.init_from", [path.parent])
    require_intact_folder(path.parent)
    positions, longest = read_json(path).get("max_position_embeddings", 0), recipe.pairs.max_seq_length
    if positions < longest:
        raise InputError(
            f"training.init_from: {path} has max_position_embeddings {positions}, less than pairs.max_seq_length"
            f" {longest}; train the first phase with model.max_position_embeddings as long as the last phase needs"
        )
    return sorted(path.parent.glob("*.safetensors"))


def _task_inputs(recipe: Recipe) -> Sequence[Input]:
    if recipe.task.name is None:
        return []
    from recipe.tasks.experiments.stage import task_inputs

    refuse_own(recipe.folder, "task.data", [recipe.task.data or recipe.task.name])
    # The run's other folders are only read: a checkpoint may be compared with the model.
    refuse_own(recipe.folder, "task.baselines", recipe.task.baselines, ("task",))
    return task_inputs(recipe)


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
        inputs=_corpus_inputs,
    ),
    Stage(
        name="tokenizer",
        run=_make_tokenizer,
        sections=(*_SPLIT_KEYS, "corpus.language", "tokenizer", "model.max_position_embeddings"),
        reads=("corpus",),
        results=("tokenizer/tokenizer.json",),
        files=("tokenizer/*",),
        version=TOKENIZER_VERSION,
        inputs=_tokenizer_inputs,
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
        inputs=_inspection_inputs,
    ),
    Stage(
        name="pretrain",
        run=_pretrain,
        sections=("seed", "masking", "model", "training"),
        reads=("tokenizer", "tokens", "pairs"),
        results=("model/config.json", "model/model.safetensors"),
        files=("model/*", "training.json"),
        inputs=_pretrain_inputs,
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
        inputs=_task_inputs,
    ),
)
_BY_NAME = {stage.name: stage for stage in STAGES}
# What a second phase takes from the first one by corpus.prepared_from.
SHARED_STAGES = ("corpus", "tokenizer", "tokens")


def run_all(recipe: Recipe, until: str | None = None) -> None:
    """Run all stages, then write the report and the model card; what is done and unchanged is skipped.

    Args:
        until: the last stage that is run; None: all stages and the report.

    Raises:
        InputError: for bad input of any stage, before the first one starts.
    """
    if world_size() > 1:
        raise InputError(
            "`domain-bert run` runs as one process; start `accelerate launch scripts/pretrain.py CONFIG` for the"
            " stage that uses many"
        )
    if until is not None and until not in _BY_NAME:
        raise InputError(f"--until is {until!r}; it takes one of {', '.join(_BY_NAME)}")
    check_run_dir(recipe.folder, recipe.run_dir)
    recipe = _with_prepared(recipe)
    stages = [stage for stage in STAGES if stage.name != "task" or recipe.task.name is not None]
    # All input is looked at now: a wrong task file shall not be found after days of pretraining.
    inputs = {stage.name: _inputs_of(recipe, stage) for stage in stages}
    known = read_records(recipe.folder)
    for stage in stages:
        if stage.name not in known:
            refuse_foreign(recipe.folder, stage.results)
    if until in (None, *[stage.name for stage in STAGES[-3:]]) and "pretrain" not in known:
        require_memory(recipe)
    with explain_unwritable(recipe.folder), run_lock(recipe.folder):
        for number, stage in enumerate(stages, start=1):
            print(f"[{number}/{len(stages) + 1}] {stage.name}", flush=True)
            run_stage(recipe, stage.name, inputs=inputs[stage.name])
            if stage.name == until:
                return
        print(f"[{len(stages) + 1}/{len(stages) + 1}] report", flush=True)
        write_recipe(recipe.folder, recipe)
        write_results(recipe.folder)

    from recipe.report.summary import summary_of

    print(f"\n{summary_of(recipe.folder)}", end="")


def write_results(run: Path) -> None:
    """Write RUN/report.html with its plots and, if there is a model, its card, from what the stages recorded.

    Raises:
        InputError: if the folder is not a run folder.
    """
    from recipe.report.model_card import write_model_card
    from recipe.report.report import write_report

    # RUN/plots is replaced as a whole.
    refuse_foreign(run, ["plots"])
    if (run / "model").is_dir():
        write_model_card(run)
    write_report(run)
    print(f"report: {run / 'report.html'}")


def run_stage(
    recipe: Recipe, name: str, run: Callable[[Recipe], None] | None = None, inputs: Sequence[Input] | None = None
) -> None:
    """Run one stage, unless it is done and unchanged.

    Args:
        run: does it instead of the stage's own function, with the same result, such as from shards of other machines.
        inputs: what the stage's `inputs` gave for this recipe, if it was called before.

    Raises:
        InputError: if a stage before it is not done, or was done with other settings or input.
    """
    check_run_dir(recipe.folder, recipe.run_dir)
    stage, recipe = _BY_NAME[name], _with_prepared(recipe)
    if name == "pretrain":
        # Before anything is read: a machine that sees another folder would only say that files are missing.
        with explain_unwritable(recipe.folder):
            require_shared_folder(recipe.folder, recipe.training.ddp_timeout)
    _require_all_done(recipe, stage)
    inputs = _inputs_of(recipe, stage) if inputs is None else inputs
    with explain_unwritable(recipe.folder), run_lock(recipe.folder):
        key = _key_of(recipe, stage, inputs)
        if _is_done(recipe, stage, key):
            print(f"{name}: done and unchanged, skipped")
            return
        refuse_foreign(recipe.folder, stage.results)
        _announce_again(recipe, stage)
        log_event(recipe.folder, "start", stage=name)
        started = time.time()
        try:
            _do(recipe, stage, run)
        except BaseException as error:
            # Training tells of a signal itself, with the step, and ends by SystemExit.
            if not isinstance(error, SystemExit):
                event = "signal" if isinstance(error, KeyboardInterrupt) else "fault"
                log_event(recipe.folder, event, stage=name, error=f"{type(error).__name__}: {error}")
            raise
        if is_first_process():
            _record(recipe, stage, key, seconds := time.time() - started)
            log_event(recipe.folder, "end", stage=name, seconds=round(seconds, 1))
            print(f"{name}: done in {seconds:.0f} s", flush=True)


def _do(recipe: Recipe, stage: Stage, run: Callable[[Recipe], None] | None) -> None:
    if _is_shared(recipe, stage):
        _take_over(recipe, stage)
        return
    if stage.name == "pretrain":
        _note_checkpoints(recipe)
    (run or stage.run)(recipe)


def _record(recipe: Recipe, stage: Stage, key: str, seconds: float) -> None:
    record = {
        "key": key,
        "version": stage.version,
        # All keys of the sections, also those that shape no result: the report tells what was used.
        "settings": recipe.settings(*stage.sections, only_shaping=False),
        "results": _results_of(recipe.folder, stage),
        "files": files_made(recipe.folder, stage.files),
        "seconds": round(seconds, 1),
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "packages": package_versions(),
        "git_commit": git_commit(),
    }
    if stage.name == "pretrain":
        record["tokenizer"] = _tokenizer_files(recipe)
    write_record(recipe.folder, stage.name, record)
    write_recipe(recipe.folder, recipe)


def check_inputs(recipe: Recipe, *names: str) -> None:
    """Look at the run folder and at the user's files of some stages, before anything is written.

    Raises:
        InputError: as `run_stage`.
    """
    check_run_dir(recipe.folder, recipe.run_dir)
    for name in names:
        _inputs_of(_with_prepared(recipe), _BY_NAME[name])


def is_done(recipe: Recipe, name: str) -> bool:
    """Whether a stage and those that it reads are done and unchanged, so that `run_stage` would skip it."""
    stage, recipe = _BY_NAME[name], _with_prepared(recipe)
    if name not in read_records(recipe.folder) or not all(is_done(recipe, before) for before in stage.reads):
        return False
    return _is_done(recipe, stage, _key_of(recipe, stage, _inputs_of(recipe, stage)))


def remember_inputs(recipe: Recipe, seen: dict[str, dict[str, Any]]) -> None:
    """Keep the sha256 and state of inputs that others hashed, so that `run_stage` need not read them again."""
    memory = _remembered(recipe)
    if not seen.items() <= memory.items():
        write_json(recipe.folder / "inputs.json", memory | seen)


def _inputs_of(recipe: Recipe, stage: Stage) -> Sequence[Input]:
    return [] if _is_shared(recipe, stage) else stage.inputs(recipe)


def _key_of(recipe: Recipe, stage: Stage, inputs: Sequence[Input]) -> str:
    """Hash of everything that the stage's result depends on."""
    before = {name: _results_of(recipe.folder, _BY_NAME[name]) for name in stage.reads}
    if _is_shared(recipe, stage):
        before["prepared_from"] = _results_of(Path(recipe.corpus.prepared_from or ""), stage)
    # Without those at their default, so that a key which a later version adds redoes nothing by itself.
    default = Recipe().settings(*stage.sections)
    settings = {place: value for place, value in recipe.settings(*stage.sections).items() if value != default[place]}
    return sha256_of_json([stage.name, stage.version, settings, before, _content_hash(recipe, inputs)])


def _content_hash(recipe: Recipe, inputs: Sequence[Input]) -> str:
    """sha256 over the bytes of the inputs."""
    memory, seen = _remembered(recipe), {}
    for source in (Source(str(entry)) if isinstance(entry, Path) else entry for entry in inputs):
        # Terabytes are not read at each start: a file is hashed again only when its size or time of change differs.
        state, known = source.state(), memory.get(str(source), {})
        is_same = "sha256" in known and known.items() >= state.items()
        seen[str(source)] = known if is_same else {**state, "sha256": source.sha256()}
    if is_first_process():
        remember_inputs(recipe, seen)
    return sha256_of_json([entry["sha256"] for entry in seen.values()])


def _remembered(recipe: Recipe) -> dict[str, dict[str, Any]]:
    path = recipe.folder / "inputs.json"
    try:
        found = read_json(path) if path.is_file() else {}
    except InputError:
        # Only a memory: the files are hashed again.
        return {}
    return {name: entry for name, entry in found.items() if isinstance(entry, dict)}


def _require_all_done(recipe: Recipe, stage: Stage) -> None:
    for name in stage.reads:
        _require_done(recipe, _BY_NAME[name], stage)
        # Only what is read now is compared byte by byte: a corpus of terabytes is no business of pretraining.
        record = read_records(recipe.folder)[name]
        damaged = damaged_files(recipe.folder, record, has_own_share=True, is_deep=recipe.verify_files)
        refuse_damaged(recipe.folder, name, damaged)


def _require_done(recipe: Recipe, stage: Stage, wanted_by: Stage) -> None:
    # Neither the user's files nor VERSION are looked at: a long run goes on where the corpus is absent, and after an
    # update.
    for before in stage.reads:
        _require_done(recipe, _BY_NAME[before], wanted_by)
    record = read_records(recipe.folder).get(stage.name)
    if record is not None:
        found = _results_of(recipe.folder, stage)
        refuse_damaged(
            recipe.folder,
            stage.name,
            [recipe.folder / name for name in found if found[name] != record["results"].get(name)],
        )
    else:
        raise InputError(
            f"{wanted_by.name} needs the stage {stage.name}, which is not done in {recipe.run_dir}; run"
            f" `{stage.command}` with the same recipe first"
        )
    settings = recipe.settings(*stage.sections)
    recorded = stage.recorded_settings(record)
    changed = [place for place in settings if recorded[place] != settings[place]]
    if changed:
        raise InputError(
            f"{recipe.run_dir}: the stage {stage.name} was made with {changed[0]} {recorded[changed[0]]!r} instead"
            f" of {settings[changed[0]]!r}; run `{stage.command}` again, or set --run_dir to another folder"
        )


def _announce_again(recipe: Recipe, stage: Stage) -> None:
    """Say why a stage that was done before is done again, and what becomes of its results."""
    record = read_records(recipe.folder).get(stage.name)
    if record is None or not is_first_process():
        return
    settings = recipe.settings(*stage.sections)
    changed = changes_of(settings, stage.recorded_settings(record))
    damaged = damaged_files(recipe.folder, record, is_deep=recipe.verify_files)
    why = "what it reads has changed"
    if changed:
        why = changed
    elif damaged:
        why = f"{damaged[0]} is not as it was written"
        remove_spoiled(recipe.folder, record, damaged)
    print(f"{stage.name}: is done again, since {why}; its results are replaced", flush=True)
    if stage.name == "pretrain" and changed:
        print(
            "pretrain: training begins at step 0. To keep the model that is there, set --run_dir to another folder; to"
            " train it further, set training.init_from to a copy of it",
            flush=True,
        )


def _tokenizer_files(recipe: Recipe) -> dict[str, str]:
    return files_made(recipe.folder, [f"tokenizer/{name}" for name in TOKENIZER_FILES])


def _note_checkpoints(recipe: Recipe) -> None:
    """Note which settings the checkpoints are of, and say what becomes of those of other settings."""
    if not is_first_process():
        return
    from recipe.pretraining.run import checkpoint_folder

    settings = recipe.settings("seed", "tokenizer", "pairs", "masking", "model", "training")
    others = note_settings(checkpoint_folder(recipe), settings, _tokenizer_files(recipe))
    if others is not None:
        why = changes_of(settings, others.newest) or "the token ids have changed"
        print(
            f"pretrain: begins at step 0, since {why}. Checkpoints of other settings stay in"
            f" {recipe.folder / 'checkpoints'} ({others.size / 1e9:.2f} GB); `domain-bert clean {recipe.folder}`"
            " removes them",
            flush=True,
        )


def _is_done(recipe: Recipe, stage: Stage, key: str) -> bool:
    record = read_records(recipe.folder).get(stage.name)
    return (
        record is not None
        and record["key"] == key
        and record["results"] == _results_of(recipe.folder, stage)
        # A tokenizer's other files decide nothing before training; records of older versions do not have them.
        and (stage.name != "pretrain" or record.get("tokenizer") in (None, _tokenizer_files(recipe)))
        # Every rank looks at all files, so that all come to the same end.
        and not damaged_files(recipe.folder, record, is_deep=recipe.verify_files)
    )


def _results_of(run: Path, stage: Stage) -> dict[str, str | None]:
    paths = {name: run / name for name in stage.results}
    return {name: sha256_once(path) if path.is_file() else None for name, path in paths.items()}


def _is_shared(recipe: Recipe, stage: Stage) -> bool:
    return recipe.corpus.prepared_from is not None and stage.name in SHARED_STAGES


def _with_prepared(recipe: Recipe) -> Recipe:
    """The recipe with the corpus and tokenizer settings of corpus.prepared_from, which later stages read too."""
    if recipe.corpus.prepared_from is None:
        return recipe
    run = Path(recipe.corpus.prepared_from)
    if run.resolve() == recipe.folder.resolve():
        raise InputError(f"corpus.prepared_from is {run}, the run folder itself; name another run, or set it to null")
    for name in SHARED_STAGES:
        record = read_records(run).get(name)
        if record is None or record["results"] != _results_of(run, _BY_NAME[name]):
            raise InputError(
                f"corpus.prepared_from: the stage {name} is not done in {run}; run `{_BY_NAME[name].command}` there"
                " first"
            )
    other = recorded_recipe(run)
    if recipe.corpus.path not in ([], other.corpus.path) or recipe.tokenizer.path not in (None, other.tokenizer.path):
        raise InputError(
            f"corpus.prepared_from takes corpus and tokenizer from {run}; remove corpus.path and tokenizer.path"
        )
    if other.seed != recipe.seed:
        raise InputError(
            f"seed is {recipe.seed}, but {run} was prepared with seed {other.seed}, which decides the split into"
            f" training and validation documents; set seed to {other.seed}"
        )
    corpus = replace(other.corpus, prepared_from=recipe.corpus.prepared_from)
    return replace(recipe, corpus=corpus, tokenizer=other.tokenizer)


def _take_over(recipe: Recipe, stage: Stage) -> None:
    """Link the stage's folders of the other run into this one, which then needs the other one no more."""

    def link_or_copy(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:  # another file system
            shutil.copy2(source, target)

    source = Path(recipe.corpus.prepared_from or "")
    # What is taken over gets a record here: a damaged file must not get a good one.
    require_intact(source, stage.name)
    # Hard links take no space and are safe: nothing changes these files, they are only replaced as a whole.
    for name in {Path(result).parts[0] for result in stage.results}:
        with atomic_write(recipe.folder / name) as partial:
            shutil.copytree(source / name, partial, copy_function=link_or_copy)
