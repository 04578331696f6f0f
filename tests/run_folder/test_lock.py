"""One process at a time works in a run folder."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from recipe.errors import InputError
from recipe.run_folder import lock
from recipe.run_folder.lock import HOLDER, LOCK, holder_of, run_lock

HOLD = """
import sys, time
from pathlib import Path
from recipe.run_folder.lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(run: Path, code: str = HOLD) -> subprocess.Popen:
    """A process that has the lock."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(run)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert "held" in process.stdout.readline()
    return process


def test_a_second_process_is_told_who_works_there(tmp_path):
    process = hold(tmp_path)
    try:
        with (
            pytest.raises(InputError, match=rf"process {process.pid} on .* \(`-c .*`, since 20.* works in this run"),
            run_lock(tmp_path),
        ):
            pass
        assert str(process.pid) in (holder_of(tmp_path) or "")
    finally:
        process.kill()
        process.wait()


def test_the_lock_of_a_dead_process_is_taken_over_and_said(tmp_path, capsys):
    process = hold(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert holder_of(tmp_path) is None
    with run_lock(tmp_path):
        found = capsys.readouterr().out
        assert f"process {process.pid} on" in found
        assert "ended without giving its lock back; it is taken over" in found
        assert json.loads((tmp_path / HOLDER).read_text())["pid"] == os.getpid()
    assert not (tmp_path / HOLDER).exists()
    with run_lock(tmp_path):
        assert capsys.readouterr().out == ""


FORK = """
import os, sys, time
from pathlib import Path
from recipe.run_folder.lock import run_lock
with run_lock(Path(sys.argv[1])):
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    print("held", child, flush=True)
    time.sleep(60)
"""


def test_children_that_outlive_the_holder_do_not_keep_the_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.2)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", FORK, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    child = int(process.stdout.readline().split()[1])
    process.kill()
    process.wait()
    try:
        with run_lock(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_process_takes_its_own_lock_again_and_other_ranks_share_it(tmp_path, monkeypatch):
    with run_lock(tmp_path), run_lock(tmp_path / "."):
        assert (tmp_path / HOLDER).is_file()
    process = hold(tmp_path)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with run_lock(tmp_path):
        pass
    process.kill()
    process.wait()


def test_of_two_that_start_at_once_one_works(tmp_path):
    code = (
        HOLD.replace("time.sleep(60)", "time.sleep(3)")
        .replace("with run", "try:\n  with run")
        .replace("    print", "      print")
        .replace("    time", "      time")
    )
    code += "except Exception as error:\n  print('refused', error, flush=True)\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, str(tmp_path)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(4)]
    said = [process.communicate(timeout=60)[0] for process in started]
    assert sorted(text.split()[0] for text in said) == ["held", "refused", "refused", "refused"]


@pytest.mark.parametrize(
    "note", ["", "{", "[]", '{"host": 1}', '{"host": "x", "pid": "y", "command": 1, "started": 2}']
)
def test_a_damaged_note_of_the_holder_stops_nothing(tmp_path, note):
    (tmp_path / HOLDER).write_text(note)
    with run_lock(tmp_path):
        pass


def test_a_file_system_without_locks_is_said_and_used(tmp_path, monkeypatch, capsys):
    class NoLock:
        def __init__(self, path):
            pass

        def acquire(self, timeout):
            raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(lock, "FileLock", NoLock)
    with run_lock(tmp_path):
        assert "this file system has no locks" in capsys.readouterr().out
    assert not (tmp_path / LOCK).exists()
