"""Small trainings of one world size, each written down as JSON: what benchmarks/exactness.py puts into tables.

It is started by that program, as one process or by torchrun as two.
"""

import hashlib
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import transformers
from exactness import GLOBAL_BATCH, STEPS, recipe_of
from transformers import Trainer, TrainerCallback, TrainingArguments

from recipe.arguments import end_other_ranks
from recipe.config import Recipe
from recipe.files import write_json
from recipe.pretraining.run import make_collator, make_trainer
from recipe.pretraining.trainer import PreTrainer

RESUMED_AT = {"mid-epoch": 3, "boundary": 4}
RANK, RANKS = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def main() -> None:
    """All runs of this world size: FOLDER COMBINATIONS ACCUMULATION ...

    FOLDER contains recipe.yaml and a prepared run; FOLDER/runs-RANKS.json is written.
    """
    folder, combinations, accumulations = Path(sys.argv[1]), int(sys.argv[2]), map(int, sys.argv[3:])
    logging_off()
    found = {
        "gradients": [
            gradient_of(folder, system, accumulation) for accumulation in accumulations for system in ("stock", "ours")
        ],
        "resumes": list(resumes(folder, combinations)),
        "splits": splits(folder),
        "mask_agreement": [mask_agreement(folder, system) for system in ("stock", "ours")] if RANKS > 1 else [],
    }
    if RANK == 0:
        write_json(folder / f"runs-{RANKS}.json", found)
    if RANKS > 1:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
        end_other_ranks()


def trainer_of(recipe: Recipe, output: Path, **arguments: object) -> PreTrainer:
    """Our trainer, with its checkpoints in a folder of its own."""
    trainer = make_trainer(recipe)
    trainer.args.output_dir = str(output)
    for key, value in arguments.items():
        setattr(trainer.args, key, value)
    trainer.remove_callback(transformers.ProgressCallback)
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def gradient_of(folder: Path, system: str, accumulation: int, **settings: object) -> dict:
    """Loss and gradient of the first step, against one process that takes the whole batch at once by the stock model
    and plain autograd; settings: more of the recipe.
    """
    micro = GLOBAL_BATCH // accumulation // RANKS
    if not micro:
        return {"system": system, "ranks": RANKS, "accumulation": accumulation}
    recipe = recipe_of(
        folder,
        training__per_device_batch_size=micro,
        training__max_steps=1,
        training__dropout=0,
        training__max_grad_norm=0,
        **settings,
    )
    trainer = trainer_of(recipe, folder / "checkpoints" / "gradient", save_strategy="no")
    ours = trainer if system == "ours" else None
    indexes = range(GLOBAL_BATCH)
    if ours is not None:
        indexes = trainer.get_train_dataloader().batch_sampler.rows_of_step(0, 0).tolist()
    truth_loss, truth = true_gradient(recipe, trainer, [trainer.train_dataset[index] for index in indexes])
    trainer = ours or stock_trainer(recipe, trainer, micro, accumulation, folder / "checkpoints" / "stock")
    watch = _Gradient()
    trainer.add_callback(watch)
    trainer.train()
    loss = next(line["loss"] for line in trainer.state.log_history if "loss" in line)
    return {
        "system": system,
        "ranks": RANKS,
        "accumulation": accumulation,
        "loss": loss / truth_loss,
        "gradient": float(watch.found @ truth / (truth @ truth)),
        "difference": float((watch.found - truth).norm() / truth.norm()),
    }


def true_gradient(recipe: Recipe, trainer: PreTrainer, rows: list[dict]) -> tuple[float, torch.Tensor]:
    """Loss and flat gradient, float64, of the stock model on the whole batch in one piece."""
    model = transformers.BertForPreTraining(trainer.model.config)
    model.load_state_dict(trainer.model.state_dict())
    model.double().eval()
    batch = make_collator(recipe, trainer.processing_class, padding_free=False)(rows)
    loss = model(**batch).loss
    loss.backward()
    return loss.item(), flat_gradient(model)


def stock_trainer(recipe: Recipe, trainer: PreTrainer, micro: int, accumulation: int, output: Path) -> Trainer:
    """The stock Trainer on the same weights and rows; it sees them in their order."""
    model = transformers.BertForPreTraining(trainer.model.config)
    model.load_state_dict(trainer.model.state_dict())
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    arguments = TrainingArguments(
        output_dir=str(output),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=accumulation,
        max_steps=1,
        use_cpu=True,
        remove_unused_columns=False,
        train_sampling_strategy="sequential",
        max_grad_norm=0,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    collator = make_collator(recipe, trainer.processing_class, padding_free=False)
    made = Trainer(model=model, args=arguments, data_collator=collator, train_dataset=trainer.train_dataset)
    made.remove_callback(transformers.PrinterCallback)
    return made


class _Gradient(TrainerCallback):
    """Keeps the gradient that the optimizer is about to use."""

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs) -> None:
        self.found = flat_gradient(model)


def flat_gradient(model: torch.nn.Module) -> torch.Tensor:
    """All gradients in one float64 vector, by the parameters' names."""
    parameters = sorted((name.removeprefix("module."), parameter) for name, parameter in model.named_parameters())
    return torch.cat([parameter.grad.double().flatten() for _, parameter in parameters])


