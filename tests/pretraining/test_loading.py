"""No step waits for a collator once training runs, with accumulation too."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT
from loading import ACCUMULATION, STEPS, WORKERS, watch_batches
from small_run import run_folder_of

from recipe.pretraining.run import make_trainer

sys.path.append(str(ROOT / "benchmarks"))


@pytest.mark.parametrize(("accumulation", "workers"), [(ACCUMULATION, WORKERS), (8, 3), (1, 2)])
def test_all_batches_of_a_step_are_ready_when_it_begins(prepared, corpus_file, tmp_path, accumulation, workers):
    recipe = run_folder_of(
        prepared,
        tmp_path / "run",
        corpus_file,
        **{
            "training.global_batch_size": str(2 * accumulation),
            "training.per_device_batch_size": "2",
            "training.dataloader_num_workers": str(workers),
            "training.max_steps": str(STEPS),
        },
    )
    trainer = make_trainer(recipe)
    ready = watch_batches(trainer)
    trainer.train()
    assert len(ready) == STEPS
    assert ready[1:] == [accumulation] * (STEPS - 1)


@pytest.mark.slow
def test_two_ranks_wait_for_no_batch_and_have_the_gradient_of_the_whole_batch(tmp_path):
    """Against the stock model in float64 on the whole batch at once, as benchmarks/exactness.py measures it."""
    from exactness import prepare

    prepare(tmp_path)
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
        *("tests/support/loading.py", str(tmp_path)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    for rank in range(2):
        found = json.loads((tmp_path / f"loading-{rank}.json").read_text())
        assert found["ready"][1:] == [ACCUMULATION] * (STEPS - 1)
        assert (found["gradient"]["ranks"], found["gradient"]["accumulation"]) == (2, ACCUMULATION)
        for name in ("loss", "gradient"):
            assert abs(found["gradient"][name] - 1) < 1e-6
        assert found["gradient"]["difference"] < 1e-5
