"""The stage "task" of a recipe: the run's model fine-tuned over several seeds, beside the same architecture with
random weights -> RUN/task.
"""

import os
import statistics
from dataclasses import dataclass, replace
from typing import Any

from tqdm import tqdm

from recipe.config import Recipe, TaskConfig
from recipe.errors import InputError
from recipe.files import atomic_write, write_json
from recipe.tasks import load_task
from recipe.tasks.catalog import KINDS
from recipe.tasks.data.columns import NerTask
from recipe.tasks.finetuning.training import Materials, TrainedModel, prepare, save_model, score_split, train_once

KIND = "ner"


@dataclass
class Run:
    """One fine-tuning: its scores on test, its model, and the text of its predictions file."""

    scores: dict[str, Any]
    trained: TrainedModel
    predictions: str


def finetune_task(recipe: Recipe) -> None:
    """Fine-tune the run's model on `task.data`, once per seed, and write what came out below <run_dir>/task.

    scores.json: means, sample deviations (0 for one seed) and every run, F1 in 0..1; predictions.tsv: word, gold tag
    and predicted tag on test of the pretrained run that was best on devel; model/: its checkpoint and tokenizer. Test
    is read once per run, after the epoch is chosen.

    Raises:
        InputError: without task.data or a pretrained model, for a model, tokenizer or task that do not fit together,
            or if the weights leave the range of numbers.
        RuntimeError: if a gold word would be left out of a score.
    """
    task, materials = _prepare(recipe)
    kinds = ["pretrained", *(["random_weights"] if recipe.task.compare_random_weights else [])]
    runs: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    best: Run | None = None
    with tqdm(total=len(kinds) * len(recipe.task.seeds), desc="fine-tuning", unit="run") as bar:
        for kind in kinds:
            for seed in recipe.task.seeds:
                run = run_once(materials, recipe.task, kind == "pretrained", seed)
                runs[kind].append(run.scores)
                tqdm.write(_line(kind, run.scores))
                bar.update()
                if kind == "pretrained" and (best is None or run.trained.devel_score > best.trained.devel_score):
                    best = run
    assert best is not None
    _write(recipe, materials, task, runs, best)


def run_once(materials: Materials, config: TaskConfig, pretrained: bool, seed: int) -> Run:
    """Fine-tune with one seed, then score test."""
    trained = train_once(materials, config, pretrained, seed)
    test, predictions = score_split(materials, trained.model, "test")
    scores = {
        "seed": seed,
        **{name: test[name] for name in ("f1", "precision", "recall")},
        "devel_f1": trained.devel_score,
    }
    scores |= {
        "best_epoch": trained.best_epoch,
        "seconds": trained.seconds,
        **{name: test[name] for name in ("conlleval", "per_type", "seen", "unseen")},
    }
    return Run(scores, trained, predictions)


def summarize_runs(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean F1, precision and recall of some runs, the sample deviation of F1 (0 for one run), and the runs."""
    column = {name: [float(run[name]) for run in runs] for name in ("f1", "precision", "recall")}
    return {
        "f1_mean": statistics.fmean(column["f1"]),
        "f1_std": statistics.stdev(column["f1"]) if len(runs) > 1 else 0.0,
        "precision_mean": statistics.fmean(column["precision"]),
        "recall_mean": statistics.fmean(column["recall"]),
        "runs": runs,
    }


def _prepare(recipe: Recipe) -> tuple[NerTask, Materials]:
    if recipe.task.data is None:
        raise InputError(
            "task.data is null; set task.data to a folder with train.tsv, devel.tsv and test.tsv, or to embedded:nero"
        )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(
            "this stage runs in one process; start it with python, or take scripts/finetune.py, whose runs share many"
            " processes"
        )
    checkpoint = recipe.folder / "model"
    if not (checkpoint / "config.json").is_file():
        raise InputError(f"{checkpoint}: holds no pretrained model; run scripts/pretrain.py first")
    task = load_task(recipe.task.data)
    task = replace(
        task, train=task.train[: recipe.task.max_train_sentences], test=task.test[: recipe.task.max_test_sentences]
    )
    print(task.summary(), flush=True)
    return task, prepare(task, KINDS[KIND], checkpoint, recipe.task.max_seq_length, recipe.training.use_cpu)


def _write(
    recipe: Recipe, materials: Materials, task: NerTask, runs: dict[str, list[dict[str, Any]]], best: Run
) -> None:
    folder = recipe.folder / "task"
    with atomic_write(folder / "model") as partial:
        save_model(best.trained.model, materials.tokenizer, partial)
    with atomic_write(folder / "predictions.tsv") as partial:
        partial.write_text(best.predictions, encoding="utf-8", newline="\n")
    counts = task.counts()
    scores = {
        "task": task.name,
        "metric": materials.kind.metric,
        "labels": task.labels,
        "support": {name: counts["entities"][name] for name in ("devel", "test")},
        "sentences": counts["sentences"],
        "models": {kind: summarize_runs(found) for kind, found in runs.items()},
        "settings": recipe.settings("task"),
    }
    # Written last: where scores.json is, the rest is whole.
    write_json(folder / "scores.json", scores)


def _line(kind: str, scores: dict[str, Any]) -> str:
    return (
        f"{kind.replace('_', ' ')}, seed {scores['seed']}: test F1 {scores['f1']:.4f} (precision"
        f" {scores['precision']:.4f}, recall {scores['recall']:.4f}), devel F1 {scores['devel_f1']:.4f} at epoch"
        f" {scores['best_epoch']}, {scores['seconds']} s"
    )
