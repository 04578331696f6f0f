"""Checkpoint + encoded task -> a fine-tuned model: one run, whose best epoch is chosen on devel."""

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from recipe.errors import InputError
from recipe.model.dropout import set_dropout
from recipe.tasks.data.records import TASK_SPLITS
from recipe.tasks.finetuning.collation import unpadded
from recipe.tasks.finetuning.heads import HEADS, collator_of
from recipe.tasks.finetuning.inference import predict
from recipe.tasks.finetuning.loading import load_weights, quiet_transformers
from recipe.tasks.finetuning.settings import RunSettings
from recipe.tasks.types.scores import rank_of
from recipe.tasks.types.task_type import EncodedSplit, Task, TaskType

NEEDED_TOKENS = ("unk_token", "cls_token", "sep_token", "pad_token")


@dataclass
class Materials:
    """What all runs of a task on one checkpoint share."""

    use_cpu: bool
    checkpoint: Path
    tokenizer: PreTrainedTokenizerFast
    model_config: PreTrainedConfig
    task_type: TaskType
    splits: dict[str, EncodedSplit]


@dataclass
class TrainedModel:
    """The model of a run with the weights of its best epoch, that epoch's devel score, and the run's seconds.

    The devel score is None if no epoch had one, such as a correlation of predictions that are all the same.
    """

    model: PreTrainedModel
    devel_score: float | None
    best_epoch: int
    epochs: int
    seconds: float


class BestEpoch(TrainerCallback):
    """Scores devel after every epoch, keeps the best weights, and stops after `patience` epochs without a gain."""

    def __init__(self, score: Callable[[PreTrainedModel], float | None], patience: int | None) -> None:
        self.score, self.patience = score, patience
        self.best_score: float | None = None
        self.epoch, self.epochs_seen = 0, 0
        self.weights: dict[str, torch.Tensor] = {}

    def on_epoch_end(self, args, state, control, model=None, **kwargs) -> None:
        """Called by Trainer, also after a last epoch that is cut short."""
        self.epochs_seen += 1
        # Of equal scores the first epoch wins, since longer training gained nothing. Without a score the first one
        # is kept until there is one.
        score = self.score(model)
        if not self.weights or rank_of(score) > rank_of(self.best_score):
            self.best_score, self.epoch = score, self.epochs_seen
            self.weights = {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}
        elif self.patience is not None and self.epochs_seen - self.epoch >= self.patience:
            control.should_training_stop = True


def prepare(task: Task, task_type: TaskType, checkpoint: Path, max_seq_length: int, use_cpu: bool) -> Materials:
    """Load tokenizer and config of a checkpoint folder and encode the task for them."""
    tokenizer, model_config = AutoTokenizer.from_pretrained(checkpoint), AutoConfig.from_pretrained(checkpoint)
    missing = [name for name in NEEDED_TOKENS if getattr(tokenizer, name) is None]
    if not isinstance(tokenizer, PreTrainedTokenizerFast) or missing:
        lacks = ", ".join(missing) or "fast tokenizer"
        raise InputError(f"{checkpoint / 'tokenizer.json'}: has no {lacks}; fine-tuning needs a fast BERT tokenizer")
    if len(tokenizer) > model_config.vocab_size:
        sizes = f"the tokenizer has {len(tokenizer)} entries, the model {model_config.vocab_size}"
        raise InputError(f"{checkpoint}: {sizes}; name a folder where both are of one run")
    # Names in config.json let any pipeline of transformers print them.
    model_config.id2label = dict(enumerate(task.labels))
    model_config.label2id = {label: index for index, label in enumerate(task.labels)}
    # Stock models choose their loss by it.
    model_config.problem_type = HEADS[task_type.head].problem_type
    # It is saved with the fine-tuned model, whose users must not go beyond the positions.
    tokenizer.model_max_length = min(tokenizer.model_max_length, model_config.max_position_embeddings)
    splits = task_type.encode(task, tokenizer, max_seq_length)
    if any(row.token_type_ids for row in splits["train"].rows):
        # `domain-bert predict` must know whether a line is one text or two.
        model_config.text_pairs = True
    # DistilBERT and others have no segments.
    if getattr(model_config, "type_vocab_size", 1) < 2:
        for split in splits.values():
            split.rows = [row.without_segments() for row in split.rows]
    if any(split.truncated for split in splits.values()):
        cut = " / ".join(f"{splits[name].truncated:,}" for name in TASK_SPLITS)
        longer = f"are longer than {max_seq_length} tokens and were truncated; a larger max_seq_length keeps more"
        print(f"{cut} texts (train / devel / test) {longer}", flush=True)
    return Materials(use_cpu, checkpoint, tokenizer, model_config, task_type, splits)


