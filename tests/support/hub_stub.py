"""A Hub on loopback for tests: as much of its interface as huggingface_hub's own client uses to create, commit to and
read a repository; and what goes wrong on the way, on demand.

Everything received is kept in memory, so that a test can look for what must not have been sent.
"""

import base64
import hashlib
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_" + "StubTokenThatMustNeverBeUploaded0"


@dataclass
class Repository:
    """One repository: the files of its branch main, how often they were committed to, and those of other branches."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    branches: dict[str, dict[str, bytes]] = field(default_factory=dict)

    @property
    def sha(self) -> str:
        """Id of the newest commit."""
        return hashlib.sha1(f"{len(self.commits)}{sorted(self.files)}".encode()).hexdigest()

    def branch_of(self, revision: str) -> str:
        """The branch of a name or of the id of a branch's newest commit; main for any other."""
        return next((name for name in self.branches if revision in (name, self.sha_of(name))), "main")

    def sha_of(self, branch: str) -> str:
        """Id of the newest commit of a branch; each has its own, or a cache of the client would mix their files."""
        files = self.branches.get(branch)
        return self.sha if files is None else hashlib.sha1(f"{branch}{sorted(files)}".encode()).hexdigest()

    def files_of(self, revision: str) -> dict[str, bytes]:
        """The files of a branch by its name or its commit; of main by any other."""
        return self.branches.get(self.branch_of(revision), self.files)


@dataclass
class Failure:
    """What goes wrong with the next requests.

    method, path: which requests, the path as a pattern. what: a status such as 500, or "hang" (no answer), "cut body"
    (the connection ends in the middle of the request), "lost answer" (the work is done, the connection ends before the
    answer), "half answer", "no JSON", "other JSON". times: how many requests. message, headers: of the answer.
    """

    method: str
    path: str
    what: int | str
    times: int = 1
    message: str = "something went wrong"
    headers: dict[str, str] = field(default_factory=dict)


