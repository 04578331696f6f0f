"""The stage "pretrain": pairs -> RUN/model, from scratch or from the phase before, on one or many devices."""

import os
import pickle
import shutil
import time
import warnings
from collections.abc import Sized
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import transformers
from transformers import AutoTokenizer, TrainingArguments

from recipe.config import Recipe
from recipe.corpus import SPLITS
from recipe.errors import InputError
from recipe.files import read_json, sha256_of_json, write_json
from recipe.model.bert import BertForPreTraining
from recipe.model.build import make_model
from recipe.model.layer import compile_parts
from recipe.model.muon import MuonAdamW
from recipe.pairs.dataset import load_pairs, training_passes
from recipe.pretraining.checkpoints import agreed_checkpoint, all_finite
from recipe.pretraining.guard import EXIT_STATUS, Guard, Preempted, explain_lost_rank
from recipe.pretraining.lines import TrainingLines
from recipe.pretraining.masking import DataCollatorForPreTraining
from recipe.pretraining.precision import BFLOAT16, FLOAT16, precision_name, precision_of
from recipe.pretraining.rows import FreshRows
from recipe.pretraining.sampler import split_of_batch
from recipe.pretraining.trainer import PreTrainer
from recipe.processes import process_index, processes_asked_for, world_size
from recipe.provenance import package_versions
from recipe.run_folder.events import log_event
from recipe.tokens.store import open_token_store, store_hash

# Keys of `training` that `TrainingArguments` has under the same name.
SAME_NAMES = (
    "max_steps learning_rate lr_scheduler_type weight_decay adam_beta1 adam_beta2 adam_epsilon max_grad_norm"
    " dataloader_num_workers logging_steps eval_steps save_steps save_total_limit report_to ddp_timeout"
).split()
# Its name in trackio and wandb.
PROJECT = "domain-bert"
# As many say how often tokens occur.
_COUNTED_TOKENS = 1 << 24


def pretrain(recipe: Recipe) -> None:
    """Train and write RUN/model (weights, config, tokenizer) and RUN/training.json (the log); resumes by itself.

    Raises:
        InputError: if pairs are missing, sizes do not fit, or the device cannot do what the recipe asks for.
    """
    rank, ranks = process_index(), world_size()
    timeout = recipe.training.ddp_timeout
    with Guard(recipe.folder, rank, ranks, timeout) as guard:
        try:
            _pretrain(recipe, guard)
        except Preempted as end:
            log_event(recipe.folder, "signal", stage="pretrain", step=guard.step, error=str(end))
            if rank == 0:
                print(
                    f"pretrain: {end}: a checkpoint was saved and the run ends with status {EXIT_STATUS}; run the same"
                    " command again to resume",
                    flush=True,
                )
            raise SystemExit(EXIT_STATUS) from None
        except torch.OutOfMemoryError as error:
            raise InputError(_out_of_memory(recipe, guard.step, error)) from None
        except RuntimeError as error:
            if ranks > 1 and (lost := explain_lost_rank(error, guard, timeout)):
                raise lost from None
            raise


def _pretrain(recipe: Recipe, guard: Guard) -> None:
    started = time.time()
    trainer = make_trainer(recipe, guard)
    _announce(recipe, trainer)
    checkpoint = agreed_checkpoint(checkpoint_folder(recipe), recipe.training.ddp_timeout)
    first_step = int(checkpoint.name.split("-")[1]) if checkpoint else 0
    if checkpoint is not None and trainer.is_world_process_zero():
        print(f"pretrain: resumes from {checkpoint}")
        log_event(recipe.folder, "resume", stage="pretrain", step=first_step)
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except pickle.UnpicklingError:
        # Only weights are read from pickles, so whatever else stands there was not run.
        raise InputError(
            f"{checkpoint}: contains code instead of a state, which was not run; remove the folder"
        ) from None
    trainer.end_if_not_finite()
    trainer.end_if_signalled()
    state = trainer.state
    # A run that resumes at its end has not been validated there.
    if not any(line["step"] == state.global_step and "eval_mlm_loss" in line for line in state.log_history):
        trainer.evaluate()
    save_model(trainer, recipe.folder / "model")
    if trainer.is_world_process_zero():
        model = trainer.accelerator.unwrap_model(trainer.model)
        before = _seconds_of(trainer.state.log_history, first_step)
        summary = {
            "log_history": trainer.state.log_history,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "world_size": trainer.args.world_size,
            "device": _device_name(trainer.args.device),
            "precision": precision_name(trainer.args),
            "seconds": before + time.time() - started,
            "seconds_before_resume": before,
        }
        write_json(recipe.folder / "training.json", summary)
    # A rank that ends while its group is open may abort, and the launcher then ends the others, which may still be
    # writing.
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()


