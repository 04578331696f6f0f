"""`Recipe` -> checkpoint folder: pretraining from scratch (or from the phase before) on one or many devices."""

import logging
import os
import shutil
import time
from collections.abc import Sized
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from transformers import AutoTokenizer, TrainingArguments
from transformers.utils import is_flash_attn_2_available

from recipe.config import Recipe, TrainingConfig
from recipe.corpus import SPLITS
from recipe.errors import InputError
from recipe.files import sha256_of_json, write_json
from recipe.model.bert import BertForPreTraining, bert_config, compile_layers, fresh_model, load_model
from recipe.model.dropout import set_dropout
from recipe.pairs.dataset import load_pairs, training_passes
from recipe.pretraining.checkpoints import newest_whole_checkpoint
from recipe.pretraining.masking import DataCollatorForPreTraining
from recipe.pretraining.sampler import FreshRows, split_of_batch
from recipe.pretraining.trainer import PreTrainer
from recipe.tokens.store import open_token_store, store_hash, token_counts

# Keys of `training` that `TrainingArguments` has under the same name.
SAME_NAMES = (
    "max_steps learning_rate lr_scheduler_type weight_decay adam_beta1 adam_beta2 adam_epsilon max_grad_norm bf16"
    " use_cpu dataloader_num_workers logging_steps eval_steps save_steps save_total_limit report_to"
).split()


def pretrain(recipe: Recipe) -> None:
    """Train and write RUN/model (weights, config, tokenizer) and RUN/training.json (the log); goes on from the newest
    whole checkpoint.

    Raises:
        InputError: if pairs are missing, sizes do not fit, or the batch cannot be dealt to the processes.
    """
    started = time.time()
    trainer = make_trainer(recipe)
    _announce(recipe, trainer)
    checkpoint = newest_whole_checkpoint(checkpoint_folder(recipe))
    if checkpoint is not None:
        print(f"pretrain: goes on from {checkpoint}")
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    trainer.evaluate()
    save_model(trainer, recipe.folder / "model")
    if trainer.is_world_process_zero():
        summary = {
            "log_history": trainer.state.log_history,
            "parameters": sum(
                parameter.numel() for parameter in trainer.accelerator.unwrap_model(trainer.model).parameters()
            ),
            "world_size": trainer.args.world_size,
            "device": _device_name(trainer.args.device),
            "seconds": time.time() - started,
        }
        write_json(recipe.folder / "training.json", summary)
    # A rank that ends while its group is open may abort, and the launcher then ends the others, which may still be
    # writing.
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()


def make_trainer(recipe: Recipe) -> PreTrainer:
    """The trainer of a recipe whose tokenizer and pairs are made."""
    logging.getLogger("transformers.trainer").setLevel(
        logging.ERROR
    )  # it takes the tokens of BERT's config for a mistake
    _check_fsdp(recipe.training)
    pairs = load_pairs(recipe)
    arguments = training_arguments(recipe)
    tokenizer = AutoTokenizer.from_pretrained(recipe.folder / "tokenizer")
    model = make_model(recipe, len(tokenizer), tokenizer.pad_token_id)
    trainer = PreTrainer(
        seed=recipe.seed,
        group_by_length=recipe.training.group_by_length,
        model=model,
        args=arguments,
        data_collator=make_collator(
            recipe,
            tokenizer,
            padding_free=_wants_no_padding(recipe, arguments),
            pad_to_multiple_of=_width_step(recipe),
        ),
        train_dataset=_fresh_rows(recipe, tokenizer) if recipe.pairs.refresh_every_epoch else pairs["train"],
        eval_dataset=_first_rows(pairs["validation"], recipe.training.eval_pairs),
        processing_class=tokenizer,
    )
    model.head_at_masked_places = recipe.training.head_at_masked_places
    model.last_layer_for_read_places = _wants_part_of_last_layer(recipe)
    if recipe.training.torch_compile:
        compile_layers(model)
    return trainer


def make_model(recipe: Recipe, tokenizer_size: int, pad_token_id: int) -> BertForPreTraining:
    """A fresh model, or the one of training.init_from, with training.dropout."""
    if recipe.training.init_from is not None:
        model = load_model(Path(recipe.training.init_from))
        if model.config.vocab_size < tokenizer_size:
            raise InputError(
                f"training.init_from: {recipe.training.init_from} has {model.config.vocab_size} embeddings, but the"
                f" tokenizer has {tokenizer_size} entries; set tokenizer.path to the tokenizer of that checkpoint"
            )
    else:
        config = bert_config(recipe.model, tokenizer_size, pad_token_id)
        wants_counts = recipe.model.decoder_bias == "unigram"
        counts = (
            token_counts(open_token_store(recipe.folder / "store" / "train"), config.vocab_size)
            if wants_counts
            else None
        )
        model = fresh_model(config, recipe.seed, counts)
    set_dropout(model, recipe.training.dropout)
    return model


def _wants_no_padding(recipe: Recipe, arguments: TrainingArguments) -> bool:
    """On GPUs rows of like length, padded, go through one kernel; a call per row would be slower there."""
    wanted = recipe.training.padding_free
    if wanted and arguments.device.type == "cuda" and not (recipe.training.bf16 and is_flash_attn_2_available()):
        raise InputError(
            "training.padding_free on a GPU needs training.bf16 and the package flash-attn; set it to null, or install"
            " flash-attn and set bf16"
        )
    return arguments.device.type == "cpu" and not recipe.training.torch_compile if wanted is None else wanted


