"""Pretraining with the stock model, collator and Trainer next to ours, inside the Trainer, interleaved in one run:
real tokens per second, ratio, GEMM utilization.

python benchmarks/training.py                                     # 4 x 256 at 128 and 512 tokens, dropout 0 and 0.1:
about 15 minutes on two cores
python benchmarks/training.py --models 12x768                     # BERT-base: about 25 minutes
python benchmarks/training.py --models --collator                 # the collators alone

The rows have the lengths of PubMed abstracts: they fill 128 tokens to 96 % (short lengths) and 512 tokens to 55 %;
--corpus TEXT makes them from a text instead. Plain: transformers.BertForPreTraining with sdpa, every row padded to the
maximum, DataCollatorForLanguageModeling, Trainer. Both see the same rows in each round, and the whole of `train()`
between its first and last step counts. GEMM utilization: what the stock model must compute for real tokens, the
vocabulary at masked tokens only, against this machine's matrix product in the same run. Writes training.{md,json};
what it did not measure stays there. benchmarks/gpu.py is for GPUs.
"""

import argparse
import gc
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
import training_rows
import transformers
from reporting import machine, markdown_table, program_parser, save
from transformers import BertConfig, Trainer, TrainerCallback, TrainingArguments

from recipe.files import read_json
from recipe.model.bert import BertForPreTraining
from recipe.model.dropout import set_dropout
from recipe.pretraining.guard import Guard
from recipe.pretraining.masking import DataCollatorForPreTraining
from recipe.pretraining.throughput import matmul_peak, training_flops
from recipe.pretraining.trainer import PreTrainer

MASKED = 0.15
COLUMNS = {
    "model": "model",
    "length": "length",
    "fill": "rows filled",
    "dropout": "dropout",
    "system": "system",
    "tokens_per_second": "real tokens/s",
    "ratio": "ratio",
    "gemm_utilization": "GEMM utilization",
    "peak": "GEMM peak, GFLOP/s",
}
COLLATOR_COLUMNS = {
    "rows": "rows",
    "system": "collator",
    "milliseconds": "ms",
    "megabytes": "peak MB",
    "bytes_per_token": "bytes per token",
}


PLAIN, OURS = "plain transformers", "ours"


def main() -> None:
    """Measure each combination of the command line and bring the results up to date."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    found: dict = {"rows": [], "collators": []}
    if arguments.collator:
        found["collators"] = training_rows.collators(arguments.collator_rounds)
    for model in arguments.models:
        for length in arguments.lengths:
            for dropout in arguments.dropouts:
                rows = measured(model, length, dropout, arguments)
                found["rows"] += rows
                print(markdown_table(COLUMNS, _shown(rows)), flush=True)
    results = _merged(found, arguments.results / "training.json")
    save(arguments.results, "training", results, markdown(results))


def measured(model: tuple[int, int], length: int, dropout: float, arguments: argparse.Namespace) -> list[dict]:
    """One row per system; they take turns, and the median of the rounds counts."""
    layers, width = model
    rows = training_rows.rows(length, arguments.steps * _batch_size(width, length), arguments.corpus)
    lengths = np.array([len(row["input_ids"]) for row in rows])
    config = bert_config(layers, width, dropout)
    systems = {
        PLAIN: plain_system(config, rows, length, arguments.steps),
        OURS: our_system(config, dropout, rows, arguments.steps),
    }
    times: dict[str, list[float]] = {name: [] for name in systems}
    peaks = []
    for _ in range(arguments.rounds):
        for name, train in systems.items():
            peaks.append(matmul_peak(torch.device("cpu"), torch.float32))
            times[name].append(train())
            gc.collect()
    work = training_flops(config, MASKED * lengths.sum(), lengths.sum(), np.square(lengths).sum())
    seconds = {name: statistics.median(values) for name, values in times.items()}
    common = {
        "model": f"{layers}x{width}",
        "length": length,
        "fill": float(lengths.mean() / length),
        "dropout": dropout,
        "peak": max(peaks) / 1e9,
    }
    return [
        {
            **common,
            "system": name,
            "tokens_per_second": lengths.sum() / value,
            "ratio": seconds[PLAIN] / value,
            "gemm_utilization": work / value / max(peaks),
        }
        for name, value in seconds.items()
    ]


def plain_system(config: BertConfig, rows: list[dict], length: int, steps: int) -> Callable[[], float]:
    """A call that trains the stock model over the rows once, from where it stopped, and returns the seconds."""
    torch.manual_seed(0)
    model, padded = transformers.BertForPreTraining(config), training_rows.padded(rows, length)
    return lambda: _seconds(plain_trainer(model, padded, len(rows) // steps, steps))


def our_system(config: BertConfig, dropout: float, rows: list[dict], steps: int) -> Callable[[], float]:
    """The same with our model."""
    torch.manual_seed(0)
    model, table = BertForPreTraining(config), training_rows.table(rows)
    set_dropout(model, dropout)
    return lambda: _seconds(our_trainer(model, table, training_arguments(len(rows) // steps, steps)))


def plain_trainer(model: transformers.BertForPreTraining, rows: list[dict], size: int, steps: int) -> Trainer:
    """The stock Trainer and collator."""
    collator = transformers.DataCollatorForLanguageModeling(training_rows.tokenizer(), mlm_probability=MASKED)
    return Trainer(model=model, args=training_arguments(size, steps), data_collator=collator, train_dataset=rows)


def our_trainer(model: BertForPreTraining, table: datasets.Dataset, arguments: TrainingArguments) -> PreTrainer:
    """Our Trainer and collator, as the stage makes them."""
    return PreTrainer(
        seed=1,
        group_by_length=True,
        guard=Guard(Path(str(arguments.output_dir)), 0, 1, arguments.ddp_timeout),
        fingerprint={},
        model=model,
        args=arguments,
        data_collator=DataCollatorForPreTraining(training_rows.tokenizer(), mlm_probability=MASKED, padding_free=True),
        train_dataset=table,
    )


class _Clock(TrainerCallback):
    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self.started = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs) -> None:
        self.ended = time.perf_counter()


def _seconds(trainer: Trainer) -> float:
    clock = _Clock()
    trainer.add_callback(clock)
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    return clock.ended - clock.started


def training_arguments(size: int, steps: int, **others: Any) -> TrainingArguments:
    """Steps of so many rows without logs, validations and checkpoints, on the CPU if `others` say nothing else."""
    settings = {
        "output_dir": tempfile.gettempdir(),
        "per_device_train_batch_size": size,
        "max_steps": steps,
        "learning_rate": 1e-4,
        "use_cpu": True,
        "remove_unused_columns": False,
        "eval_strategy": "no",
        "save_strategy": "no",
        "logging_strategy": "no",
        # Else every micro-batch waits for its loss.
        "logging_nan_inf_filter": False,
        "report_to": [],
        "disable_tqdm": True,
    }
    return TrainingArguments(**{**settings, **others})


def bert_config(layers: int, width: int, dropout: float, vocabulary: int = training_rows.VOCABULARY) -> BertConfig:
    """BERT's proportions with its vocabulary."""
    return BertConfig(
        vocab_size=vocabulary,
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=max(1, width // 64),
        intermediate_size=4 * width,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )


def model_size(text: str) -> tuple[int, int]:
    """Layers and width of LAYERSxWIDTH, such as 12x768."""
    found = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,5})", text)
    if not found or (int(found[2]) > 64 and int(found[2]) % 64):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not LAYERSxWIDTH, such as 12x768; a width above 64 is a multiple of 64, the size of a head"
        )
    return int(found[1]), int(found[2])