def resumes(folder: Path, number: int) -> Iterator[dict]:
    """The first combinations of settings: a run in one go, and two that resume from its checkpoints, compared bit for
    bit.
    """
    combinations = itertools.product((0, 2), (1, 2), (True, False), (True, False))
    for workers, accumulation, grouping, refresh in itertools.islice(combinations, number):
        settings = {
            "training__dataloader_num_workers": workers,
            "training__per_device_batch_size": GLOBAL_BATCH // accumulation // RANKS,
            "training__group_by_length": grouping,
            "pairs__refresh_every_epoch": refresh,
        }
        output = folder / "checkpoints" / f"resume-{RANKS}-{workers}-{accumulation}-{grouping}-{refresh}"
        whole = seen_by(recipe_of(folder, **settings), output, None)
        for moment, step in RESUMED_AT.items():
            resumed = seen_by(recipe_of(folder, **settings), output, step)
            equal = {
                name: resumed[name] == whole[name][step if name != "weights" else 0 :]
                for name in ("losses", "masks", "weights")
            }
            yield {
                "ranks": RANKS,
                "workers": workers,
                "accumulation": accumulation,
                "grouping": grouping,
                "refresh": refresh,
                "resumed_at": moment,
                **equal,
            }


def seen_by(recipe: Recipe, output: Path, first_step: int | None) -> dict[str, list]:
    """What a run with dropout logs, sees and ends with: per step (loss, both parts, gradient norm) and a hash of the
    batches; a hash of the weights.
    """
    trainer = trainer_of(recipe, output, save_steps=1, save_total_limit=1000)
    masks = hashed_batches(trainer)
    trainer.train(resume_from_checkpoint=str(output / f"checkpoint-{first_step}") if first_step else None)
    lines = [line for line in trainer.state.log_history if "loss" in line and line["step"] > (first_step or 0)]
    weights = hashlib.sha256()
    for values in trainer.accelerator.unwrap_model(trainer.model).state_dict().values():
        weights.update(values.numpy().tobytes())
    losses = [[line[name] for name in ("loss", "mlm_loss", "nsp_loss", "grad_norm")] for line in lines]
    return {"losses": losses, "masks": masks, "weights": [weights.hexdigest()]}


def hashed_batches(trainer: PreTrainer) -> list[str]:
    """A list that gets a hash of every step's inputs and labels on this rank."""
    hashes: list[str] = []
    fetch = trainer.get_batch_samples

    def watched(*arguments):
        batches, counts = fetch(*arguments)
        content = hashlib.sha256()
        for batch in batches:
            for name in sorted(batch):
                content.update(np.asarray(batch[name]).tobytes())
        hashes.append(content.hexdigest())
        return batches, counts

    trainer.get_batch_samples = watched
    return hashes


def splits(folder: Path) -> dict:
    """Losses of one run by number of workers, dropout 0."""
    found = {}
    for workers in (0, 2):
        recipe = recipe_of(folder, training__dataloader_num_workers=workers, training__dropout=0)
        found[f"workers {workers}"] = seen_by(recipe, folder / "checkpoints" / f"splits-{RANKS}-{workers}", None)
    return found


def mask_agreement(folder: Path, system: str) -> dict:
    """How often both ranks mask the same position of the rows that they take at the same time, next to chance;
    single pieces.
    """
    recipe = recipe_of(folder, masking__whole_word_mask=False, training__per_device_batch_size=8)
    trainer = trainer_of(recipe, folder / "checkpoints" / "agreement", save_strategy="no")
    collator = make_collator(recipe, trainer.processing_class)
    if system == "stock":
        inner = transformers.DataCollatorForLanguageModeling(trainer.processing_class, mlm_probability=0.15)
        trainer = stock_trainer(recipe, trainer, 8, 1, folder / "checkpoints" / "stock")
        trainer.args.max_steps = STEPS
        collator = _Stock(inner)
    watch = _Watched(collator)
    trainer.data_collator = watch
    trainer.train()
    everyone: list = [None] * RANKS
    torch.distributed.all_gather_object(everyone, watch.rows)
    return {"system": system, **overlap(*everyone)}


class _Stock:
    """The stock collator on the columns that it knows."""

    def __init__(self, inner) -> None:
        self._inner = inner

    def __call__(self, rows):
        labels = torch.tensor([row["next_sentence_label"] for row in rows])
        batch = self._inner([{name: list(row[name]) for name in ("input_ids", "token_type_ids")} for row in rows])
        return {**batch, "next_sentence_label": labels}


class _Watched:
    """A collator that keeps, for each row, whether each of its tokens is masked."""

    def __init__(self, inner) -> None:
        self._inner, self.rows = inner, []

    def __call__(self, rows):
        batch = self._inner(rows)
        if "cu_seq_lens" in batch:
            is_masked = torch.zeros(len(batch["input_ids"]), dtype=torch.bool)
            is_masked[batch["read_positions"][batch["masked_reads"]]] = True
            found = is_masked.split(batch["cu_seq_lens"].diff().tolist())
        else:
            is_masked = batch["labels"] >= 0
            found = [row[:length] for row, length in zip(is_masked, batch["attention_mask"].sum(1), strict=True)]
        self.rows += [row.tolist() for row in found]
        return batch


def overlap(ours: list[list[bool]], theirs: list[list[bool]]) -> dict:
    """Positions masked in both of two rows, summed over the rows; expected and its deviation for independent choices
    of as many positions.
    """
    both = expected = variance = 0.0
    for one, other in zip(ours, theirs, strict=True):
        # [CLS] is never masked; the shorter row bounds what can be compared
        length = min(len(one), len(other))
        a, b = one[1:length], other[1:length]
        n, masked_a, masked_b = length - 1, sum(a), sum(b)
        both += sum(x and y for x, y in zip(a, b, strict=True))
        expected += masked_a * masked_b / n
        variance += masked_a * masked_b * (n - masked_a) * (n - masked_b) / (n**2 * (n - 1))
    return {"rows": len(ours), "both": both, "expected": expected, "sigmas": (both - expected) / variance**0.5}


def logging_off() -> None:
    """Only errors are printed."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


if __name__ == "__main__":
    main()
