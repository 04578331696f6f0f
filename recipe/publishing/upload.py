"""One repository of the Hub: made private, filled by one commit a branch, and only then made public if asked for."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from recipe.errors import InputError
from recipe.privacy.secrets import masked
from recipe.publishing.contents import Files, Upload

if TYPE_CHECKING:
    from huggingface_hub import HfApi

# Seconds without a byte after which the Hub is given up; the client itself would wait for ever.
TIMEOUT = 300.0


def upload(wanted: Upload) -> str:
    """Send everything; returns the address of the repository, and a line of what is there and who sees it.

    What the Hub has already is not sent again.

    Raises:
        InputError: if nobody is logged in, if the repository is public but private is asked for, or if the Hub cannot
            be reached or refuses. Then a branch has all of its files or none, and a new repository is private.
    """
    from huggingface_hub import HfApi, get_token

    api = HfApi()
    with _told_in_one_line(wanted.repo):
        if not get_token():
            raise InputError(
                "not logged in to the Hub; run `hf auth login` or set HF_TOKEN to a token with write access"
            )
        # Private also where it shall be public in the end: a connection may break before the files are there.
        url = str(api.create_repo(wanted.repo, repo_type=wanted.type, private=True, exist_ok=True))
        is_private = bool(api.repo_info(wanted.repo, repo_type=wanted.type).private)
        if wanted.private and not is_private:
            raise InputError(
                f"{wanted.repo} is a public repository already, so nothing was uploaded; give --public, another"
                " --repo, or make it private in its settings"
            )
        commits = api.list_repo_commits(wanted.repo, repo_type=wanted.type)
        # The newest is the first. The oldest one is the Hub's own.
        is_ours = all(commit.title == wanted.message for commit in commits[:-1])
        _commit(api, wanted, "main", wanted.files)
        for revision, files in wanted.revisions.items():
            # From the empty beginning, or the branch would have the card and the scores of the final model.
            api.create_branch(
                wanted.repo, branch=revision, revision=commits[-1].commit_id, repo_type=wanted.type, exist_ok=True
            )
            _commit(api, wanted, revision, files)
        if is_private and not wanted.private:
            # The history of a repository that was private before may contain what nobody wants to publish.
            if is_ours:
                api.update_repo_settings(wanted.repo, repo_type=wanted.type, private=False)
                is_private = False
            else:
                print(f"{wanted.repo} is private already and stays so; change that in its settings")
    branches = f" on the branches main, {', '.join(wanted.revisions)}" if wanted.revisions else ""
    return f"{url}\n{wanted.total()}{branches}; {'private' if is_private else 'public'}"


def _commit(api: "HfApi", wanted: Upload, revision: str, files: Files) -> None:
    from huggingface_hub import CommitOperationAdd

    # One commit: a connection that breaks leaves no half of a model behind.
    operations = [CommitOperationAdd(place, sent.content) for place, sent in files.items()]
    api.create_commit(wanted.repo, operations, commit_message=wanted.message, repo_type=wanted.type, revision=revision)


@contextmanager
def _told_in_one_line(repo: str) -> Iterator[None]:
    """Set up the Hub's client, and turn its errors into one line."""
    from huggingface_hub import set_client_factory
    from huggingface_hub.errors import HTTPError
    from huggingface_hub.utils import disable_progress_bars
    from huggingface_hub.utils._http import default_client_factory

    def client():
        made = default_client_factory()
        made.timeout = TIMEOUT
        return made

    if not sys.stderr.isatty():
        disable_progress_bars()
    waits = logging.getLogger("huggingface_hub.utils._http")
    waits.addFilter(_is_about_waiting)
    set_client_factory(client)
    try:
        yield
    except InputError:
        raise
    # The client raises errors of many families: its own, those of its HTTP library, plain ones around a failed upload,
    # and those of Python where an answer is not what it looks for.
    except (HTTPError, OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"the Hub did not take {repo}: {_reason(error)}; check HF_TOKEN, the name and the connection, then run"
            " this again"
        ) from None
    finally:
        waits.removeFilter(_is_about_waiting)
        set_client_factory(default_client_factory)


def _is_about_waiting(record: logging.LogRecord) -> bool:
    # Of what the client tells about a repeated request, its address may be signed, which is as good as a password.
    return record.levelno > logging.WARNING or "thrown while requesting" not in record.getMessage()


def _reason(error: BaseException) -> str:
    """Why, in one line: the client wraps what the Hub answered in errors that no longer say it."""
    while not _is_answer(error) and error.__cause__ is not None:
        error = error.__cause__
    words = " ".join(masked(str(error)).split())[:300].rstrip(" .") or type(error).__name__
    # Python's own words for an answer that is not what the client looks for, such as 'url', say nothing alone.
    is_odd = isinstance(error, (LookupError, TypeError, AttributeError, json.JSONDecodeError))
    return f"it gave an unexpected answer ({type(error).__name__}: {words})" if is_odd else words


def _is_answer(error: BaseException) -> bool:
    from huggingface_hub.errors import HfHubHTTPError

    return isinstance(error, HfHubHTTPError)