class StubHub(ThreadingHTTPServer):
    """The server and what it has received.

    Attributes:
        repositories: by "models/NAME/MODEL" or "datasets/NAME/DATA".
        blobs: large files, by their sha256.
        bodies: the body of every request, as sent.
        refusals: (method, pattern of the path) -> (status, message) that the stub answers instead of doing the work.
        failures: what goes wrong with the next requests.
        requests: "METHOD path" of every request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.bodies: list[bytes] = []
        self.refusals: dict[tuple[str, str], tuple[int, str]] = {}
        self.failures: list[Failure] = []
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        """Address for HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_port}"

    def environment(self, folder: Any, token: str | None = TOKEN) -> dict[str, str]:
        """Environment of a process whose only Hub is this one; its cache and login live below `folder`."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HF_", "HUGGING", "TRANSFORMERS_"))
        }
        kept |= {
            "HF_ENDPOINT": self.url,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(folder),
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        # A proxy of the machine would take requests for loopback too.
        kept |= {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        return kept | ({"HF_TOKEN": token} if token else {})


@contextmanager
def stub_hub() -> Iterator[StubHub]:
    """A running stub."""
    server = StubHub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _entries(tree: dict[str, bytes]) -> list[dict[str, Any]]:
    """Files and folders as the Hub lists them."""
    folders = sorted({str(parent) for place in tree for parent in PurePosixPath(place).parents} - {"."})
    files = [
        {"type": "file", "path": place, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        for place, content in tree.items()
    ]
    return [
        *(
            {"type": "directory", "path": folder, "oid": hashlib.sha1(folder.encode()).hexdigest()}
            for folder in folders
        ),
        *files,
    ]


def _paths_in(body: bytes) -> list[str]:
    """The paths that a request asks for, as JSON or as a form."""
    try:
        return json.loads(body)["paths"]
    except ValueError:
        return parse_qs(body.decode())["paths"]


def _is_large(place: str) -> bool:
    return place.endswith((".safetensors", ".png", ".parquet", ".arrow"))


def _oid_of(place: str, content: bytes) -> str:
    """As the Hub tells it before an upload: the sha256 of a large file, git's sha1 of another one."""
    if _is_large(place):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\x00" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    server: StubHub
    protocol_version = "HTTP/1.1"
    # What becomes of the answer: "lost answer", "half answer" or nothing.
    spoiled = ""

    def do_POST(self) -> None:
        if self._fails():
            return
        body = self._body()
        path = unquote(urlsplit(self.path).path)
        if self._refused(path):
            return
        if path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/preupload/([^/]+)", path):
            self._preupload(found[1], found[2], found[3], json.loads(body))
        elif re.fullmatch(r"/(datasets/)?[^/]+/[^/]+\.git/info/lfs/objects/batch", path):
            self._batch(json.loads(body))
        elif found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/commit/([^/]+)", path):
            self._commit(found[1], found[2], found[3], body)
        elif found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/branch/([^/]+)", path):
            self._branch(found[1], found[2], found[3], json.loads(body))
        elif found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/paths-info/[^/]+", path):
            self._paths_info(found[1], found[2], _paths_in(body))
        else:
            self._json({"error": f"the stub knows no POST {path}"}, 404)

    def do_PUT(self) -> None:
        if self._fails():
            return
        body = self._body()
        if self._refused(self.path):
            return
        if found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/settings", self.path):
            self._settings(found[1], found[2], json.loads(body))
            return
        name = self.path.rpartition("/")[2]
        if hashlib.sha256(body).hexdigest() != name:
            self._json({"error": "the bytes are not those that were announced"}, 400)
            return
        self.server.blobs[name] = body
        self._answer(200, b"")

    def do_GET(self) -> None:
        if self._fails():
            return
        path = unquote(urlsplit(self.path).path)
        if self._refused(path):
            return
        if found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/tree/([^/]+)(?:/(.*))?", path):
            self._tree(found[1], found[2], found[3], found[4] or "")
        elif found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/commits/main", path):
            self._commits(found[1], found[2])
        elif found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+?)(?:/revision/([^/]+))?", path):
            self._info(found[1], found[2], found[3] or "main")
        elif found := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve((found[1] or "models/").rstrip("/"), found[2], found[3], found[4])
        else:
            self._json({"error": f"the stub knows no GET {path}"}, 404)

    do_HEAD = do_GET

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the test's output is for the test."""

    def _create(self, wanted: dict[str, Any]) -> None:
        name = "/".join(part for part in (wanted.get("organization"), wanted["name"]) if part)
        key = f"{wanted.get('type') or 'model'}s/{name}"
        if key in self.server.repositories:
            self._json({"error": "You already created this repository", "url": self._url(key)}, 409)
            return
        self.server.repositories[key] = Repository(
            private=wanted.get("visibility") == "private" or bool(wanted.get("private"))
        )
        self._json({"url": self._url(key), "name": name})

    def _url(self, key: str) -> str:
        return f"{self.server.url}/{key.removeprefix('models/')}"

    def _settings(self, kind: str, name: str, wanted: dict[str, Any]) -> None:
        repository = self._repository(kind, name)
        if repository is not None:
            repository.private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
            self._json({"private": repository.private})

    def _commits(self, kind: str, name: str) -> None:
        repository = self._repository(kind, name)
        if repository is not None:
            # The Hub itself makes the first one, and lists the newest first.
            titles = [*reversed(repository.commits), "initial commit"]
            numbers = range(len(titles) - 1, -1, -1)
            self._json(
                [
                    {
                        "id": f"{number:040x}",
                        "authors": [],
                        "date": "2026-01-01T00:00:00.000Z",
                        "title": title,
                        "message": "",
                    }
                    for number, title in zip(numbers, titles, strict=True)
                ]
            )

    def _branch(self, kind: str, name: str, branch: str, wanted: dict[str, Any]) -> None:
        repository = self._repository(kind, name)
        if repository is None:
            return
        if branch in repository.branches:
            self._json({"error": "the branch exists"}, 409)
            return
        # The first commit, which the Hub makes, is empty.
        is_empty = wanted.get("startingPoint") == f"{0:040x}"
        repository.branches[branch] = {} if is_empty else dict(repository.files)
        self._json({})

    def _preupload(self, kind: str, name: str, revision: str, wanted: dict[str, Any]) -> None:
        repository = self._repository(kind, name)
        if repository is None:
            return
        known = repository.files_of(revision)
        modes = [
            {
                "path": place,
                "uploadMode": "lfs" if _is_large(place) else "regular",
                "shouldIgnore": False,
                **({"oid": _oid_of(place, known[place])} if place in known else {}),
            }
            for place in (file["path"] for file in wanted["files"])
        ]
        self._json({"files": modes})

    def _batch(self, wanted: dict[str, Any]) -> None:
        objects = []
        for entry in wanted["objects"]:
            missing = entry["oid"] not in self.server.blobs
            upload = {"actions": {"upload": {"href": f"{self.server.url}/blobs/{entry['oid']}"}}}
            objects.append({"oid": entry["oid"], "size": entry["size"], **(upload if missing else {})})
        self._json({"transfer": "basic", "objects": objects})

    def _commit(self, kind: str, name: str, revision: str, body: bytes) -> None:
        repository = self._repository(kind, name)
        if repository is None:
            return
        tree = repository.files_of(revision)
        for line in body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "header":
                # Of the branch main, as the list of commits.
                repository.commits += [value["summary"]] if tree is repository.files else []
            elif operation["key"] == "file":
                tree[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                tree[value["path"]] = self.server.blobs[value["oid"]]
        self._json(
            {
                "commitUrl": f"{self.server.url}/{name}/commit/{repository.sha}",
                "commitOid": repository.sha,
                "success": True,
            }
        )

    def _info(self, kind: str, name: str, revision: str) -> None:
        repository = self._repository(kind, name)
        if repository is not None:
            siblings = [{"rfilename": place} for place in repository.files_of(revision)]
            self._json(
                {
                    "id": name,
                    "modelId": name,
                    "sha": repository.sha_of(repository.branch_of(revision)),
                    "private": repository.private,
                    "tags": [],
                    "siblings": siblings,
                }
            )

    def _tree(self, kind: str, name: str, revision: str, below: str) -> None:
        repository = self._repository(kind, name)
        if repository is None:
            return
        entries = [
            entry
            for entry in _entries(repository.files_of(revision))
            if entry["path"].startswith(below) and entry["path"] != below
        ]
        if below and not entries:
            self._json({"error": "no such folder"}, 404, {"X-Error-Code": "EntryNotFound"})
            return
        if "recursive=true" not in urlsplit(self.path).query.lower():
            entries = [entry for entry in entries if "/" not in entry["path"][len(below) :].strip("/")]
        self._json(entries)

    def _paths_info(self, kind: str, name: str, paths: list[str]) -> None:
        repository = self._repository(kind, name)
        if repository is not None:
            self._json([entry for entry in _entries(repository.files) if entry["path"] in paths])

    def _resolve(self, kind: str, name: str, revision: str, place: str) -> None:
        repository = self._repository(kind, name)
        if repository is None:
            return
        tree = repository.files_of(revision)
        if place not in tree:
            self._json(
                {"error": "Entry not found"},
                404,
                {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": repository.sha_of(repository.branch_of(revision))},
            )
            return
        content = tree[place]
        self._answer(
            200,
            content,
            {
                "X-Repo-Commit": repository.sha_of(repository.branch_of(revision)),
                "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            },
        )

    def _repository(self, kind: str, name: str) -> Repository | None:
        """The repository, or None after a 404 was sent; a private one is there only for who shows a token."""
        repository = self.server.repositories.get(f"{kind}/{name}")
        if repository is None or (repository.private and not self.headers.get("authorization")):
            self._json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
            return None
        return repository

    def _refused(self, path: str) -> bool:
        for (method, pattern), (status, message) in self.server.refusals.items():
            if method == self.command and re.search(pattern, path):
                self._json({"error": message}, status, {"X-Error-Message": message})
                return True
        return False

    def _fails(self) -> bool:
        """Whether this request ends here because of a failure; one that spoils the answer lets the work be done."""
        self.server.requests.append(f"{self.command} {unquote(urlsplit(self.path).path)}")
        self.spoiled = ""
        for failure in self.server.failures:
            if failure.times and failure.method == self.command and re.search(failure.path, self.path):
                failure.times -= 1
                return self._spoil(failure)
        return False

    def _spoil(self, failure: Failure) -> bool:
        if failure.what in ("lost answer", "half answer"):
            self.spoiled = str(failure.what)
            return False
        if failure.what == "hang":
            time.sleep(20)
            self._hang_up()
        elif failure.what == "cut body":
            self.server.bodies.append(self.rfile.read(int(self.headers.get("content-length") or 0) // 2))
            self._hang_up()
        elif failure.what in ("no JSON", "other JSON"):
            self._body()
            self._answer(200, b"<html>busy</html>" if failure.what == "no JSON" else b'{"status": "ok"}')
        else:
            self._body()
            self._json(
                {"error": failure.message}, int(failure.what), {"X-Error-Message": failure.message, **failure.headers}
            )
        return True

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            body = b"".join(iter(self._chunk, b""))
        else:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.bodies.append(body)
        return body

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0], 16)
        chunk = self.rfile.read(size)
        self.rfile.readline()
        return chunk

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        if self.spoiled == "lost answer":
            self._hang_up()
            return
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.spoiled == "half answer":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self._hang_up()
        elif self.command != "HEAD":
            self.wfile.write(body)