def _batch_size(width: int, length: int) -> int:
    return (32 if width < 512 else 16) if length <= 128 else (8 if width < 512 else 4)


def _merged(found: dict, path: Path) -> dict:
    """What was measured now, and before it what an earlier run measured and this one did not."""
    before = read_json(path) if path.is_file() else {"rows": [], "collators": []}
    new = {_combination(row) for row in found["rows"]}
    rows = [row for row in before["rows"] if _combination(row) not in new] + found["rows"]
    return {
        "rows": sorted(rows, key=lambda row: (row["model"] != "4x256", row["length"])),
        "collators": found["collators"] or before["collators"],
        "machine": machine(),
    }


def _combination(row: dict) -> tuple:
    return row["model"], row["length"], row["dropout"]


def markdown(results: dict) -> str:
    """The report."""
    where = results["machine"]
    parts = [
        "# Pretraining, side by side",
        (
            f"{where['cores']} cores of {where['cpu']}, torch {where['versions']['torch']}, transformers"
            f" {where['versions']['transformers']}, fp32, vocabulary {training_rows.VOCABULARY:,}, commit"
            f" {where['commit']}. Ratios of medians of rounds that take turns."
        ),
        markdown_table(COLUMNS, _shown(results["rows"])),
    ]
    if results["collators"]:
        parts += [
            "Collators alone, whole words; memory as numpy allocates it:",
            markdown_table(COLLATOR_COLUMNS, results["collators"]),
        ]
    return "\n\n".join(parts)


def _shown(rows: list[dict]) -> list[dict]:
    """The rows in words; GEMM utilization is against the best matrix product of all rounds with that model and length,
    since the peak may differ by half from minute to minute.
    """
    shown = []
    for row in rows:
        peak = max(
            other["peak"] for other in rows if (other["model"], other["length"]) == (row["model"], row["length"])
        )
        words = {
            "fill": f"{row['fill']:.0%}",
            "peak": f"{peak:.0f}",
            "ratio": f"{row['ratio']:.2f}",
            "gemm_utilization": f"{row['gemm_utilization'] * row['peak'] / peak:.2f}",
        }
        shown.append({**row, **words})
    return shown


def _arguments() -> argparse.Namespace:
    parser = program_parser(__doc__)
    parser.add_argument("--models", nargs="*", type=model_size, default=[(4, 256)], metavar="LAYERSxWIDTH")
    parser.add_argument("--lengths", nargs="+", type=int, default=[128, 512])
    parser.add_argument("--dropouts", nargs="+", type=float, default=[0.0, 0.1])
    parser.add_argument(
        "--corpus", type=Path, help="text in blank-line format whose pairs are the rows; none: made-up rows"
    )
    parser.add_argument("--collator", action="store_true", help="measure the collators too")
    parser.add_argument("--collator-rounds", type=int, default=50)
    parser.add_argument("--steps", type=int, default=6, help="steps per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
