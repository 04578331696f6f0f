"""Does speed cost quality? The stock model, collator and Trainer next to ours, on the same number of pairs: validation
MLM loss, two seeds each.

python benchmarks/quality.py --corpus ../shared/data/biomedical/ei_abstracts.txt.gz     # about 15 minutes on two cores

A 2-layer, 128-wide BERT, vocabulary 8,192, rows of 128 tokens, single pieces masked (the stock collator's way),
dropout 0.1, decoder bias from unigram counts. Both are scored by the same pairs with the same masks. Writes
quality.{md,json}.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import datasets
import torch
import training_rows
import transformers
from reporting import machine, markdown_table, program_parser, save
from transformers import AutoTokenizer, BertForPreTraining, Trainer, TrainingArguments

from recipe.config import Recipe
from recipe.config_file import load_recipe
from recipe.model.bert import load_model, metrics_of
from recipe.pairs.dataset import load_pairs
from recipe.pipeline import run_all
from recipe.pretraining.guard import Guard
from recipe.pretraining.run import make_collator, make_model, training_arguments
from recipe.pretraining.trainer import PreTrainer, evaluation_sums

RECIPE = """
corpus: {{path: {corpus}, validation_share: 0.05}}
run_dir: {folder}/run
tokenizer: {{vocab_size: 8192}}
pairs: {{max_seq_length: 128}}
masking: {{whole_word_mask: false}}
model: {{num_hidden_layers: 2, hidden_size: 128, num_attention_heads: 2, intermediate_size: 512,
  max_position_embeddings: 128, decoder_bias: unigram}}
training: {{max_steps: {steps}, global_batch_size: 32, per_device_batch_size: 32, learning_rate: 2e-3,
  logging_steps: 100, eval_steps: 100000, save_steps: 100000, use_cpu: true, report_to: []}}
"""
COLUMNS = {
    "system": "system",
    "seed": "seed",
    "mlm_loss": "validation MLM loss",
    "mlm_accuracy": "MLM accuracy",
    "nsp_accuracy": "NSP accuracy",
    "seconds": "s",
}


def main() -> None:
    """Train all, print and write the table."""
    arguments = _arguments()
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "recipe.yaml").write_text(
            RECIPE.format(corpus=arguments.corpus, folder=name, steps=arguments.steps)
        )
        recipe = load_recipe(Path(name) / "recipe.yaml")
        run_all(recipe, until="pairs")
        rows = [trained(Path(name), system, seed) for seed in arguments.seeds for system in (plain, ours)]
    report = markdown(rows, arguments.steps, len(arguments.seeds))
    save(arguments.results, "quality", {"machine": machine(), "steps": arguments.steps, "rows": rows}, report)
    print(report)


def trained(folder: Path, system, seed: int) -> dict:
    """Train one way, then score."""
    # The seed of pairs and validation masks stays; that of weights, order, dropout and training masks changes.
    prepared = load_recipe(folder / "recipe.yaml")
    pairs, recipe = load_pairs(prepared), replace(prepared, seed=seed)
    started = time.perf_counter()
    model = system(recipe, pairs, folder / f"{system.__name__}-{seed}")
    seconds = time.perf_counter() - started
    return {
        "system": system.__name__,
        "seed": seed,
        **scores(prepared, pairs["validation"], model),
        "seconds": seconds,
    }


def plain(recipe: Recipe, pairs: datasets.DatasetDict, output: Path) -> Path:
    """The stock model, collator and Trainer, from the weights that ours starts with."""
    tokenizer = AutoTokenizer.from_pretrained(recipe.folder / "tokenizer")
    start = make_model(recipe, len(tokenizer), tokenizer.pad_token_id)
    model = BertForPreTraining(start.config)
    model.load_state_dict(start.state_dict())
    ours = training_arguments(recipe)
    names = (
        "max_steps",
        "per_device_train_batch_size",
        "learning_rate",
        "lr_scheduler_type",
        "warmup_steps",
        "weight_decay",
        "adam_epsilon",
        "max_grad_norm",
    )
    same = {name: getattr(ours, name) for name in (*names, "seed", "use_cpu")}
    arguments = TrainingArguments(
        output_dir=str(output),
        remove_unused_columns=False,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        **same,
    )
    rows = training_rows.padded(training_rows.rows_of(pairs["train"]), recipe.pairs.max_seq_length)
    collator = transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=recipe.masking.mlm_probability)
    Trainer(model=model, args=arguments, data_collator=collator, train_dataset=rows).train()
    model.save_pretrained(output)
    return output


def ours(recipe: Recipe, pairs: datasets.DatasetDict, output: Path) -> Path:
    """The recipe's own training, as `make_trainer` sets it up."""
    tokenizer = AutoTokenizer.from_pretrained(recipe.folder / "tokenizer")
    arguments = training_arguments(recipe)
    arguments.output_dir = str(output / "checkpoints")
    trainer = PreTrainer(
        seed=recipe.seed,
        group_by_length=recipe.training.group_by_length,
        guard=Guard(output, 0, 1, recipe.training.ddp_timeout),
        fingerprint={},
        model=make_model(recipe, len(tokenizer), tokenizer.pad_token_id),
        args=arguments,
        data_collator=make_collator(recipe, tokenizer),
        train_dataset=pairs["train"],
        eval_dataset=pairs["validation"],
        processing_class=tokenizer,
    )
    trainer.train()
    trainer.save_model(str(output))
    return output


def scores(recipe: Recipe, validation: datasets.Dataset, folder: Path) -> dict[str, float]:
    """The metrics of a checkpoint on the validation pairs."""
    rows = training_rows.rows_of(validation)
    collator = make_collator(recipe, AutoTokenizer.from_pretrained(recipe.folder / "tokenizer"))
    batches = (collator(rows[start : start + 32]) for start in range(0, len(rows), 32))
    return metrics_of(evaluation_sums(load_model(folder), batches, torch.device("cpu")))


def markdown(rows: list[dict], steps: int, seeds: int) -> str:
    """The report."""
    losses = {name: [row["mlm_loss"] for row in rows if row["system"] == name] for name in ("plain", "ours")}
    seconds = {name: sum(row["seconds"] for row in rows if row["system"] == name) for name in losses}
    difference = statistics.fmean(losses["ours"]) - statistics.fmean(losses["plain"])
    shown = [{**row, **{name: f"{row[name]:.4f}" for name in ("mlm_loss", "mlm_accuracy")}} for row in rows]
    lines = [
        "# Does speed cost quality?",
        (
            f"{steps:,} steps of 32 pairs of 128 tokens, {seeds} seeds each, the same validation pairs and masks:"
            f" plain {_mean(losses['plain'])}, ours {_mean(losses['ours'])};"
            f" difference of the means {difference:+.3f} nats."
            f" Plain takes {seconds['plain'] / seconds['ours']:.1f} times as long."
        ),
        markdown_table(COLUMNS, shown),
    ]
    return "\n\n".join(lines)


def _mean(values: list[float]) -> str:
    return f"{statistics.fmean(values):.3f} (range {max(values) - min(values):.3f})"


def _arguments() -> argparse.Namespace:
    parser = program_parser(__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("embedded:allofplos"))
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    return parser.parse_args()


if __name__ == "__main__":
    main()
