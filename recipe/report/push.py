"""Run folder -> repository on the Hub: one commit of the files on a list, private unless asked otherwise, never a
token.
"""

import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.records import recorded_recipe, write_recipe
from recipe.report.model_card import PLACEHOLDER, write_model_card

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
TEXT_SUFFIXES = (".json", ".txt", ".md", ".yaml", ".html")
# Also hf_oauth_..., which a login through the browser leaves.
TOKEN = re.compile(rb"hf_(?:[a-z]+_)?[A-Za-z0-9]{30,}")


def push_run(run_dir: Path, repo: str | None, public: bool) -> str:
    """Upload model, card, recipe, plots and report of a run in one commit; returns the address of the repository.

    Args:
        run_dir: folder of a run whose pretraining has finished.
        repo: NAME/MODEL; None takes hub.repo of the run's recipe.
        public: make a new repository public whatever hub.private says; an existing one keeps its visibility.

    Raises:
        InputError: if something to upload is missing or contains a Hub token, if nobody is logged in, if the
            repository is public but private is asked for, or if the Hub cannot be reached or refuses; then no file is
            on the Hub, at most an empty repository.
    """
    recipe = _recipe_of(run_dir, repo)
    # Of the recipe only what the stages recorded leaves the machine, whatever was written into the file since.
    write_recipe(run_dir, recipe)
    # A card that is there may have been completed by hand.
    if not (run_dir / "model" / "README.md").is_file():
        write_model_card(run_dir)
    files = uploaded_files(run_dir)
    _refuse_tokens(run_dir, files.values())
    return _upload(recipe, files, private=recipe.hub.private and not public)


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


def _refuse_tokens(run_dir: Path, paths: Iterable[Path]) -> None:
    for path in paths:
        if path.suffix in TEXT_SUFFIXES and TOKEN.search(path.read_bytes()):
            raise InputError(
                f"{path.relative_to(run_dir)}: contains what looks like a Hub token (hf_...), so nothing was uploaded;"
                " remove it from the file"
            )


def _upload(recipe: Recipe, files: dict[str, Path], private: bool) -> str:
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
        operations = [CommitOperationAdd(place, _content(path, place, repo)) for place, path in files.items()]
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


def _content(path: Path, place: str, repo: str) -> Path | bytes:
    """The path to upload, or for the card its text with the name of the repository."""
    if place != "README.md":
        return path
    return path.read_text(encoding="utf-8").replace(PLACEHOLDER, repo).encode()


def _reason(error: BaseException) -> str:
    """Why, in one line: the client wraps what the Hub answered in errors that no longer say it."""
    while not _is_answer(error) and error.__cause__ is not None:
        error = error.__cause__
    message = TOKEN.sub(b"hf_...", str(error).encode()).decode()
    return " ".join(message.split())[:300].rstrip(" .") or type(error).__name__


def _is_answer(error: BaseException) -> bool:
    from huggingface_hub.errors import HfHubHTTPError

    return isinstance(error, HfHubHTTPError)