def train_once(materials: Materials, settings: RunSettings, pretrained: bool, seed: int) -> TrainedModel:
    """Fine-tune with one seed (of the head, the order of the rows and dropout) and choose the epoch on devel."""
    started = time.monotonic()
    set_seed(seed)
    model, score = new_model(materials, pretrained), materials.task_type.score
    best = BestEpoch(lambda model: score_split(materials, model, "devel")[0][score], settings.patience)
    rows, pad_token_id = materials.splits["train"].rows, materials.tokenizer.pad_token_id
    # On CPUs torch's dropout takes three times as long.
    set_dropout(model, None)
    with tempfile.TemporaryDirectory() as folder:
        arguments = training_arguments(settings, materials.use_cpu, len(rows), seed, folder)
        collate = collator_of(model, pad_token_id)
        if collate is not unpadded:
            # Where there is padding, rows of similar length waste the least of it.
            arguments.train_sampling_strategy = "group_by_length"
        trainer = Trainer(
            model,
            arguments,
            data_collator=lambda items: collate([item["row"] for item in items]),
            # Trainer looks for the length of "input_ids" to group by it.
            train_dataset=[{"input_ids": row.input_ids, "row": row} for row in rows],  # type: ignore[arg-type]
            callbacks=[best],
        )
        # It prints a dictionary at the end of every run.
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    # The last epoch is mostly not the best one on devel.
    model.load_state_dict(best.weights)
    return TrainedModel(model, best.best_score, best.epoch, best.epochs_seen, round(time.monotonic() - started, 1))


def score_split(materials: Materials, model: PreTrainedModel, split: str) -> tuple[dict[str, Any], str]:
    """A model's scores on a split, and the text of its predictions file."""
    encoded = materials.splits[split]
    try:
        outputs = predict(model, encoded.rows, materials.tokenizer.pad_token_id)
    except InputError as error:
        raise InputError(f"fine-tuning diverged: {error}; lower learning_rate or raise warmup_share") from None
    return encoded.score(outputs), encoded.predictions(outputs)


def new_model(materials: Materials, pretrained: bool) -> PreTrainedModel:
    """A model with the checkpoint's weights, or a random initialisation of its shape, and a fresh head."""
    head = HEADS[materials.task_type.head]
    model_class = head.model_class(materials.model_config.model_type)
    if not pretrained:
        # Auto classes have the first, model classes the second.
        fresh = getattr(model_class, "from_config", None) or model_class._from_config
        return fresh(materials.model_config, dtype=torch.float32)  # type: ignore[no-any-return]
    model, missing = load_weights(model_class, materials.checkpoint, config=materials.model_config)
    if missing := [name for name in missing if not name.startswith(head.fresh)]:
        # Otherwise a random initialisation would pass for pretrained ones without a word.
        more = f"{missing[0]} and {len(missing) - 1} more"
        raise InputError(f"{materials.checkpoint}: lacks the weights {more}; name a complete checkpoint")
    return model


def trained_model(materials: Materials, folder: Path) -> PreTrainedModel:
    """The fine-tuned model that `save_model` wrote."""
    model, _ = load_weights(HEADS[materials.task_type.head].model_class(materials.model_config.model_type), folder)
    device = torch.device("cuda" if torch.cuda.is_available() and not materials.use_cpu else "cpu")
    return model.to(device)  # type: ignore[no-any-return,arg-type]


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write model, config with the labels' names, and tokenizer to a folder."""
    with quiet_transformers():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def training_arguments(settings: RunSettings, use_cpu: bool, rows: int, seed: int, folder: str) -> TrainingArguments:
    """The Trainer's arguments for a run over so many rows."""
    steps = math.ceil(math.ceil(rows / settings.batch_size) * settings.num_train_epochs)
    arguments = TrainingArguments(
        output_dir=folder,
        seed=seed,
        use_cpu=use_cpu,
        per_device_train_batch_size=settings.batch_size,
        num_train_epochs=settings.num_train_epochs,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        # A number of steps: TrainingArguments reads the share 1.0 as one step.
        warmup_steps=math.ceil(settings.warmup_share * steps),
        lr_scheduler_type="linear",
        optim="adamw_torch_fused",
        remove_unused_columns=False,
        # BestEpoch keeps the best weights in memory; hundreds of runs must not fill disk or trackers.
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available() and not use_cpu,
    )
    # Several GPUs in one process would multiply the batch size by their number.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