def _seconds_of(lines: list[dict[str, Any]], last_step: int) -> float:
    """How long the steps took that earlier starts of this run trained, by the speed in the lines of the log."""
    seconds, tokens = 0.0, 0
    for line in lines:
        if line["step"] <= last_step and line.get("tokens_per_second"):
            seconds += (line["tokens_seen"] - tokens) / line["tokens_per_second"]
            tokens = line["tokens_seen"]
    return seconds


def make_trainer(recipe: Recipe, guard: Guard | None = None) -> PreTrainer:
    """The trainer of a recipe whose tokenizer and pairs are made.

    Args:
        guard: what tells of signals; None: nothing does.

    Raises:
        InputError: as `pretrain`.
    """
    # Its warnings mean nothing here: it takes the special tokens of BERT's config for a mistake, and sorts checkpoints
    # by number where it would by time. A bar for each checkpoint of one file says nothing either.
    transformers.utils.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", "mtime may not be reliable")
    transformers.utils.logging.disable_progress_bar()
    training = recipe.training

    # Pairs: stored rows, or a new pass over the token store for every epoch.
    pairs = load_pairs(recipe)
    tokenizer = AutoTokenizer.from_pretrained(recipe.folder / "tokenizer")
    train_rows: Any = pairs.get("train")
    if recipe.pairs.refresh_every_epoch:
        train_rows = FreshRows(training_passes(recipe), tokenizer.cls_token_id, tokenizer.sep_token_id)
    # Evenly spread, since neighbours come from the same documents.
    validation = pairs["validation"]
    shown = np.unique(np.linspace(0, len(validation) - 1, min(training.eval_pairs, len(validation))).astype(int))

    # Arguments come before the model: they say early what the device cannot do.
    arguments = training_arguments(recipe)
    model = make_model(recipe, len(tokenizer), tokenizer.pad_token_id)

    trainer = PreTrainer(
        seed=recipe.seed,
        group_by_length=training.group_by_length,
        compress_gradients=training.compress_gradients,
        guard=guard or Guard(recipe.folder, 0, 1, training.ddp_timeout),
        fingerprint={**_fingerprint(recipe), "precision": precision_name(arguments)},
        max_skipped_steps=training.max_skipped_steps,
        model=model,
        args=arguments,
        data_collator=make_collator(recipe, tokenizer),
        eval_collator=make_collator(recipe, tokenizer, for_validation=True),
        train_dataset=train_rows,
        eval_dataset=validation.select(shown),
        processing_class=tokenizer,
        optimizer_cls_and_kwargs=_muon(model, arguments) if training.optimizer == "muon" else None,
    )
    if training.torch_compile:
        compile_parts(model.bert, model.cls.predictions)  # type: ignore[arg-type]
    # The callbacks of the library print every number of a step as a dict of strings.
    for callback in (transformers.PrinterCallback, transformers.ProgressCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(TrainingLines(recipe.folder, _frequency_loss(recipe), arguments.warmup_steps))
    return trainer


def _muon(model: BertForPreTraining, arguments: TrainingArguments) -> tuple[type, dict[str, Any]]:
    """The optimizer's class and arguments. Muon is for hidden matrices; embeddings and head stay with AdamW."""
    return MuonAdamW, {
        "matrices": [each for each in model.bert.encoder.parameters() if each.ndim == 2],
        "iteration_dtype": torch.bfloat16 if arguments.bf16 else torch.float32,
        "lr": arguments.learning_rate,
        "betas": (arguments.adam_beta1, arguments.adam_beta2),
        "eps": arguments.adam_epsilon,
    }


def make_collator(
    recipe: Recipe,
    tokenizer: transformers.PreTrainedTokenizerBase,
    padding_free: bool = True,
    for_validation: bool = False,
) -> DataCollatorForPreTraining:
    """The collator of a recipe's `masking` section."""
    masking = recipe.masking
    return DataCollatorForPreTraining(
        tokenizer,
        whole_word_mask=masking.whole_word_mask,
        mlm_probability=masking.eval_mlm_probability if for_validation else masking.mlm_probability,
        mask_replace_prob=masking.mask_replace_prob,
        random_replace_prob=masking.random_replace_prob,
        max_predictions_per_seq=masking.max_predictions_per_seq,
        seed=recipe.seed,
        padding_free=padding_free,
    )


def training_arguments(recipe: Recipe) -> TrainingArguments:
    """The `TrainingArguments` of a recipe; accumulation follows from the global batch and the number of processes.

    Raises:
        InputError: if the batch cannot be split among the processes, or the device lacks the precision asked for.
    """
    training = recipe.training
    precision = precision_of(recipe, checkpoint_folder(recipe))
    # TrainingArguments' own pair, batch per device and accumulation, silently means another training when the number
    # of GPUs changes.
    micro_batch, accumulation = split_of_batch(
        training.global_batch_size, training.per_device_batch_size, world_size()
    )
    schedule = {}
    if training.lr_scheduler_type == "warmup_stable_decay":
        schedule = {"num_decay_steps": round(training.decay_share * training.max_steps), "decay_type": "linear"}
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(recipe.folder / "tensorboard"))
    os.environ.setdefault("WANDB_PROJECT", PROJECT)
    arguments = TrainingArguments(
        output_dir=str(checkpoint_folder(recipe)),
        # Said also where there is no other device: else the library refuses bfloat16. Apple's GPUs have no float64, in
        # which sums of losses are kept, so they count as CPUs.
        use_cpu=training.use_cpu or not torch.cuda.is_available(),
        per_device_train_batch_size=micro_batch,
        per_device_eval_batch_size=training.per_device_batch_size,
        gradient_accumulation_steps=accumulation,
        warmup_steps=round(training.warmup_share * training.max_steps),
        lr_scheduler_kwargs=schedule,
        optim="adamw_torch_fused",
        tf32=training.tf32 or None,
        eval_strategy="steps",
        save_strategy="steps",
        logging_first_step=True,
        # The filter logs a NaN as 0.0, and the run would go on with NaN weights.
        logging_nan_inf_filter=False,
        # Else row ids and epochs are dropped before the collator sees them.
        remove_unused_columns=False,
        # The sampler starts at the step itself.
        ignore_data_skip=True,
        # Every parameter is used in every step; to look for unused ones would cost time.
        ddp_find_unused_parameters=False,
        # The model's buffers are constants; to send them before every forward pass would only cost time.
        ddp_broadcast_buffers=False,
        bf16=precision == BFLOAT16,
        fp16=precision == FLOAT16,
        seed=recipe.seed,
        # Else trackio and wandb invent a name.
        run_name=recipe.folder.name,
        project=PROJECT,
        **{name: getattr(training, name) for name in SAME_NAMES},
    )
    # One process drives one device: several GPUs want `accelerate launch`, never DataParallel.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _fingerprint(recipe: Recipe) -> dict[str, Any]:
    """What a checkpoint was trained with: settings, content of the token stores, versions."""
    return {
        "settings": recipe.settings("seed", "tokenizer", "pairs", "masking", "model", "training"),
        "data": {split: store_hash(recipe.folder / "store" / split) for split in SPLITS},
        "versions": package_versions(),
    }


