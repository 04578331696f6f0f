"""Tests of this folder need a GPU and are skipped without one.

With GPU_TESTS_ON=cpu they run on the CPU as far as they can, with emulated kernels: tests/test_gpu_rehearsal.py does
so, since otherwise nobody would know that they still run until a GPU is at hand.
"""

import os
from collections.abc import Callable, Iterator

import emulated_kernels
import pytest
import torch
from small_run import run_folder_of
from waits import Waits

from recipe.config import Recipe
from recipe.pretraining.guard import StepFlags


@pytest.fixture(scope="session")
def device() -> torch.device:
    if os.environ.get("GPU_TESTS_ON") == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU, but torch.cuda.is_available() is False")
    return torch.device("cuda", torch.cuda.current_device())


@pytest.fixture
def gpu(device) -> torch.device:
    """A device that is no rehearsal."""
    if device.type != "cuda":
        pytest.skip("a CPU has nothing of the like")
    return device


@pytest.fixture
def capability(device) -> tuple[int, int]:
    """Of the card; in a rehearsal that of an H100."""
    return torch.cuda.get_device_capability(device) if device.type == "cuda" else (9, 0)


@pytest.fixture
def torch_kernels(device, monkeypatch) -> None:
    """The kernels of torch, in a rehearsal what they compute."""
    if device.type == "cpu":
        for name, kernel in (("flash", emulated_kernels.flash), ("efficient", emulated_kernels.efficient)):
            monkeypatch.setattr(torch.ops.aten, f"_{name}_attention_forward", kernel)


class WaitsRaise:
    """From `start` to `end` the host must not wait for the device."""

    def start(self) -> None:
        torch.cuda.set_sync_debug_mode("error")

    def end(self) -> None:
        torch.cuda.set_sync_debug_mode("default")


class WaitsAreFound(WaitsRaise):
    """The same of a device that is no GPU: operators at which a GPU would make the host wait."""

    def __init__(self) -> None:
        self._mode: Waits | None = None

    def start(self) -> None:
        self._mode = Waits()
        self._mode.__enter__()

    def end(self) -> None:
        mode, self._mode = self._mode, None
        if mode is not None:
            mode.__exit__(None, None, None)
            assert mode.found == []


@pytest.fixture
def no_waits(device, monkeypatch) -> Iterator[WaitsRaise]:
    if device.type == "cuda":
        waits: WaitsRaise = WaitsRaise()
    else:
        waits = WaitsAreFound()
        # On a CPU flags are read at once, which costs nothing there.
        monkeypatch.setattr(StepFlags, "read", lambda flags, reduced: [0] * len(reduced))
    try:
        yield waits
    finally:
        waits.end()


@pytest.fixture
def recipe_of(device, capability, prepared, corpus_file, tmp_path) -> Callable[..., Recipe]:
    """A recipe of ten steps in a run folder of its own, with heads of 64 and rows without padding, on the device."""

    def made(name: str, **settings: object) -> Recipe:
        small = {
            "model__num_hidden_layers": 2,
            "model__hidden_size": 128,
            "model__intermediate_size": 256,
            "training__use_cpu": device.type == "cpu",
            # In float32 a CPU takes a path through the loss that no GPU takes.
            "training__bf16": capability >= (8, 0),
            "training__max_steps": 10,
            "training__eval_steps": 100,
            "training__save_steps": 100,
        }
        overrides = {key.replace("__", "."): str(value).lower() for key, value in {**small, **settings}.items()}
        return run_folder_of(prepared, tmp_path / name, corpus_file, **overrides)

    return made
