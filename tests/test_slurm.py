"""configs/slurm/pretrain.sbatch, run by bash with commands of Slurm's names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

BATCH = ROOT / "recipe" / "configs" / "slurm" / "pretrain.sbatch"
SIGNAL = '{"event": "signal"}\n'
# srun stands for torchrun on two machines: it prints its words, writes what the ranks would, and has their status.
COMMANDS = {
    "srun": 'echo "$*" > {folder}/srun.txt; echo "$SRUN_CPUS_PER_TASK" > {folder}/cpus.txt\n'
    "printf '%s' '{events}' >> {run}/events.jsonl\n{more}exit {status}\n",
    "scontrol": 'if [ "$1" = requeue ]; then echo "$2" > {folder}/requeued.txt; else echo node7; echo node8; fi\n',
}


def run(folder: Path, status: int, events: str = "", before: str = "", more: str = "") -> int:
    (folder / "run").mkdir()
    if before:
        (folder / "run" / "events.jsonl").write_text(before)
    (folder / "recipe.yaml").write_text(f"run_dir: {folder / 'run'} # a comment\ncorpus: {{path: [x]}}\n")
    values = {"folder": folder, "run": folder / "run", "events": events, "status": status, "more": more}
    for name, text in COMMANDS.items():
        (folder / name).write_text("#!/bin/bash\n" + text.format(**values))
        (folder / name).chmod(0o755)
    slurm = {"JOB_ID": "4711", "JOB_NODELIST": "node[7-8]", "NNODES": "2", "GPUS_ON_NODE": "8", "CPUS_PER_TASK": "32"}
    environment = {
        **os.environ,
        **{f"SLURM_{name}": value for name, value in slurm.items()},
        "PATH": f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    command = ["bash", str(BATCH), str(folder / "recipe.yaml")]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False).returncode


def test_bash_can_read_it():
    assert subprocess.run(["bash", "-n", str(BATCH)], capture_output=True, check=True).stderr == b""


def test_one_torchrun_a_machine_meets_at_the_first_one(tmp_path):
    assert run(tmp_path, 0) == 0
    assert (tmp_path / "srun.txt").read_text().split() == [
        *("--ntasks-per-node=1", "torchrun", "--nnodes", "2", "--nproc_per_node", "8", "--rdzv_backend", "c10d"),
        *("--rdzv_endpoint", "node7:24711", "--rdzv_id", "4711", "scripts/pretrain.py", str(tmp_path / "recipe.yaml")),
    ]
    assert (tmp_path / "cpus.txt").read_text() == "32\n"
    assert not (tmp_path / "requeued.txt").exists()


@pytest.mark.parametrize(
    ("status", "events", "before", "is_requeued"),
    [
        (1, SIGNAL, "", True),
        (1, SIGNAL, SIGNAL, True),
        (85, "", "", True),
        (1, '{"event": "fault"}\n', "", False),
        # A run that failed after it was put back once must not come back without end.
        (1, "", SIGNAL, False),
    ],
)
def test_only_a_run_that_a_signal_ended_goes_back_into_the_queue(tmp_path, status, events, before, is_requeued):
    assert run(tmp_path, status, events, before) == status
    assert (tmp_path / "requeued.txt").exists() == is_requeued


def test_the_script_outlives_the_signal_that_comes_to_all(tmp_path):
    assert run(tmp_path, 1, SIGNAL, more="kill -TERM $PPID; sleep 0.5\n") == 1
    assert (tmp_path / "requeued.txt").read_text() == "4711\n"
