"""What a recipe takes from elsewhere: corpus and tokenizer of another run, the shape of another checkpoint."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.files import atomic_write
from recipe.pipeline.shape import with_shape
from recipe.pipeline.stages import BY_NAME, SHARED_STAGES, Stage
from recipe.records import read_records, recorded_recipe
from recipe.run_folder.integrity import require_intact


def completed(recipe: Recipe) -> Recipe:
    """The recipe with all that corpus.prepared_from and training.init_from decide, which later stages read too.

    Raises:
        InputError: if a key contradicts what is taken from there, or nothing can be taken from there.
    """
    return with_shape(_with_prepared(recipe))


def _with_prepared(recipe: Recipe) -> Recipe:
    if recipe.corpus.prepared_from is None:
        return recipe
    run = Path(recipe.corpus.prepared_from)
    if run.resolve() == recipe.folder.resolve():
        raise InputError(f"corpus.prepared_from is {run}, the run folder itself; name another run, or set it to null")
    for name in SHARED_STAGES:
        record = read_records(run).get(name)
        if record is None or record["results"] != BY_NAME[name].results_in(run):
            raise InputError(
                f"corpus.prepared_from: the stage {name} is not done in {run}; run `{BY_NAME[name].command}` there"
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


def take_over(recipe: Recipe, stage: Stage) -> None:
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
