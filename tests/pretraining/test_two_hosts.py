"""Pretraining on two hosts: network namespaces with host names of their own, joined by a cable, torchrun in each."""

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from conftest import ROOT, small_recipe

from recipe.config import Recipe
from recipe.model.bert import load_model
from recipe.pipeline import run_stage
from recipe.pretraining.checkpoints import checkpoints_in
from recipe.pretraining.run import checkpoint_folder

pytestmark = pytest.mark.slow
SETTINGS = {
    "training.max_steps": "240",
    "training.save_steps": "20",
    "training.eval_steps": "240",
    "training.dropout": "0.1",
    "training.ddp_timeout": "10",
    "pairs.refresh_every_epoch": "true",
}
HOSTS = ("host-a", "host-b")


def command(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no network namespaces here: `{' '.join(words)}`: {done.stderr.strip()[:200]}")


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    """The names of two network namespaces, 10.77.0.1 and 10.77.0.2, that know each other by name."""
    if not shutil.which("ip") or not shutil.which("unshare") or os.geteuid():
        pytest.skip("network namespaces need root, ip and unshare")
    mark = uuid.uuid4().hex[:6]
    names = [f"{host}-{mark}" for host in HOSTS]
    try:
        for name in names:
            command("ip", "netns", "add", name)
            # ip puts it in the place of /etc/hosts there.
            Path("/etc/netns", name).mkdir(parents=True)
            addresses = [f"10.77.0.{number} {host}" for number, host in enumerate(HOSTS, 1)]
            Path("/etc/netns", name, "hosts").write_text("\n".join(["127.0.0.1 localhost", *addresses, ""]))
        ends = [f"v{mark}{letter}" for letter in "ab"]
        command("ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for number, (name, end) in enumerate(zip(names, ends, strict=True), 1):
            command("ip", "link", "set", end, "netns", name, "name", "eth0")
            command("ip", "-n", name, "address", "add", f"10.77.0.{number}/24", "dev", "eth0")
            command("ip", "-n", name, "link", "set", "eth0", "up")
            command("ip", "-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
            shutil.rmtree(Path("/etc/netns", name), ignore_errors=True)


def launch(hosts: list[str], recipe: Recipe, before: tuple[str, str] = ("true", "true")) -> list[subprocess.Popen]:
    """torchrun on both hosts, one rank each; the process of a host is its torchrun.

    Args:
        before: a shell command for each host, run in its own view of the file systems.
    """
    config = recipe.folder.parent / f"{recipe.folder.name}.yaml"
    config.write_text(recipe.to_yaml())
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc_per_node", "1"]
    torchrun += ["--rdzv_backend", "c10d", "--rdzv_endpoint", "host-a:29500", "--rdzv_id", "job"]
    started = []
    for number, (name, host) in enumerate(zip(hosts, HOSTS, strict=True)):
        words = [*torchrun, "--local_addr", host, "scripts/pretrain.py", str(config)]
        script = f'hostname {host} && {before[number]} && exec "$@"'
        with open(log_path(recipe, host), "ab") as log:
            process = subprocess.Popen(
                [*f"ip netns exec {name} unshare --uts bash -c".split(), script, "bash", *words],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "eth0"},
                stdout=log,
                stderr=log,
            )
        started.append(process)
    return started


def log_path(recipe: Recipe, host: str) -> Path:
    return recipe.folder.parent / f"{recipe.folder.name}-{host}.log"


def ended(processes: list[subprocess.Popen], recipe: Recipe, seconds: float = 240) -> list[int]:
    until = time.monotonic() + seconds
    try:
        return [process.wait(max(1, until - time.monotonic())) for process in processes]
    except subprocess.TimeoutExpired:
        pytest.fail("\n".join(log_path(recipe, host).read_text()[-3000:] for host in HOSTS))
    finally:
        for process in processes:
            process.kill()


def ranks_of(recipe: Recipe) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if os.fsencode(f"{recipe.folder}.yaml") in words and b"torch.distributed.run" not in words:
                found.append(int(path.parent.name))
    return found


def children_of(process: subprocess.Popen) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


@pytest.fixture(scope="module")
def base(tmp_path_factory, corpus_file) -> Recipe:
    recipe = small_recipe(corpus_file, tmp_path_factory.mktemp("hosts") / "base", **SETTINGS)
    for stage in ("corpus", "tokenizer", "tokens", "pairs"):
        run_stage(recipe, stage)
    return recipe


def copy_of(base: Recipe, run: Path) -> Recipe:
    shutil.copytree(base.folder, run)
    return small_recipe(Path(base.corpus.path[0]), run, **SETTINGS)


def weights(recipe: Recipe) -> dict[str, torch.Tensor]:
    return load_model(recipe.folder / "model").state_dict()


def test_two_hosts_of_which_one_is_killed_resume_at_one_step_to_the_same_weights(hosts, base, tmp_path):
    """First torchrun of host-b alone, then, after a start, all of host-a, where the ranks meet."""
    whole = copy_of(base, tmp_path / "whole")
    assert ended(launch(hosts, whole), whole) == [0, 0], log_path(whole, "host-a").read_text()[-3000:]

    killed = copy_of(base, tmp_path / "killed")
    for victim, step in ((1, 40), (0, 120)):
        processes = launch(hosts, killed)
        until = time.monotonic() + 120
        while time.monotonic() < until and not any(
            int(path.name.split("-")[1]) >= step for path in checkpoints_in(checkpoint_folder(killed))
        ):
            time.sleep(0.02)
        pids = [processes[victim].pid, *(children_of(processes[victim]) if victim == 0 else [])]
        for pid in pids:
            os.kill(pid, 9)
        statuses = ended(processes, killed, 60)
        assert statuses[victim] == -9
        assert statuses[1 - victim] not in (0, -9)
        until = time.monotonic() + 20
        while ranks_of(killed) and time.monotonic() < until:
            time.sleep(0.1)
        assert not ranks_of(killed)
        assert not (killed.folder / "model").exists()
    assert ended(launch(hosts, killed), killed) == [0, 0]
    found = "".join(log_path(killed, host).read_text() for host in HOSTS)
    assert found.count("pretrain: resumes from") == 2, "rank 0 says it once for each start that goes on"
    expected = weights(whole)
    assert all(torch.equal(value, expected[name]) for name, value in weights(killed).items())


def test_a_host_that_sees_another_run_folder_is_named_on_both(hosts, base, tmp_path):
    recipe = copy_of(base, tmp_path / "run")
    (tmp_path / "empty").mkdir()
    statuses = ended(launch(hosts, recipe, ("true", f"mount --bind {tmp_path / 'empty'} {recipe.folder}")), recipe)
    assert 0 not in statuses
    for host in HOSTS:
        lines = [line for line in log_path(recipe, host).read_text().splitlines() if "error: " in line]
        assert lines
        assert lines[0].endswith(
            f"{recipe.folder}: host-b did not see within 30 s what rank 0 on host-a wrote there; set run_dir to a"
            " folder that all machines share under one path"
        )
        assert "exitcode  : 2" in log_path(recipe, host).read_text()
