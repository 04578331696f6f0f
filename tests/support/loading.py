"""How many batches of each step were ready before the Trainer asked for them.

torchrun --nproc_per_node 2 tests/support/loading.py FOLDER: for two ranks, and their gradient, into
FOLDER/loading-RANK.json; FOLDER is one that benchmarks/exactness.py has prepared.
"""

import multiprocessing
import sys
import time
from pathlib import Path
from typing import Any

import transformers

from recipe.files import write_json
from recipe.pretraining.trainer import PreTrainer

READY_AT = "ready_at"
ACCUMULATION, WORKERS, STEPS = 8, 2, 4
COLLATOR_SECONDS = 0.02
# If it takes longer, workers have died.
WORKERS_SECONDS = 60.0


def watch_batches(trainer: PreTrainer) -> list[int]:
    """A list that gets, for every step, how many of its batches were ready when it began.

    The collator becomes slow, and each step lasts until the workers have no more to do: so the figures depend on how
    far the workers may work ahead, not on the speed of this machine.
    """
    collator = SlowCollator(trainer.data_collator)
    ready: list[int] = []
    fetch = trainer.get_batch_samples

    def watched(*arguments: Any) -> tuple[list, Any]:
        asked_at = time.monotonic()
        batches, counts = fetch(*arguments)
        ready.append(sum(batch.pop(READY_AT) < asked_at for batch in batches))
        return batches, counts

    trainer.data_collator, trainer.get_batch_samples = collator, watched  # type: ignore[method-assign]
    trainer.add_callback(LongSteps(collator))
    # A validation takes the collator too.
    trainer.args.eval_strategy = transformers.IntervalStrategy.NO
    return ready


class SlowCollator:
    """A collator that takes its time, and writes down when a batch was ready and how many are."""

    def __init__(self, inner: Any) -> None:
        self._inner, self.made = inner, multiprocessing.Value("q", 0)

    def __call__(self, rows: list[Any]) -> dict[str, Any]:
        time.sleep(COLLATOR_SECONDS)
        # One clock for all processes of a machine.
        batch = {**self._inner(rows), READY_AT: time.monotonic()}
        with self.made.get_lock():
            self.made.value += 1
        return batch


class LongSteps(transformers.TrainerCallback):
    """Lets a step last until the workers have made every batch that they were asked for."""

    def __init__(self, collator: SlowCollator) -> None:
        self._made = collator.made

    def on_step_end(self, args, state, control, train_dataloader=None, **kwargs):
        # Fewer may lack the very one that comes next: each worker makes every n-th.
        ahead = train_dataloader.num_workers * train_dataloader.prefetch_factor
        asked_for = min(state.global_step * args.gradient_accumulation_steps + ahead, len(train_dataloader))
        ends_at = time.monotonic() + WORKERS_SECONDS
        while self._made.value < asked_for and time.monotonic() < ends_at:
            time.sleep(0.005)


def main() -> None:
    """What a rank finds."""
    sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
    import torch
    from exactness import GLOBAL_BATCH, recipe_of
    from exactness_runs import RANK, RANKS, gradient_of, logging_off, trainer_of

    from recipe.arguments import end_other_ranks

    logging_off()
    folder = Path(sys.argv[1])
    found = {"gradient": gradient_of(folder, "ours", ACCUMULATION, training__dataloader_num_workers=WORKERS)}
    recipe = recipe_of(
        folder,
        training__per_device_batch_size=GLOBAL_BATCH // ACCUMULATION // RANKS,
        training__dataloader_num_workers=WORKERS,
        training__max_steps=STEPS,
    )
    trainer = trainer_of(recipe, folder / "checkpoints" / "loading", save_strategy="no")
    found["ready"] = watch_batches(trainer)
    trainer.train()
    write_json(folder / f"loading-{RANK}.json", found)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    end_other_ranks()


if __name__ == "__main__":
    main()
