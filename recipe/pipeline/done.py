"""What is done already: by the settings, the content that was read, the VERSION, and the results of a stage."""

from collections.abc import Sequence
from pathlib import Path

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.files import sha256_of_json
from recipe.pipeline.inputs import Input, content_hash
from recipe.pipeline.prepared import completed
from recipe.pipeline.stages import BY_NAME, Stage
from recipe.records import read_records
from recipe.run_folder.integrity import damaged_files, files_made, refuse_damaged
from recipe.tokenizer.folder import TOKENIZER_FILES


def is_done(recipe: Recipe, name: str) -> bool:
    """Whether a stage and those that it reads are done and unchanged, so that `run_stage` would skip it."""
    stage, recipe = BY_NAME[name], completed(recipe)
    if name not in read_records(recipe.folder) or not all(is_done(recipe, before) for before in stage.reads):
        return False
    return is_made(recipe, stage, key_of(recipe, stage, stage.inputs_of(recipe)))


def is_made(recipe: Recipe, stage: Stage, key: str) -> bool:
    """Whether a stage's record has this key (see `key_of`), and its files are as they were written."""
    record = read_records(recipe.folder).get(stage.name)
    return (
        record is not None
        and record["key"] == key
        and record["results"] == stage.results_in(recipe.folder)
        # A tokenizer's other files decide nothing before training; records of older versions do not have them.
        and (stage.name != "pretrain" or record.get("tokenizer") in (None, tokenizer_files(recipe)))
        # Every rank looks at all files, so that all come to the same end.
        and not damaged_files(recipe.folder, record, is_deep=recipe.verify_files)
    )


def key_of(recipe: Recipe, stage: Stage, inputs: Sequence[Input]) -> str:
    """Hash of everything that the stage's result depends on."""
    before = {name: BY_NAME[name].results_in(recipe.folder) for name in stage.reads}
    if stage.is_shared(recipe):
        before["prepared_from"] = stage.results_in(Path(recipe.corpus.prepared_from or ""))
    # Without those at their default, so that a key which a later version adds redoes nothing by itself.
    default = Recipe().settings(*stage.sections)
    settings = {place: value for place, value in recipe.settings(*stage.sections).items() if value != default[place]}
    return sha256_of_json([stage.name, stage.version, settings, before, content_hash(recipe, inputs)])


def require_done(recipe: Recipe, name: str) -> None:
    """Raise InputError unless a stage and all before it were done with these settings, the user's files aside."""
    _require_done(recipe, BY_NAME[name], BY_NAME[name])


def require_stages_before(recipe: Recipe, stage: Stage) -> None:
    """Raise InputError unless all that a stage reads was done with these settings and is as it was written."""
    for name in stage.reads:
        _require_done(recipe, BY_NAME[name], stage)
        # Only what is read now is compared byte by byte: a corpus of terabytes is no business of pretraining.
        record = read_records(recipe.folder)[name]
        damaged = damaged_files(recipe.folder, record, has_own_share=True, is_deep=recipe.verify_files)
        refuse_damaged(recipe.folder, name, damaged)


def _require_done(recipe: Recipe, stage: Stage, wanted_by: Stage) -> None:
    # Neither the user's files nor VERSION are looked at: a long run goes on where the corpus is absent, and after an
    # update.
    for before in stage.reads:
        _require_done(recipe, BY_NAME[before], wanted_by)
    record = read_records(recipe.folder).get(stage.name)
    if record is not None:
        found = stage.results_in(recipe.folder)
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


def tokenizer_files(recipe: Recipe) -> dict[str, str]:
    """sha256 of the files of RUN/tokenizer, by path."""
    return files_made(recipe.folder, [f"tokenizer/{name}" for name in TOKENIZER_FILES])
