"""A Hub on loopback for tests: as much of its interface as huggingface_hub's own client uses to create, commit to and
read a repository.

Everything received is kept in memory, so that a test can look for what must not have been sent.
"""

import base64
import hashlib
import json
import os
import re
import threading
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
    """One repository: the files of its only branch and how often they were committed to."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)

    @property
    def sha(self) -> str:
        """Id of the newest commit."""
        return hashlib.sha1(f"{len(self.commits)}{sorted(self.files)}".encode()).hexdigest()


class StubHub(ThreadingHTTPServer):
    """The server and what it has received.

    Attributes:
        repositories: by "models/NAME/MODEL" or "datasets/NAME/DATA".
        blobs: large files, by their sha256.
        bodies: the body of every request, as sent.
        refusals: (method, pattern of the path) -> (status, message) that the stub answers instead of doing the work.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.bodies: list[bytes] = []
        self.refusals: dict[tuple[str, str], tuple[int, str]] = {}

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


def _entries(repository: Repository) -> list[dict[str, Any]]:
    """Files and folders as the Hub lists them."""
    folders = sorted({str(parent) for place in repository.files for parent in PurePosixPath(place).parents} - {"."})
    files = [
        {"type": "file", "path": place, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        for place, content in repository.files.items()
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


class _Handler(BaseHTTPRequestHandler):
    server: StubHub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self._body()
        path = unquote(urlsplit(self.path).path)
        if self._refused(path):
            return
        if path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/preupload/[^/]+", path):
            self._preupload(found[1], found[2], json.loads(body))
        elif re.fullmatch(r"/(datasets/)?[^/]+/[^/]+\.git/info/lfs/objects/batch", path):
            self._batch(json.loads(body))
        elif found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/commit/[^/]+", path):
            self._commit(found[1], found[2], body)
        elif found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/paths-info/[^/]+", path):
            self._paths_info(found[1], found[2], _paths_in(body))
        else:
            self._json({"error": f"the stub knows no POST {path}"}, 404)

    def do_PUT(self) -> None:
        body = self._body()
        if self._refused(self.path):
            return
        name = self.path.rpartition("/")[2]
        if hashlib.sha256(body).hexdigest() != name:
            self._json({"error": "the bytes are not those that were announced"}, 400)
            return
        self.server.blobs[name] = body
        self._answer(200, b"")

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if self._refused(path):
            return
        if found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/tree/[^/]+(?:/(.*))?", path):
            self._tree(found[1], found[2], found[3] or "")
        elif found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+?)(?:/revision/[^/]+)?", path):
            self._info(found[1], found[2])
        elif found := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            self._resolve((found[1] or "models/").rstrip("/"), found[2], found[3])
        else:
            self._json({"error": f"the stub knows no GET {path}"}, 404)

    do_HEAD = do_GET

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the test's output is for the test."""

    def _create(self, wanted: dict[str, Any]) -> None:
        name = "/".join(part for part in (wanted.get("organization"), wanted["name"]) if part)
        key = f"{wanted.get('type') or 'model'}s/{name}"
        if key in self.server.repositories:
            self._json({"error": "You already created this repository", "url": f"{self.server.url}/{name}"}, 409)
            return
        self.server.repositories[key] = Repository(
            private=wanted.get("visibility") == "private" or bool(wanted.get("private"))
        )
        self._json({"url": f"{self.server.url}/{name}", "name": name})

    def _preupload(self, kind: str, name: str, wanted: dict[str, Any]) -> None:
        if self._repository(kind, name) is None:
            return
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith((".safetensors", ".png", ".parquet")) else "regular",
                "shouldIgnore": False,
            }
            for file in wanted["files"]
        ]
        self._json({"files": modes})

    def _batch(self, wanted: dict[str, Any]) -> None:
        objects = []
        for entry in wanted["objects"]:
            missing = entry["oid"] not in self.server.blobs
            upload = {"actions": {"upload": {"href": f"{self.server.url}/blobs/{entry['oid']}"}}}
            objects.append({"oid": entry["oid"], "size": entry["size"], **(upload if missing else {})})
        self._json({"transfer": "basic", "objects": objects})

    def _commit(self, kind: str, name: str, body: bytes) -> None:
        repository = self._repository(kind, name)
        if repository is None:
            return
        for line in body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "header":
                repository.commits.append(value["summary"])
            elif operation["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                repository.files[value["path"]] = self.server.blobs[value["oid"]]
        self._json(
            {
                "commitUrl": f"{self.server.url}/{name}/commit/{repository.sha}",
                "commitOid": repository.sha,
                "success": True,
            }
        )

    def _info(self, kind: str, name: str) -> None:
        repository = self._repository(kind, name)
        if repository is not None:
            siblings = [{"rfilename": place} for place in repository.files]
            self._json(
                {
                    "id": name,
                    "modelId": name,
                    "sha": repository.sha,
                    "private": repository.private,
                    "tags": [],
                    "siblings": siblings,
                }
            )

    def _tree(self, kind: str, name: str, below: str) -> None:
        repository = self._repository(kind, name)
        if repository is None:
            return
        entries = [
            entry for entry in _entries(repository) if entry["path"].startswith(below) and entry["path"] != below
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
            self._json([entry for entry in _entries(repository) if entry["path"] in paths])

    def _resolve(self, kind: str, name: str, place: str) -> None:
        repository = self._repository(kind, name)
        if repository is None:
            return
        if place not in repository.files:
            self._json(
                {"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": repository.sha}
            )
            return
        content = repository.files[place]
        self._answer(
            200, content, {"X-Repo-Commit": repository.sha, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
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
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
