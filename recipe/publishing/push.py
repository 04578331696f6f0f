"""Run folder -> repository on the Hub: the files on a list, private unless asked otherwise, never a token, never a
path of this machine.
"""

import re
from dataclasses import replace
from pathlib import Path

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.privacy.traces import public_settings
from recipe.publishing.contents import Upload
from recipe.publishing.disclosure import refuse_disclosure
from recipe.records import recorded_recipe, write_recipe
from recipe.report.model_card import PLACEHOLDER


def push_run(run_dir: Path, repo: str | None, public: bool, what: str = "model", dry_run: bool = False) -> str:
    """Upload what a run made, in one commit a branch; returns the address of the repository and what is there.

    Args:
        run_dir: folder of a run.
        repo: NAME/MODEL; None takes hub.repo of the run's recipe, which names the repository of the model.
        public: make a new repository public whatever hub.private says; an existing one keeps its visibility.
        what: "model": the pretrained model; "checkpoints": also each kept checkpoint, as a branch step-N; "dataset":
            the pairs; "task": the fine-tuned model.
        dry_run: only return the list of files with their sizes; no network, no login, and nothing is written.

    Raises:
        InputError: if something to upload is missing, damaged or not finite, or contains a secret or a name of this
            machine; and where `upload` refuses. Then no branch has a part of its files, and nothing became public.
    """
    recorded = recorded_recipe(run_dir)
    recipe = replace(recorded, hub=replace(recorded.hub, repo=_name_of(run_dir, recorded, repo, what, dry_run)))
    wanted = _upload_of(run_dir, recipe, what, base=recorded.hub.repo)
    wanted.private = recipe.hub.private and not public
    for sent in wanted.all_files():
        refuse_disclosure(Path(sent.origin), sent.content)
    if dry_run:
        return wanted.listing()
    if what in ("model", "checkpoints"):
        # The name is kept: the card of a fine-tuned model names the repository of the model that it began with.
        write_recipe(run_dir, recipe)
    # The client of the Hub is imported after all was checked.
    from recipe.publishing.upload import upload

    return upload(wanted)


def _upload_of(run_dir: Path, recipe: Recipe, what: str, base: str | None) -> Upload:
    # The message of a commit is as public as its files.
    repo, told = recipe.hub.repo or "", public_settings(recipe)
    wanted = Upload(repo, "model", f"Add {repo.rpartition('/')[2]}", True, {})
    # The imports stand here, since those of a model and of a task are slow.
    if what == "dataset":
        from recipe.publishing.pairs import pair_files

        wanted.type, wanted.files = "dataset", pair_files(run_dir, recipe)
        wanted.message += f", next-sentence pairs of {told.hub.domain}"
    elif what == "task":
        from recipe.publishing.task import task_files

        wanted.files = task_files(run_dir, recipe, base)
        wanted.message += f", fine-tuned on {told.task.name}"
    else:
        from recipe.publishing.model import checkpoint_revisions, model_files

        wanted.files = model_files(run_dir, recipe)
        wanted.message += f", pretrained on {told.hub.domain}"
        if what == "checkpoints":
            wanted.revisions = checkpoint_revisions(run_dir, recipe)
    return wanted


def _name_of(run_dir: Path, recipe: Recipe, repo: str | None, what: str, dry_run: bool) -> str:
    known = recipe.hub.repo if what in ("model", "checkpoints") else None
    name = repo or known or (PLACEHOLDER if dry_run else None)
    if name is None:
        is_model = what in ("model", "checkpoints")
        why = f"{run_dir / 'recipe.yaml'}: hub.repo is null" if is_model else f"--{what} takes a repository of its own"
        raise InputError(f"{why}, so there is nowhere to upload to; give --repo NAME/MODEL")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name):
        raise InputError(f"hub.repo is {name!r}; it takes NAME/MODEL in letters, digits, '-', '_' and '.'")
    return name