def _frequency_loss(recipe: Recipe) -> float:
    """Nats per token of a model that knows only how often each token occurs in the training text."""
    counts = np.bincount(open_token_store(recipe.folder / "store" / "train").tokens[:_COUNTED_TOKENS])
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def checkpoint_folder(recipe: Recipe) -> Path:
    """Where the checkpoints of these settings and token ids are."""
    # Others have another folder, so no run takes up the state of another one, and nothing is deleted by a new key.
    settings = recipe.settings("seed", "tokenizer", "pairs", "masking", "model", "training")
    content = [store_hash(recipe.folder / "store" / split) for split in SPLITS]
    return recipe.folder / "checkpoints" / sha256_of_json([settings, content])[:12]


def save_model(trainer: PreTrainer, folder: Path) -> None:
    """Write weights, config and tokenizer to `folder`, complete or not at all; every rank must call it.

    Raises:
        InputError: if a weight is not finite.
    """
    if not all_finite(trainer.accelerator.unwrap_model(trainer.model).parameters()):
        raise InputError(f"{folder}: a weight of the model is not finite, so it was not written")
    partial = folder.with_name(folder.name + ".partial")
    if trainer.is_world_process_zero():
        # Files that a killed run left would be published with the others.
        shutil.rmtree(partial, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    trainer.save_model(str(partial))
    if not trainer.is_world_process_zero():
        return
    # training_args.bin is a pickle that contains whatever tokens the arguments contained.
    (partial / "training_args.bin").unlink(missing_ok=True)
    shutil.copy(folder.parent / "tokenizer" / "vocab.txt", partial)
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(partial, folder)


def _out_of_memory(recipe: Recipe, step: int, error: Exception) -> str:
    rows = split_of_batch(recipe.training.global_batch_size, recipe.training.per_device_batch_size, world_size())[0]
    why = " ".join(str(error).split()).partition(". ")[0]
    fewer, _ = split_of_batch(rows, max(rows // 2, 1), 1)
    return (
        f"step {step + 1}: {rows} rows of up to {recipe.pairs.max_seq_length} tokens do not fit into the memory of the"
        f" device ({why}); set training.per_device_batch_size to {fewer}, which changes no result, and run the same"
        " command again"
    )


def _announce(recipe: Recipe, trainer: PreTrainer) -> None:
    if not trainer.is_world_process_zero():
        return
    arguments, training, rows = trainer.args, recipe.training, len(cast(Sized, trainer.train_dataset))
    mean_length = read_json(recipe.folder / "pairs" / "statistics.json")["train"]["mean_length"]
    precision = precision_name(arguments) + (" with tf32 products" if training.tf32 else "")
    print(
        f"pretrain: {arguments.world_size} process(es) on {_device_name(arguments.device)}, {precision};"
        f" {training.global_batch_size:,} pairs a step = {arguments.world_size} x"
        f" {arguments.gradient_accumulation_steps} x {arguments.per_device_train_batch_size}, about"
        f" {mean_length * training.global_batch_size:,.0f} tokens; {training.max_steps:,} steps over {rows:,} pairs ="
        f" {training.max_steps * training.global_batch_size / rows:.1f} epochs",
        flush=True,
    )
    if (asked := processes_asked_for()) > arguments.world_size:
        print(
            f"pretrain: warning: the launcher was asked for {asked} processes, but started {arguments.world_size}; add"
            " --multi_cpu or --multi_gpu, or use torchrun --nproc_per_node",
            flush=True,
        )
    if torch.cuda.device_count() > 1 and arguments.world_size == 1 and not training.use_cpu:
        number = torch.cuda.device_count()
        print(f"pretrain: {number} GPUs are here and one is used; start with `accelerate launch` to use all")


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({torch.get_num_threads()} threads)"
