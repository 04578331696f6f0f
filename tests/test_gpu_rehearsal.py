"""tests/gpu on the CPU, with emulated kernels, so that it still runs when a GPU is at hand."""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT


def rehearsed(which: str) -> str:
    environment = {**os.environ, "GPU_TESTS_ON": "cpu", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "tests/gpu", "-q", "-x", "-rs", "-p", "no:cacheprovider", "-m", which]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def test_all_but_the_choice_of_a_kernel_passes_on_a_cpu():
    found = rehearsed("not slow")
    assert "F" not in found.splitlines()[0]
    assert re.findall(r"SKIPPED \[(\d+)\].*", found) == ["2"], "what needs a card is no more than it was"


@pytest.mark.slow
def test_compiled_steps_pass_on_a_cpu():
    assert re.findall(r"SKIPPED \[(\d+)\].*", rehearsed("slow")) == ["1"]


def test_without_a_gpu_every_test_is_skipped_with_a_reason():
    command = [sys.executable, "-m", "pytest", "tests/gpu", "-q", "-rs", "-p", "no:cacheprovider"]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0
    assert "needs a GPU, but torch.cuda.is_available() is False" in done.stdout
    assert set(re.findall(r"^[.sFEx]+ ", done.stdout, re.MULTILINE)[0].strip()) == {"s"}
