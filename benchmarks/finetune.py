"""Fine-tuning on entities: our way next to a plain Trainer that pads every sentence to 128 pieces, as run_ner.py of
transformers does with --pad_to_max_length.

python benchmarks/finetune.py --model MODEL --data data/tasks/bc5-chem                                 # whole task, 1
epoch, seed 1
python benchmarks/finetune.py --model MODEL --data data/tasks/bc5-chem --sentences 1000 --epochs 3 --seeds 1,2,3

Both train and score devel after every epoch, with the same settings, dropout and number of threads; the time is that
of all of it, one process after the other. F1 is the best epoch's strict IOB2 F1 over all gold entities of devel. Every
measured run is kept in --runs, so the same command goes on after an interruption. Writes finetune.md
and .json.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from reporting import machine, markdown_table, program_parser, save

from recipe.files import read_json, write_json

WAYS = ("padded to 128", "ours")
COLUMNS = {
    "way": "way",
    "seconds": "seconds",
    "rate": "sentences/s",
    "speed": "speed",
    "f1": "devel F1",
    "deviation": "deviation",
    "seeds": "seeds",
}


def main() -> None:
    """Measure what is missing, each way and seed in a process of its own, and write the table."""
    arguments = _arguments()
    if arguments.one:
        way, seed = arguments.one.rsplit(":", 1)
        write_json(arguments.runs / f"{way}-{seed}.json", measured(way, int(seed), arguments))
        return
    arguments.runs.mkdir(parents=True, exist_ok=True)
    # The ways take turns, so that a busy hour falls on both.
    for seed in arguments.seeds.split(","):
        for way in WAYS:
            if not (arguments.runs / f"{way}-{seed}.json").is_file():
                subprocess.run([sys.executable, *sys.argv, "--one", f"{way}:{seed}"], check=True)
    found = {
        way: [read_json(arguments.runs / f"{way}-{seed}.json") for seed in arguments.seeds.split(",")] for way in WAYS
    }
    rows = rows_of(found)
    where = machine()
    sizes = found["ours"][0]
    title = (
        f"# Fine-tuning side by side\n\n{arguments.threads} threads of {where['cpu']}, commit {where['commit']};"
        f" {sizes['train']:,} sentences to train on, "
    )
    title += (
        f"{sizes['devel']:,} of devel after every epoch; {arguments.epochs:g} epochs, batch {arguments.batch_size},"
        f" rate {arguments.learning_rate:g}\n\n"
    )
    print(markdown_table(COLUMNS, rows))
    settings = {
        name: getattr(arguments, name)
        for name in ("sentences", "epochs", "batch_size", "learning_rate", "seeds", "threads")
    }
    settings |= {"model": arguments.model.resolve().parent.name, "data": arguments.data.resolve().name}
    save(
        arguments.results,
        "finetune",
        {"machine": where, "settings": settings, "runs": found},
        title + markdown_table(COLUMNS, rows),
    )


def rows_of(found: dict[str, list[dict]]) -> list[dict]:
    """One row per way: means over the seeds, speed against the first way."""
    rows = []
    for way, runs in found.items():
        seconds = statistics.fmean(run["seconds"] for run in runs)
        f1 = [100 * run["f1"] for run in runs]
        rate = statistics.fmean((run["epochs"] * (run["train"] + run["devel"])) / run["seconds"] for run in runs)
        spread = statistics.stdev(f1) if len(f1) > 1 else 0.0
        rows.append(
            {
                "way": way,
                "seconds": seconds,
                "rate": rate,
                "f1": statistics.fmean(f1),
                "deviation": spread,
                "seeds": len(runs),
            }
        )
    for row in rows:
        row["speed"] = rows[0]["seconds"] / row["seconds"]
    return rows


def measured(way: str, seed: int, arguments: argparse.Namespace) -> dict:
    """Time and best devel F1 of one run."""
    import torch

    from recipe.tasks.data.answers import require_two_answers
    from recipe.tasks.data.columns import read_task

    torch.set_num_threads(arguments.threads)
    task = read_task(arguments.data)
    task = replace(task, train=task.train[: arguments.sentences], devel=task.devel[: arguments.sentences])
    # Before the run: a devel split without entities has no F1.
    require_two_answers(arguments.data, task.answers(), "raise --sentences")
    started = time.perf_counter()
    f1 = (_ours if way == "ours" else _padded)(task, seed, arguments)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "f1": f1,
        "train": len(task.train),
        "devel": len(task.devel),
        "epochs": arguments.epochs,
    }


def _ours(task, seed: int, arguments: argparse.Namespace) -> float:
    from recipe.tasks.catalog import TASK_TYPES
    from recipe.tasks.finetuning.settings import RunSettings
    from recipe.tasks.finetuning.training import prepare, train_once

    settings = RunSettings(
        learning_rate=arguments.learning_rate, batch_size=arguments.batch_size, num_train_epochs=arguments.epochs
    )
    return train_once(
        prepare(task, TASK_TYPES["ner"], arguments.model, settings.max_seq_length, True), settings, True, seed
    ).devel_score


def _padded(task, seed: int, arguments: argparse.Namespace) -> float:
    """The plain way, written from transformers' documentation of token classification."""
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    from recipe.tasks.data.entities import count_entities_of

    set_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForTokenClassification.from_pretrained(arguments.model, num_labels=len(task.labels))
    rows = {
        split: [_padded_row(sentence, tokenizer, task.labels) for sentence in getattr(task, split)]
        for split in ("train", "devel")
    }

    def devel_f1(found) -> dict[str, float]:
        predicted = []
        for labels, gold, sentence in zip(found.predictions.argmax(-1), found.label_ids, task.devel, strict=True):
            tags = [task.labels[label] for label, kept in zip(labels, gold != -100, strict=True) if kept]
            # Words that were cut off are predicted as O.
            predicted.append(tags + ["O"] * (len(sentence.words) - len(tags)))
        return {"f1": count_entities_of([sentence.tags for sentence in task.devel], predicted).scores()["f1"]}

    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            folder,
            seed=seed,
            use_cpu=True,
            num_train_epochs=arguments.epochs,
            learning_rate=arguments.learning_rate,
            per_device_train_batch_size=arguments.batch_size,
            weight_decay=0.01,
            warmup_steps=0.1,
            eval_strategy="epoch",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        collator = DataCollatorForTokenClassification(tokenizer)
        trainer = Trainer(
            model,
            settings,
            collator,
            rows["train"],
            rows["devel"],
            processing_class=tokenizer,
            compute_metrics=devel_f1,
        )
        trainer.train()
        return max(line["eval_f1"] for line in trainer.state.log_history if "eval_f1" in line)


def _padded_row(sentence, tokenizer, labels: list[str]) -> dict[str, list[int]]:
    encoded = tokenizer(
        sentence.words, is_split_into_words=True, truncation=True, padding="max_length", max_length=128
    )
    words, before, row = encoded.word_ids(), None, []
    for word in words:
        row.append(-100 if word is None or word == before else labels.index(sentence.tags[word]))
        before = word
    return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"], "labels": row}


def _arguments() -> argparse.Namespace:
    parser = program_parser(__doc__)
    parser.add_argument("--model", type=Path, required=True, help="checkpoint folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of the task's files")
    parser.add_argument("--sentences", type=int, help="use the first so many sentences of train and of devel")
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--learning_rate", type=float, default=2e-4)
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/benchmarks/finetune"), help="folder of the runs that are measured"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