def _wants_part_of_last_layer(recipe: Recipe) -> bool:
    wanted = recipe.training.last_layer_for_read_places
    return not _is_fsdp() if wanted is None else wanted


def _is_fsdp() -> bool:
    return os.environ.get("ACCELERATE_USE_FSDP") == "true"


def _check_fsdp(training: TrainingConfig) -> None:
    for name in ("padding_free", "last_layer_for_read_places"):
        if getattr(training, name) and _is_fsdp():
            raise InputError(
                f"training.{name} calls the parts of a layer one by one, which FSDP does not allow; set it to null"
            )


def _width_step(recipe: Recipe) -> int | None:
    """Compiled layers are made anew for every shape, so there are four."""
    return -(-recipe.pairs.max_seq_length // 4) if recipe.training.torch_compile else None


def _schedule_settings(training: TrainingConfig) -> dict[str, Any]:
    if training.lr_scheduler_type != "warmup_stable_decay":
        return {}
    return {"num_decay_steps": round(training.decay_share * training.max_steps), "decay_type": "linear"}


def make_collator(
    recipe: Recipe, tokenizer: transformers.PreTrainedTokenizerBase, **batches: Any
) -> DataCollatorForPreTraining:
    """The collator of a recipe's `masking` section; batches: its arguments padding_free and pad_to_multiple_of."""
    masking = recipe.masking
    return DataCollatorForPreTraining(
        tokenizer,
        whole_word_mask=masking.whole_word_mask,
        mlm_probability=masking.mlm_probability,
        mask_replace_prob=masking.mask_replace_prob,
        random_replace_prob=masking.random_replace_prob,
        max_predictions_per_seq=masking.max_predictions_per_seq,
        seed=recipe.seed,
        **batches,
    )


def training_arguments(recipe: Recipe) -> TrainingArguments:
    """The `TrainingArguments` of a recipe; accumulation follows from the global batch and the number of processes."""
    training = recipe.training
    micro_batch, accumulation = split_of_batch(
        training.global_batch_size, training.per_device_batch_size, int(os.environ.get("WORLD_SIZE", "1"))
    )
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(recipe.folder / "tensorboard"))
    arguments = TrainingArguments(
        output_dir=str(checkpoint_folder(recipe)),
        per_device_train_batch_size=micro_batch,
        per_device_eval_batch_size=training.per_device_batch_size,
        gradient_accumulation_steps=accumulation,
        warmup_steps=round(training.warmup_share * training.max_steps),
        lr_scheduler_kwargs=_schedule_settings(training),
        optim="adamw_torch_fused",
        tf32=training.tf32 or None,
        eval_strategy="steps",
        save_strategy="steps",
        logging_first_step=True,
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        ignore_data_skip=True,  # the sampler starts at the step itself
        ddp_find_unused_parameters=False,
        seed=recipe.seed,
        **{name: getattr(training, name) for name in SAME_NAMES},
    )
    # One process drives one device: several GPUs want `accelerate launch`, never DataParallel.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def checkpoint_folder(recipe: Recipe) -> Path:
    """Where the checkpoints of these settings and pairs stand: others have another folder, so no run takes up the
    state of another one.
    """
    settings = recipe.settings("seed", "tokenizer", "pairs", "masking", "model", "training")
    content = [store_hash(recipe.folder / "store" / split) for split in SPLITS]
    return recipe.folder / "checkpoints" / sha256_of_json([settings, content])[:12]


def save_model(trainer: PreTrainer, folder: Path) -> None:
    """Write weights, config and tokenizer to `folder`, whole or absent; every rank must call it."""
    partial = folder.with_name(folder.name + ".partial")
    trainer.save_model(str(partial))
    if not trainer.is_world_process_zero():
        return
    # training_args.bin is a pickle that holds whatever tokens the arguments held.
    (partial / "training_args.bin").unlink(missing_ok=True)
    tokenizer_folder = folder.parent / "tokenizer"
    shutil.copy(tokenizer_folder / "vocab.txt", partial)
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(partial, folder)


def _fresh_rows(recipe: Recipe, tokenizer: transformers.PreTrainedTokenizerBase) -> FreshRows:
    return FreshRows(training_passes(recipe), tokenizer.cls_token_id, tokenizer.sep_token_id)


def _first_rows(rows, number: int):
    return rows.select(range(min(number, len(rows))))


def _announce(recipe: Recipe, trainer: PreTrainer) -> None:
    if not trainer.is_world_process_zero():
        return
    arguments, training, rows = trainer.args, recipe.training, len(cast(Sized, trainer.train_dataset))
    print(
        f"pretrain: {arguments.world_size} process(es) on {_device_name(arguments.device)};"
        f" {training.global_batch_size:,} pairs a step = {arguments.world_size} x"
        f" {arguments.gradient_accumulation_steps} x {arguments.per_device_train_batch_size}; {training.max_steps:,}"
        f" steps over {rows:,} pairs = {training.max_steps * training.global_batch_size / rows:.1f} epochs",
        flush=True,
    )
    if torch.cuda.device_count() > 1 and arguments.world_size == 1 and not training.use_cpu:
        print(
            f"pretrain: {torch.cuda.device_count()} GPUs are here and one is used; start with `accelerate launch` to"
            " use all"
        )


def _device_name(device: torch.device) -> str:
    return (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{device.type} ({torch.get_num_threads()} threads)"
    )
