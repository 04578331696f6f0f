"""A run that went through all stages, with kept checkpoints and a fine-tuned model."""

import shutil
from pathlib import Path

import pytest
from conftest import small_recipe
from hub_stub import stub_hub
from made_up_task import write_task


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory, corpus_file) -> Path:
    """The run folder; tests must not change it."""
    from recipe.pipeline import run_all

    folder = tmp_path_factory.mktemp("whole")
    task = write_task(tmp_path_factory.mktemp("made-up"))
    overrides = {
        "task.name": str(task),
        "task.seeds": "[1]",
        "task.num_train_epochs": "1",
        "task.max_seq_length": "32",
        "hub.domain": "made-up words",
        "hub.license": "apache-2.0",
    }
    recipe = small_recipe(corpus_file, folder / "run", **overrides)
    run_all(recipe)
    return recipe.folder


@pytest.fixture
def run_copy(whole_run, tmp_path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(whole_run, tmp_path / "run"))


@pytest.fixture
def hub():
    with stub_hub() as server:
        yield server
