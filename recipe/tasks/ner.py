"""Checkpoint + entity task -> scored models: fine-tuning over several seeds, beside the same architecture with random weights.

Protocol of PubMedBERT (Gu et al., arXiv 2007.15779): a linear head on the first piece of each word, epoch chosen on devel, mean over seeds, test
read once per run, after the choice. Every gold word is scored, also in sentences that are longer than the model's input.
"""

import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
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
from transformers.utils import logging

from recipe.config import Recipe, TaskConfig
from recipe.errors import InputError
from recipe.metrics import EntityF1
from recipe.provenance import whole_or_absent, write_json
from recipe.tasks import load_task
from recipe.tasks.columns import NerTask, TaggedSentence, count_entities
from recipe.tasks.windows import IGNORED_LABEL, Window, join_windows, make_windows

SPECIAL_TOKENS = ("unk_token", "cls_token", "sep_token", "pad_token")
METRIC = "strict IOB2 entity F1 on test"


@dataclass
class EncodedSplit:
    """A split as rows of the model (input_ids and labels, equally long), with what its scores are held against."""

    sentences: list[TaggedSentence]
    windows: list[Window]
    rows: list[dict[str, list[int]]]
    labels: list[str]

    def tags(self, predictions: Sequence[Sequence[int]]) -> list[list[str]]:
        """The windows' label ids as one tag per word of each sentence."""
        joined = join_windows(self.windows, predictions, [len(sentence.words) for sentence in self.sentences])
        return [[self.labels[label] for label in sentence] for sentence in joined]

    def score(self, predictions: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Strict precision, recall, F1 and support of the windows' predictions.

        Raises:
            RuntimeError: if the gold entities that were scored are not as many as the file holds.
        """
        # The gold tags go the way of the predictions, so a word that a window lost is missed in the support.
        gold = [[row["labels"][position] for position in window.positions] for row, window in zip(self.rows, self.windows, strict=True)]
        scores = EntityF1().compute(predictions=self.tags(predictions), references=self.tags(gold))
        assert scores is not None
        if scores["support"] != (expected := count_entities(self.sentences)):
            raise RuntimeError(f"scored {scores['support']} gold entities, but the task holds {expected}; the F1 would not be comparable")
        return scores


@dataclass
class Materials:
    """What all runs of a task share."""

    config: TaskConfig
    use_cpu: bool
    checkpoint: Path
    tokenizer: PreTrainedTokenizerFast
    model_config: PreTrainedConfig
    labels: list[str]
    train: EncodedSplit
    devel: EncodedSplit
    test: EncodedSplit


@dataclass
class Run:
    """One fine-tuning: its scores, and the weights of its best epoch."""

    scores: dict[str, float | int]
    model: PreTrainedModel
    test_tags: list[list[str]]


class BestEpoch(TrainerCallback):
    """Scores devel after every epoch and keeps the weights of the best one (of equals the first) in memory."""

    def __init__(self, devel: EncodedSplit, tokenizer: PreTrainedTokenizerFast, batch_size: int) -> None:
        self.devel, self.tokenizer, self.batch_size = devel, tokenizer, batch_size
        self.f1, self.epoch, self.epochs_seen = -1.0, 0, 0
        self.weights: dict[str, torch.Tensor] = {}

    def on_epoch_end(self, args, state, control, model=None, **kwargs) -> None:
        """Called by Trainer, also after a last epoch that is cut short."""
        self.epochs_seen += 1
        f1 = self.devel.score(predict(model, self.devel.windows, self.tokenizer, self.batch_size))["f1"]
        if f1 > self.f1:
            self.f1, self.epoch = f1, self.epochs_seen
            self.weights = {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}


def finetune_ner(recipe: Recipe) -> None:
    """Fine-tune the run's model on `task.data`, once per seed, and write what came out below <run_dir>/task.

    scores.json: means, sample deviations (0 for one seed) and every run, F1 in 0..1; predictions.tsv: word, gold tag and predicted tag on test of the
    pretrained run that was best on devel; model/: its checkpoint and tokenizer.

    Raises:
        InputError: without task.data or a pretrained model, for a model, tokenizer or task that do not fit together, or if the weights leave the
            range of numbers.
        RuntimeError: if a gold word would be left out of a score.
    """
    materials, task = _prepare(recipe)
    kinds = ["pretrained", *(["random_weights"] if recipe.task.compare_random_weights else [])]
    runs: dict[str, list[dict[str, float | int]]] = {kind: [] for kind in kinds}
    best: Run | None = None
    with tqdm(total=len(kinds) * len(recipe.task.seeds), desc="fine-tuning", unit="run") as bar:
        for kind in kinds:
            for seed in recipe.task.seeds:
                run = finetune_once(materials, kind == "pretrained", seed)
                runs[kind].append(run.scores)
                tqdm.write(_line(kind, run.scores))
                bar.update()
                if kind == "pretrained" and (best is None or run.scores["devel_f1"] > best.scores["devel_f1"]):
                    best = run
    assert best is not None
    _write(recipe, materials, task, runs, best)


def finetune_once(materials: Materials, pretrained: bool, seed: int) -> Run:
    """Fine-tune with one seed (of the head, the order of the rows and dropout), choose the epoch on devel, then score test."""
    started = time.monotonic()
    config = materials.config
    set_seed(seed)
    model = _new_model(materials, pretrained)
    best = BestEpoch(materials.devel, materials.tokenizer, config.batch_size)
    _train(model, materials, seed, best)
    model.load_state_dict(best.weights)
    predictions = predict(model, materials.test.windows, materials.tokenizer, config.batch_size)
    test = materials.test.score(predictions)
    scores = {"seed": seed, **{name: test[name] for name in ("f1", "precision", "recall")}, "devel_f1": best.f1, "best_epoch": best.epoch}
    return Run({**scores, "seconds": round(time.monotonic() - started, 1)}, model, materials.test.tags(predictions))


def predict(model: PreTrainedModel, windows: Sequence[Window], tokenizer: PreTrainedTokenizerFast, batch_size: int) -> list[list[int]]:
    """Label ids of the words that each window predicts, in the order of `windows`. Windows of like length share a batch.

    Raises:
        InputError: if a logit is not finite: training went astray.
    """
    model.eval()
    predictions: list[list[int]] = [[] for _ in windows]
    by_length = sorted(range(len(windows)), key=lambda index: len(windows[index].input_ids))
    for start in range(0, len(windows), batch_size):
        chosen = by_length[start : start + batch_size]
        rows = pad([{"input_ids": windows[index].input_ids} for index in chosen], tokenizer.pad_token_id)
        with torch.inference_mode():
            logits = model(**{name: tensor.to(model.device) for name, tensor in rows.items()}).logits
        if not torch.isfinite(logits).all():
            raise InputError("the weights left the range of numbers while fine-tuning; lower task.learning_rate or raise task.warmup_share")
        # Only the label ids leave the device, never the logits.
        for index, labels in zip(chosen, logits.argmax(-1).tolist(), strict=True):
            predictions[index] = [labels[position] for position in windows[index].positions]
    return predictions


def pad(rows: Sequence[dict[str, list[int]]], pad_token_id: int) -> dict[str, torch.Tensor]:
    """A batch as tensors of shape (rows, longest): input_ids, attention_mask and, if the rows have them, labels (-100 at padding)."""
    ids = [torch.tensor(row["input_ids"]) for row in rows]
    batch = {
        "input_ids": pad_sequence(ids, batch_first=True, padding_value=pad_token_id),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
    }
    if "labels" in rows[0]:
        batch["labels"] = pad_sequence([torch.tensor(row["labels"]) for row in rows], batch_first=True, padding_value=IGNORED_LABEL)
    return batch


def _prepare(recipe: Recipe) -> tuple[Materials, NerTask]:
    if recipe.task.data is None:
        raise InputError("task.data is null; set task.data to a folder with train.tsv, devel.tsv and test.tsv, or to embedded:nero")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError("fine-tuning runs in one process; start it with python, not with torchrun or accelerate launch")
    checkpoint = recipe.folder / "model"
    if not (checkpoint / "config.json").is_file():
        raise InputError(f"{checkpoint}: holds no pretrained model; run scripts/pretrain.py first")
    task = _limit(load_task(recipe.task.data), recipe.task)
    print(task.summary(), flush=True)
    tokenizer, model_config = _load_tokenizer(checkpoint), AutoConfig.from_pretrained(checkpoint)
    _check_fit(recipe.task, tokenizer, model_config, checkpoint)
    model_config.id2label = dict(enumerate(task.labels))
    model_config.label2id = {label: index for index, label in enumerate(task.labels)}
    splits = {name: _encode(getattr(task, name), tokenizer, recipe.task.max_seq_length, task.labels) for name in ("train", "devel", "test")}
    return Materials(recipe.task, recipe.training.use_cpu, checkpoint, tokenizer, model_config, task.labels, **splits), task


def _limit(task: NerTask, config: TaskConfig) -> NerTask:
    return replace(task, train=task.train[: config.max_train_sentences], test=task.test[: config.max_test_sentences])


def _load_tokenizer(checkpoint: Path) -> PreTrainedTokenizerFast:
    if not (checkpoint / "tokenizer.json").is_file():
        raise InputError(f"{checkpoint / 'tokenizer.json'}: is missing; run scripts/pretrain.py again, which writes the tokenizer beside the model")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    missing = [name for name in SPECIAL_TOKENS if getattr(tokenizer, name) is None]
    if not isinstance(tokenizer, PreTrainedTokenizerFast) or missing:
        raise InputError(f"{checkpoint / 'tokenizer.json'}: has no {', '.join(missing) or 'fast tokenizer'}; fine-tuning needs a fast BERT tokenizer")
    return tokenizer


def _check_fit(config: TaskConfig, tokenizer: PreTrainedTokenizerFast, model_config: PreTrainedConfig, checkpoint: Path) -> None:
    if config.max_seq_length > model_config.max_position_embeddings:
        raise InputError(
            f"task.max_seq_length is {config.max_seq_length}, but {checkpoint} has {model_config.max_position_embeddings} positions; lower task.max_seq_length"
        )
    if len(tokenizer) > model_config.vocab_size:
        raise InputError(f"{checkpoint}: the tokenizer has {len(tokenizer)} entries, the model {model_config.vocab_size}; they are not of the same run")


def _encode(sentences: list[TaggedSentence], tokenizer: PreTrainedTokenizerFast, max_seq_length: int, labels: list[str]) -> EncodedSplit:
    ids = {label: index for index, label in enumerate(labels)}
    gold = [[ids[tag] for tag in sentence.tags] for sentence in sentences]
    windows = make_windows([sentence.words for sentence in sentences], tokenizer, max_seq_length)
    rows = [{"input_ids": window.input_ids, "labels": window.place(gold[window.sentence])} for window in windows]
    return EncodedSplit(sentences, windows, rows, labels)


def _new_model(materials: Materials, pretrained: bool) -> PreTrainedModel:
    if not pretrained:
        return AutoModelForTokenClassification.from_config(materials.model_config, dtype=torch.float32)
    with _quiet_transformers():
        model, loading = AutoModelForTokenClassification.from_pretrained(
            materials.checkpoint, config=materials.model_config, dtype=torch.float32, output_loading_info=True
        )
    missing = [name for name in loading["missing_keys"] if not name.startswith("classifier.")]
    if missing:
        # Otherwise random weights would pass for pretrained ones without a word.
        raise InputError(f"{materials.checkpoint}: lacks the weights {missing[0]} and {len(missing) - 1} more; run scripts/pretrain.py again")
    return model


def _train(model: PreTrainedModel, materials: Materials, seed: int, best: BestEpoch) -> None:
    rows = materials.train.rows
    pad_token_id = materials.tokenizer.pad_token_id
    with tempfile.TemporaryDirectory() as folder:
        arguments = _arguments(materials.config, materials.use_cpu, len(rows), seed, folder)
        trainer = Trainer(model, arguments, data_collator=lambda batch: pad(batch, pad_token_id), train_dataset=rows, callbacks=[best])
        # It prints a dictionary at the end of every run.
        trainer.remove_callback(PrinterCallback)
        trainer.train()


def _arguments(config: TaskConfig, use_cpu: bool, rows: int, seed: int, folder: str) -> TrainingArguments:
    steps = math.ceil(math.ceil(rows / config.batch_size) * config.num_train_epochs)
    arguments = TrainingArguments(
        output_dir=folder,
        seed=seed,
        use_cpu=use_cpu,
        per_device_train_batch_size=config.batch_size,
        num_train_epochs=config.num_train_epochs,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        # A number of steps: TrainingArguments reads the share 1.0 as one step.
        warmup_steps=math.ceil(config.warmup_share * steps),
        lr_scheduler_type="linear",
        optim="adamw_torch_fused",
        train_sampling_strategy="group_by_length",
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available() and not use_cpu,
    )
    # Several GPUs in one process would multiply task.batch_size by their number.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _write(recipe: Recipe, materials: Materials, task: NerTask, runs: dict[str, list[dict[str, float | int]]], best: Run) -> None:
    folder = recipe.folder / "task"
    with whole_or_absent(folder / "model") as partial, _quiet_transformers():
        best.model.save_pretrained(partial)
        materials.tokenizer.save_pretrained(partial)
    with whole_or_absent(folder / "predictions.tsv") as partial:
        partial.write_text(_prediction_lines(task.test, best.test_tags), encoding="utf-8", newline="\n")
    splits = {"train": task.train, "devel": task.devel, "test": task.test}
    scores = {
        "task": task.name,
        "metric": METRIC,
        "labels": task.labels,
        "support": {name: count_entities(splits[name]) for name in ("devel", "test")},
        "sentences": {name: len(split) for name, split in splits.items()},
        "models": {kind: summarize_runs(found) for kind, found in runs.items()},
        "settings": recipe.settings("task"),
    }
    # Written last: where scores.json is, the rest is whole.
    write_json(folder / "scores.json", scores)


def summarize_runs(runs: list[dict[str, float | int]]) -> dict[str, Any]:
    """Mean F1, precision and recall of some runs, the sample deviation of F1 (0 for one run), and the runs."""
    column = {name: [float(run[name]) for run in runs] for name in ("f1", "precision", "recall")}
    return {
        "f1_mean": statistics.fmean(column["f1"]),
        "f1_std": statistics.stdev(column["f1"]) if len(runs) > 1 else 0.0,
        "precision_mean": statistics.fmean(column["precision"]),
        "recall_mean": statistics.fmean(column["recall"]),
        "runs": runs,
    }


def _prediction_lines(sentences: list[TaggedSentence], predicted: list[list[str]]) -> str:
    blocks = []
    for sentence, tags in zip(sentences, predicted, strict=True):
        blocks.append("".join(f"{word}\t{gold}\t{tag}\n" for word, gold, tag in zip(sentence.words, sentence.tags, tags, strict=True)) + "\n")
    return "".join(blocks)


def _line(kind: str, scores: dict[str, float | int]) -> str:
    return (
        f"{kind.replace('_', ' ')}, seed {scores['seed']}: test F1 {scores['f1']:.4f} (precision {scores['precision']:.4f}, recall {scores['recall']:.4f}), "
        f"devel F1 {scores['devel_f1']:.4f} at epoch {scores['best_epoch']}, {scores['seconds']} s"
    )


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """No progress bars and no word of the new head, which is expected to be missing from the checkpoint."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
