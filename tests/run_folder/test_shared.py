"""Ranks that share a run folder, and ranks that do not: two or three processes that meet through a store."""

import json
import os
import socket
import subprocess
import sys

import pytest
from conftest import ROOT

from recipe.errors import InputError
from recipe.processes import exchange
from recipe.run_folder.shared import require_shared_folder

WORKER = """
import json, os, sys
from pathlib import Path
import recipe.run_folder.shared as shared
import recipe.pretraining.checkpoints as checkpoints
from recipe.errors import InputError
from recipe.processes import exchange, process_index

shared.PATIENCE = checkpoints.PATIENCE = 1
root, rank = Path(sys.argv[1]), process_index()
hashed, is_sound = [], checkpoints.damage_of
checkpoints.damage_of = lambda path: hashed.append(path.name) or is_sound(path)

def said(call):
    try:
        return str(call())
    except InputError as error:
        return f"error: {error}"

own = root / str(rank)
found = {
    "texts": exchange(f"text of {rank}", 60),
    "again": exchange("x" * rank, 60),
    "shared": said(lambda: shared.require_shared_folder(root / "run", 60)),
    "apart": said(lambda: shared.require_shared_folder(own, 60)),
    "absent": said(lambda: shared.require_shared_folder(root / "nowhere", 60)),
    "none": said(lambda: checkpoints.agreed_checkpoint(root / "nowhere", 60)),
    "same": said(lambda: checkpoints.agreed_checkpoint(root / "run", 60)),
    "other": said(lambda: checkpoints.agreed_checkpoint(own, 60)),
    "hashed": hashed,
}
print(json.dumps(found), flush=True)
"""


def free_port() -> str:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return str(server.getsockname()[1])


def ranks_of(number: int, port: str) -> list[dict[str, str]]:
    shared = {"WORLD_SIZE": str(number), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "PYTHONPATH": str(ROOT)}
    return [{**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(number)]


def checkpoint(folder, content: str) -> None:
    path = folder / "checkpoint-10"
    path.mkdir(parents=True)
    (path / "state").write_text(content)
    (path / "manifest.json").write_text(json.dumps({"files": {}, "of": content}))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def found(root) -> list[dict]:
    """What each of two ranks found. They have folders of their own, with checkpoints of one name, and one shared."""
    for name in ("run", "0", "1"):
        checkpoint(root / name, name)
    (root / "run" / "heartbeats").mkdir()
    (root / "run" / "heartbeats" / "token-left").touch()
    # A checkpoint that was cut off, which the first rank passes over and no other one must take.
    (root / "run" / "checkpoint-20").mkdir()
    processes = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(root)], env=environment, stdout=subprocess.PIPE, text=True)
        for environment in ranks_of(2, free_port())
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return [json.loads(output.splitlines()[-1]) for output in outputs]


def test_each_rank_hears_all_in_their_order(found):
    for rank in (0, 1):
        assert found[rank]["texts"] == ["text of 0", "text of 1"]
        assert found[rank]["again"] == ["", "x"]


def test_a_shared_folder_is_found_to_be_one_and_nothing_is_left_in_it(found, root):
    assert [one["shared"] for one in found] == ["None", "None"]
    assert not list((root / "run" / "heartbeats").iterdir())


def test_a_folder_that_is_not_shared_is_one_line_on_all_ranks(found, root):
    host = socket.gethostname()
    for rank in (0, 1):
        assert found[rank]["apart"] == (
            f"error: {root / str(rank)}: {host} did not see within 1 s what rank 0 on {host} wrote there;"
            " set run_dir to a folder that all machines share under one path"
        )


def test_a_folder_that_is_nowhere_is_left_to_the_stage(found):
    assert [one["absent"] for one in found] == ["None", "None"]


def test_all_ranks_take_the_checkpoint_of_the_first_one_which_alone_reads_it(found, root):
    assert [one["none"] for one in found] == ["None", "None"]
    assert [one["same"] for one in found] == [str(root / "run" / "checkpoint-10")] * 2
    assert found[0]["hashed"] == ["checkpoint-20", "checkpoint-10", "checkpoint-10"]
    assert found[1]["hashed"] == []


def test_a_checkpoint_of_another_run_under_the_same_name_is_one_line_on_all_ranks(found, root):
    host = socket.gethostname()
    for rank in (0, 1):
        assert found[rank]["other"].startswith(
            f"error: {root / str(rank) / 'checkpoint-10'}: rank 0 resumes from it, but {host} did not see it with the"
            " same manifest.json within 1 s"
        )


def test_a_rank_that_is_alone_asks_nobody(tmp_path):
    assert exchange("text", 1) == ["text"]
    require_shared_folder(tmp_path / "absent", 1)


def test_a_rank_that_does_not_come_is_one_line(monkeypatch):
    monkeypatch.setattr("recipe.processes._LEAST_TIMEOUT", 1.0)
    for name, value in ranks_of(2, free_port())[0].items():
        if name != "PYTHONPATH":
            monkeypatch.setenv(name, value)
    monkeypatch.setattr("recipe.processes._stores", [])
    with pytest.raises(InputError, match=r"rank 0 on .* did not hear of all 2 ranks within 1 s"):
        exchange("text", 1)
