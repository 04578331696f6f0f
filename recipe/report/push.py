"""Run folder -> repository on the Hub: one commit of the files on a list, private unless asked otherwise, never a
token, never a path of this machine.
"""

import re
import sys
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.privacy.secrets import masked
from recipe.privacy.traces import hidden, public_settings
from recipe.records import recorded_recipe, write_recipe
from recipe.report.disclosure import paths_of, refuse_disclosure
from recipe.report.model_card import PLACEHOLDER, write_model_card
from recipe.run_folder.integrity import require_intact

if TYPE_CHECKING:
    from huggingface_hub import HfApi

# What may leave the machine, by folder of the run. A list of what is allowed and not of what is forbidden: a Trainer's
# folder also holds training_args.bin (in older releases with the Hub token in clear), optimizer and trainer state, so
# everything that is not named stays at home.
UPLOADED = {
    "model": (
        "config.json",
        "model.safetensors",
        "model-*-of-*.safetensors",
        "model.safetensors.index.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.txt",
        "README.md",
    ),
    ".": ("recipe.yaml", "report.html"),
    "plots": ("*.png",),
}
NEEDED = ("model/config.json", "model/model.safetensors")
# Files in which paths of this machine may stand and that are no data: those of the tokenizer and the weights are sent
# as they are, or refused.
CLEANED = ("report.html", "README.md", "config.json", "tokenizer_config.json")


def push_run(run_dir: Path, repo: str | None, public: bool) -> str:
    """Upload model, card, recipe, plots and report of a run in one commit; returns the address of the repository.

    Args:
        run_dir: folder of a run whose pretraining has finished.
        repo: NAME/MODEL; None takes hub.repo of the run's recipe.
        public: make a new repository public whatever hub.private says; an existing one keeps its visibility.

    Raises:
        InputError: if something to upload is missing, damaged or not finite, or contains a secret or a name of this
            machine, if nobody is logged in, if the repository is public but private is asked for, or if the Hub cannot
            be reached or refuses; then no file is on the Hub, at most an empty repository.
    """
    recipe = _recipe_of(run_dir, repo)
    require_intact(run_dir)
    _refuse_bad_weights(run_dir / "model")
    # Of the recipe only what the stages recorded leaves the machine, whatever was written into the file since.
    write_recipe(run_dir, recipe)
    # A card that is there may have been completed by hand.
    if not (run_dir / "model" / "README.md").is_file():
        write_model_card(run_dir)
    files = uploaded_files(run_dir)
    contents = {place: _content(path, place, recipe) for place, path in files.items()}
    for place, content in contents.items():
        refuse_disclosure(files[place].relative_to(run_dir), content)
    return _upload(recipe, contents, private=recipe.hub.private and not public)


def uploaded_files(run_dir: Path) -> dict[str, Path]:
    """The files of a run that go to the Hub, by their path there; those of model/ are at the top."""
    files: dict[str, Path] = {}
    for folder, patterns in UPLOADED.items():
        for path in sorted((run_dir / folder).glob("*")):
            if path.is_file() and any(fnmatchcase(path.name, pattern) for pattern in patterns):
                place = path.relative_to(run_dir / "model" if folder == "model" else run_dir)
                files[place.as_posix()] = path
    return files


def _recipe_of(run_dir: Path, repo: str | None) -> Recipe:
    recipe = recorded_recipe(run_dir)
    for name in NEEDED:
        path = run_dir / name
        if not path.exists() and not (name.endswith(".safetensors") and (run_dir / f"{name}.index.json").exists()):
            raise InputError(f"{path}: is missing, so there is no model to upload; run `domain-bert pretrain` first")
    recipe = replace(recipe, hub=replace(recipe.hub, repo=repo or recipe.hub.repo))
    if not recipe.hub.repo:
        raise InputError(
            f"{run_dir / 'recipe.yaml'}: hub.repo is null, so there is nowhere to upload to; give --repo NAME/MODEL"
        )
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", recipe.hub.repo):
        raise InputError(f"hub.repo is {recipe.hub.repo!r}; it takes NAME/MODEL in letters, digits, '-', '_' and '.'")
    return recipe


def _refuse_bad_weights(model: Path) -> None:
    from recipe.pretraining.checkpoints import not_finite_in  # imports torch

    for path in sorted(model.glob("*.safetensors")):
        if name := not_finite_in(path):
            raise InputError(f"{path}: {name} is not finite, so nothing was uploaded; train the model again")


def _upload(recipe: Recipe, contents: dict[str, Path | bytes], private: bool) -> str:
    from huggingface_hub import CommitOperationAdd, HfApi, get_token
    from huggingface_hub.errors import HTTPError
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    repo, api = recipe.hub.repo or "", HfApi()
    try:
        if not get_token():
            raise InputError(
                "not logged in to the Hub; run `hf auth login` or set HF_TOKEN to a token with write access"
            )
        # Private repositories only if the user did not say otherwise: the Hub's own default is public.
        url = str(api.create_repo(repo, private=private, exist_ok=True))
        _check_visibility(api, repo, private)
        # One commit: a connection that breaks leaves no half of a model behind.
        operations = [CommitOperationAdd(place, content) for place, content in contents.items()]
        api.create_commit(
            repo, operations, commit_message=f"Add {repo.rpartition('/')[2]}, pretrained on {recipe.hub.domain}"
        )
    except InputError:
        raise
    # The client raises errors of many families: its own, those of its HTTP library, and plain ones around a failed
    # upload.
    except (HTTPError, OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"the Hub did not take {repo}: {_reason(error)}; check HF_TOKEN, the name and the connection, then run"
            " this again"
        ) from None
    return url


def _check_visibility(api: "HfApi", repo: str, private: bool) -> None:
    is_private = bool(api.model_info(repo).private)
    if private and not is_private:
        raise InputError(
            f"{repo} is a public repository already, so nothing was uploaded; give --public, another --repo, or make"
            " it private in its settings"
        )
    if not private and is_private:
        print(f"{repo} is private already and stays so; change that in its settings")


def _content(path: Path, place: str, recipe: Recipe) -> Path | bytes:
    """The path to upload, or the bytes: without private paths, and in the card with the name of the repository."""
    if place == "recipe.yaml":
        # The file itself keeps the full paths, with which it can be run again here.
        return public_settings(recipe).to_yaml().encode()
    if place not in CLEANED:
        return path
    try:
        text = hidden(path.read_text(encoding="utf-8"), paths_of(recipe))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 ({error.reason}), so nothing was uploaded; write it again") from None
    return (text.replace(PLACEHOLDER, recipe.hub.repo or "") if place == "README.md" else text).encode()


def _reason(error: BaseException) -> str:
    """Why, in one line: the client wraps what the Hub answered in errors that no longer say it."""
    while not _is_answer(error) and error.__cause__ is not None:
        error = error.__cause__
    return " ".join(masked(str(error)).split())[:300].rstrip(" .") or type(error).__name__


def _is_answer(error: BaseException) -> bool:
    from huggingface_hub.errors import HfHubHTTPError

    return isinstance(error, HfHubHTTPError)
