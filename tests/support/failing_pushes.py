"""Pushes of one run to the stub Hub while something goes wrong, and the same command again: what became of each.

python tests/support/failing_pushes.py RUN RESULTS.json

One process for all, since the imports of a push take longer than the push. The client is the real one, over HTTP.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hub_stub import Failure, StubHub, stub_hub

CREATE, INFO, COMMITS = ("POST", "/api/repos/create"), ("GET", "/api/models/[^/]+/[^/]+$"), ("GET", "/commits/")
MODES, BATCH, BLOB, COMMIT = (
    ("POST", "/preupload/main"),
    ("POST", "/objects/batch"),
    ("PUT", "/blobs/"),
    ("POST", "/commit/main"),
)
# Name -> what goes wrong, whether the client's own repetition mends it, and further options of the command.
CASES: dict[str, tuple[Failure, bool, tuple[str, ...]]] = {
    "500 where the repository is made": (Failure(*CREATE, 500), False, ()),
    "401 where the repository is made": (Failure(*CREATE, 401, message="Invalid username or password."), False, ()),
    "409 where the repository is made, of a name that is taken": (Failure(*CREATE, 409), False, ()),
    "no answer where the repository is made": (Failure(*CREATE, "hang"), False, ()),
    "a page instead of JSON": (Failure(*CREATE, "no JSON"), False, ()),
    "JSON without what is looked for": (Failure(*CREATE, "other JSON"), False, ()),
    "503 where the visibility is asked for": (Failure(*INFO, 503), False, ()),
    "a broken answer about the visibility": (Failure(*INFO, "half answer"), False, ()),
    "500 for the list of commits": (Failure(*COMMITS, 500), True, ()),
    "400 for the card": (Failure("POST", "/api/validate-yaml", 400, message="license is unknown"), False, ()),
    "500 twice before the upload": (Failure(*MODES, 500, times=2), True, ()),
    "429 with Retry-After": (Failure(*MODES, 429, headers={"Retry-After": "7"}), True, ()),
    "other JSON before the upload": (Failure(*MODES, "other JSON"), False, ()),
    "500 for the addresses of the blobs, again and again": (Failure(*BATCH, 500, times=9), False, ()),
    "502 twice for a blob": (Failure(*BLOB, 502, times=2), True, ()),
    "a connection that breaks in the middle of a blob": (Failure(*BLOB, "cut body"), True, ()),
    "a connection that breaks in the middle of every blob": (Failure(*BLOB, "cut body", times=99), False, ()),
    "no answer to a blob": (Failure(*BLOB, "hang"), True, ()),
    "413 for a blob": (Failure(*BLOB, 413, message="Payload Too Large"), False, ()),
    "403 for a blob, whose address has run out": (Failure(*BLOB, 403, message="Request has expired"), False, ()),
    "500 at the commit": (Failure(*COMMIT, 500), False, ()),
    "401 at the commit": (Failure(*COMMIT, 401, message="Invalid credentials"), False, ()),
    "412 at the commit": (Failure(*COMMIT, 412, message="A commit has happened since"), False, ()),
    "429 at the commit": (Failure(*COMMIT, 429, headers={"Retry-After": "7"}), False, ()),
    "no answer to the commit": (Failure(*COMMIT, "hang"), False, ()),
    "a connection that breaks in the middle of the commit": (Failure(*COMMIT, "cut body"), False, ()),
    "a commit that is done, but not answered": (Failure(*COMMIT, "lost answer"), False, ()),
    "a commit that is done, and half answered": (Failure(*COMMIT, "half answer"), False, ()),
    "500 at the commit of what shall be public": (Failure(*COMMIT, 500), False, ("--public",)),
    "403 where it is made public": (Failure("PUT", "/settings", 403), False, ("--public",)),
    "500 for a branch": (Failure("POST", "/branch/", 500), False, ("--checkpoints",)),
    "a connection that breaks in the middle of a branch": (
        Failure("POST", "/commit/step-6", "cut body"),
        False,
        ("--checkpoints", "--public"),
    ),
}  # fmt: skip


class Clock:
    """The module `time` for the client: it waits for nothing, and remembers how long it would have waited."""

    def __init__(self) -> None:
        self.waited = 0.0

    def sleep(self, seconds: float) -> None:
        """Remember."""
        self.waited += seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


def main(run: Path, results: Path) -> None:
    """Inject each failure, then run the same command again without it."""
    with stub_hub() as hub, tempfile.TemporaryDirectory() as home:
        os.environ.pop("HF_HUB_OFFLINE", None)
        os.environ.update(hub.environment(home))
        # Imported now, since the client reads its address when it is imported.
        import huggingface_hub.utils._http as client

        from recipe.publishing import upload

        clock = Clock()
        client.time = clock  # type: ignore[attr-defined]
        found = {}
        for number, (name, (failure, _, options)) in enumerate(CASES.items()):
            repo = f"someone/model-{number}"
            command = ["push", str(run), "--repo", repo, *options]
            upload.TIMEOUT = 3.0 if failure.what == "hang" else 300.0
            hub.blobs.clear()
            hub.failures, clock.waited = [failure], 0.0
            first = {**_pushed(command), "waited": clock.waited, **_state(hub, repo)}
            arrived = set(hub.blobs)
            hub.failures, hub.requests = [], []
            upload.TIMEOUT = 300.0
            again = {**_pushed(command), **_state(hub, repo)}
            again["sent_twice"] = sorted(
                arrived & {line.rpartition("/")[2] for line in hub.requests if "/blobs/" in line}
            )
            found[name] = {"repo": repo, "left": failure.times, "first": first, "again": again}
        results.write_text(json.dumps(found))


def _pushed(command: list[str]) -> dict[str, Any]:
    from recipe.cli import main as domain_bert

    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            domain_bert(command)
        except SystemExit as end:
            status = int(end.code or 0)
    return {"status": status, "out": out.getvalue(), "err": err.getvalue()}


def _state(hub: StubHub, repo: str) -> dict[str, Any]:
    repository = hub.repositories.get(f"models/{repo}")
    if repository is None:
        return {"private": None, "files": [], "branches": {}}
    branches = {name: sorted(files) for name, files in repository.branches.items()}
    return {"private": repository.private, "files": sorted(repository.files), "branches": branches}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
