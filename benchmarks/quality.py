"""Does speed cost quality? The stock model, collator and Trainer beside ours, on the same number of pairs: validation
MLM loss, two seeds each.

python benchmarks/quality.py --corpus ../shared/data/biomedical/ei_abstracts.txt.gz     # about 15 minutes on two cores

A 2-layer, 128-wide BERT, vocabulary 8,192, rows of 128 tokens, single pieces masked (the stock collator's way),
dropout 0.1, decoder bias from unigram counts. Both are scored by the same pairs with the same masks. Writes
benchmarks/results/quality.{md,json}.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
import training_rows
import transformers
from reporting import machine, markdown_table, program_parser, save
from transformers import AutoTokenizer, BertForPreTraining, Trainer, TrainingArguments

from recipe.config import Recipe
from recipe.config_file import load_recipe
from recipe.model.bert import load_model, metrics_of
from recipe.pairs.dataset import load_pairs
from recipe.pipeline import run_stage
from recipe.pretraining.run import make_collator, make_model, make_trainer, training_arguments
from recipe.pretraining.trainer import evaluation_sums

RECIPE = """
corpus: {{path: {corpus}, validation_share: 0.05}}
run_dir: {folder}/run
tokenizer: {{vocab_size: 8192}}
pairs: {{max_seq_length: 128}}
masking: {{whole_word_mask: false}}
model: {{num_hidden_layers: 2, hidden_size: 128, num_attention_heads: 2, intermediate_size: 512, max_position_embeddings: 128, decoder_bias: unigram}}
training: {{max_steps: {steps}, global_batch_size: 32, per_device_batch_size: 32, learning_rate: 2e-3, logging_steps: 100, eval_steps: 100000, eval_pairs: 1000,
  save_steps: 100000, use_cpu: true, report_to: []}}
"""
SEEDS = (1, 2)
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
        for stage in ("corpus", "tokenizer", "tokens", "pairs"):
            run_stage(recipe, stage)
        rows = [trained(Path(name), system, seed) for seed in SEEDS for system in (plain, ours)]
    save("quality", {"machine": machine(), "steps": arguments.steps, "rows": rows}, markdown(rows, arguments.steps))
    print(markdown(rows, arguments.steps))


def trained(folder: Path, system, seed: int) -> dict:
    """Train one way, then score."""
    # The seed of pairs and validation masks stays; that of weights, order, dropout and training masks changes.
    recipe = load_recipe(folder / "recipe.yaml", {"seed": str(seed)})
    recipe.run_dir = str(folder / "run")
    started = time.perf_counter()
    model = system(recipe, folder / f"{system.__name__}-{seed}")
    seconds = time.perf_counter() - started
    return {
        "system": system.__name__,
        "seed": seed,
        **scores(load_recipe(folder / "recipe.yaml"), model),
        "seconds": seconds,
    }


def plain(recipe: Recipe, output: Path) -> Path:
    """What transformers gives, from the weights that ours starts with."""
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
    rows = training_rows.padded(training_rows.rows_of(load_pairs(recipe)["train"]), recipe.pairs.max_seq_length)
    collator = transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=recipe.masking.mlm_probability)
    Trainer(model=model, args=arguments, data_collator=collator, train_dataset=rows).train()
    model.save_pretrained(output)
    return output


def ours(recipe: Recipe, output: Path) -> Path:
    """The recipe's own training."""
    trainer = make_trainer(recipe)
    trainer.args.output_dir = str(output / "checkpoints")
    trainer.train()
    trainer.save_model(str(output))
    return output


def scores(recipe: Recipe, folder: Path) -> dict[str, float]:
    """The metrics of a checkpoint on the validation pairs."""
    rows = training_rows.rows_of(load_pairs(recipe)["validation"])
    collator = make_collator(recipe, AutoTokenizer.from_pretrained(recipe.folder / "tokenizer"))
    batches = (collator(rows[start : start + 32]) for start in range(0, len(rows), 32))
    return metrics_of(evaluation_sums(load_model(folder), batches, torch.device("cpu")))


def markdown(rows: list[dict], steps: int) -> str:
    """The report."""
    losses = {name: [row["mlm_loss"] for row in rows if row["system"] == name] for name in ("plain", "ours")}
    seconds = {name: sum(row["seconds"] for row in rows if row["system"] == name) for name in losses}
    difference = statistics.fmean(losses["ours"]) - statistics.fmean(losses["plain"])
    shown = [{**row, **{name: f"{row[name]:.4f}" for name in ("mlm_loss", "mlm_accuracy")}} for row in rows]
    lines = [
        "# Does speed cost quality?",
        (
            f"{steps:,} steps of 32 pairs of 128 tokens, two seeds each, the same validation pairs and masks: plain"
            f" {_mean(losses['plain'])}, ours {_mean(losses['ours'])}; difference of the means {difference:+.3f} nats."
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
    return parser.parse_args()


if __name__ == "__main__":
    main()
