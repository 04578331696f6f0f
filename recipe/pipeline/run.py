"""Running the stages: each one only if it is not done, with its record, its events and what a person reads."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.files import explain_unwritable, read_json
from recipe.formatting import duration
from recipe.model.memory import require_memory
from recipe.pipeline.done import is_made, key_of, require_stages_before, tokenizer_files
from recipe.pipeline.inputs import Input
from recipe.pipeline.prepared import completed, take_over
from recipe.pipeline.stages import BY_NAME, STAGES, Stage
from recipe.processes import is_first_process, world_size
from recipe.provenance import git_commit, package_versions
from recipe.records import read_records, write_recipe, write_record
from recipe.run_folder.events import log_event
from recipe.run_folder.integrity import damaged_files, files_made, remove_spoiled
from recipe.run_folder.lock import run_lock
from recipe.run_folder.ownership import check_run_dir, refuse_foreign
from recipe.run_folder.settings import changes_of, note_settings
from recipe.run_folder.shared import require_shared_folder


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
    if until is not None and until not in BY_NAME:
        raise InputError(f"--until is {until!r}; it takes one of {', '.join(BY_NAME)}")
    check_run_dir(recipe.folder, recipe.run_dir)
    recipe = completed(recipe)
    stages = [stage for stage in STAGES if stage.name != "task" or recipe.task.name is not None]
    # All input is looked at now: a wrong task file shall not be found after days of pretraining.
    inputs = {stage.name: stage.inputs_of(recipe) for stage in stages}
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
    stage, recipe = BY_NAME[name], completed(recipe)
    if name == "pretrain":
        # Before anything is read: a machine that sees another folder would only say that files are missing.
        with explain_unwritable(recipe.folder):
            require_shared_folder(recipe.folder, recipe.training.ddp_timeout)
    require_stages_before(recipe, stage)
    inputs = stage.inputs_of(recipe) if inputs is None else inputs
    with explain_unwritable(recipe.folder), run_lock(recipe.folder):
        key = key_of(recipe, stage, inputs)
        if is_made(recipe, stage, key):
            print(f"{name}: done and unchanged, skipped")
            return
        refuse_foreign(recipe.folder, stage.results)
        _announce_again(recipe, stage)
        log_event(recipe.folder, "start", stage=name)
        started = time.time()
        try:
            if stage.is_shared(recipe):
                take_over(recipe, stage)
            else:
                if stage.name == "pretrain":
                    _note_checkpoints(recipe)
                (run or stage.run)(recipe)
        except BaseException as error:
            # Training tells of a signal itself, with the step, and ends by SystemExit.
            if not isinstance(error, SystemExit):
                event = "signal" if isinstance(error, KeyboardInterrupt) else "fault"
                log_event(recipe.folder, event, stage=name, error=f"{type(error).__name__}: {error}")
            raise
        if is_first_process():
            seconds = time.time() - started
            if name == "pretrain":
                seconds += read_json(recipe.folder / "training.json").get("seconds_before_resume", 0.0)
            _record(recipe, stage, key, seconds)
            log_event(recipe.folder, "end", stage=name, seconds=round(seconds, 1))
            print(f"{name}: done in {duration(seconds)}", flush=True)


def _record(recipe: Recipe, stage: Stage, key: str, seconds: float) -> None:
    record = {
        "key": key,
        "version": stage.version,
        # All keys of the sections, also those that shape no result: the report tells what was used.
        "settings": recipe.settings(*stage.sections, only_shaping=False),
        "results": stage.results_in(recipe.folder),
        "files": files_made(recipe.folder, stage.files),
        "seconds": round(seconds, 1),
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "packages": package_versions(),
        "git_commit": git_commit(),
    }
    if stage.name == "pretrain":
        record["tokenizer"] = tokenizer_files(recipe)
    write_record(recipe.folder, stage.name, record)
    write_recipe(recipe.folder, recipe)


def check_inputs(recipe: Recipe, *names: str) -> None:
    """Look at the run folder and at the user's files of some stages, before anything is written.

    Raises:
        InputError: as `run_stage`.
    """
    check_run_dir(recipe.folder, recipe.run_dir)
    for name in names:
        BY_NAME[name].inputs_of(completed(recipe))


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


def _note_checkpoints(recipe: Recipe) -> None:
    """Note which settings the checkpoints are of, and say what becomes of those of other settings."""
    if not is_first_process():
        return
    from recipe.pretraining.run import checkpoint_folder

    settings = recipe.settings("seed", "tokenizer", "pairs", "masking", "model", "training")
    others = note_settings(checkpoint_folder(recipe), settings, tokenizer_files(recipe))
    if others is not None:
        why = changes_of(settings, others.newest) or "the token ids have changed"
        print(
            f"pretrain: begins at step 0, since {why}. Checkpoints of other settings stay in"
            f" {recipe.folder / 'checkpoints'} ({others.size / 1e9:.2f} GB); `domain-bert clean {recipe.folder}`"
            " removes them",
            flush=True,
        )
