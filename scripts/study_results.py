"""Make docs/results.md, its plots and the first table of README.md from docs/results/, and those files from the runs.

`python scripts/study_results.py collect` reads runs/study and runs/two-cores and writes docs/results/: settings,
thinned logs and scores as JSON, and what each test sentence adds to a score as .npz, for the intervals.
`python scripts/study_results.py write` fills the tables of both documents, between their marks, and draws the plots.
"""

import argparse
import json
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from study import (
    BEST,
    BEST_LONGER,
    CHECKPOINTS,
    EPOCHS_OF_GRID,
    EPOCHS_OF_LONGER,
    FEW,
    FEW_ARMS,
    FIT,
    FIT_ARMS,
    RANDOM,
    ROOT,
    STUDY,
    TASKS,
)

from recipe.report.coverage import LEAST
from recipe.report.plots import curves_figure, png_of, task_scores_figure
from recipe.tasks.catalog import TASK_TYPES
from recipe.tasks.experiments.comparison import bootstrap

RESULTS, DOCUMENTS = ROOT / "docs" / "results", (ROOT / "docs" / "results.md", ROOT / "README.md")
# Beginnings of the names of the models in README's table.
IN_README = ("random", "conditional", "TinyBERT", BEST, "all-MiniLM", "BERT-base", "PubMedBERT")
SAMPLES = 10_000
_OF_RESULT = (
    "task",
    "task_type",
    "counts",
    "protocol",
    "chosen",
    "devel_by_setting",
    "runs",
    "git_commit",
    "versions",
)
LETTERS = {
    "domain": "(a) domain text, domain vocabulary",
    "general": "(b) general text, general vocabulary",
    "general-vocabulary": "(c) domain text, general vocabulary",
    "single-pieces": "(d) as (a), single pieces masked",
    "continued": "(e) half general, then half domain text",
    RANDOM: "(f) random initialisation",
    "no-pairs": "(g) as (a), pairs teach nothing",
    "poor-in-mentions": "as (a), text that names half as many chemicals",
    "counts-only": "as (a), one step: what counting alone gives",
}
BEST_TITLES = {BEST: "the best two-core model", BEST_LONGER: "the best two-core model, fine-tuned longer"}


def collect(results: Path) -> None:
    """Write one JSON for each pretraining run, one for all scores, and the units of each task."""
    finished = [*STUDY.glob("*/evaluation.json"), *STUDY.parent.glob(f"{BEST}/evaluation.json")]
    for run in sorted(path.parent for path in finished):
        _write_json(results / "runs" / f"{run.name}.json", _run(run))
    scores = []
    for task_folder in sorted((STUDY / "tasks").glob("*")):
        units = {}
        for path in sorted(task_folder.glob("*/*/result.json")):
            system = path.parent.parent.name
            result = _read_json(path)
            task_type = TASK_TYPES[result["task_type"]]
            arm, _, seed = system.rpartition("-")
            about = {"name": task_folder.name, "arm": arm, "seed": int(seed)}
            scores.append(about | {key: result[key] for key in _OF_RESULT})
            texts = [each.read_text(encoding="utf-8") for each in sorted(path.parent.glob("predictions/seed-*.tsv"))]
            numbers = np.stack([task_type.units(text) for text in texts])
            units[system] = numbers.astype(np.int16) if (numbers == numbers.astype(np.int16)).all() else numbers
        if units:
            (results / "units").mkdir(parents=True, exist_ok=True)
            np.savez_compressed(results / "units" / f"{task_folder.name}.npz", **units)
    _write_json(results / "scores.json", scores)
    files = {arm: STUDY / f"fit-{arm}" / FIT for arm in FIT_ARMS}
    fits = {arm: _read_json(path)["coverage"] for arm, path in files.items() if path.is_file()}
    _write_json(results / "fit.json", fits)


def _run(run: Path) -> dict[str, Any]:
    training, stages = _read_json(run / "training.json"), _read_json(run / "stages.json")["stages"]
    log = training["log_history"]
    lines = [line for line in log if "loss" in line]
    kept = lines[:: max(len(lines) // 100, 1)] + lines[-1:]
    fields = ("step", "tokens_seen", "learning_rate", "mlm_loss", "nsp_loss")
    of_validation = ("step", "tokens_seen", "eval_mlm_loss", "eval_nsp_loss", "eval_nsp_balanced_accuracy")
    made_by = stages["pretrain"]
    return {
        "run": run.name,
        "recipe": (run / "recipe.yaml").read_text(encoding="utf-8"),
        "commit": made_by.get("git_commit"),
        "versions": made_by.get("versions"),
        **{key: training[key] for key in ("parameters", "device", "precision", "seconds")},
        "training": [{key: line[key] for key in fields} for line in kept],
        "validation": [
            {key: line[key] for key in of_validation if key in line} for line in log if "eval_mlm_loss" in line
        ],
        # Without the examples: they are the corpus's text.
        "evaluation": {key: value for key, value in _read_json(run / "evaluation.json").items() if key != "examples"},
    }


class Results:
    """What `collect` wrote, read once."""

    def __init__(self, folder: Path) -> None:
        self.runs = {path.stem: _read_json(path) for path in sorted((folder / "runs").glob("*.json"))}
        self.scores = _read_json(folder / "scores.json") if (folder / "scores.json").is_file() else []
        self.search, self.fit = _read_json(folder / "search.json"), _read_json(folder / "fit.json")
        self.published = _read_json(folder / "published.json")
        self.units = {path.stem: np.load(path) for path in sorted((folder / "units").glob("*.npz"))}

    def of(self, name: str, arm: str, field: str | None = None) -> list[float]:
        """A score of all fine-tuning seeds of all pretraining seeds of an arm, on a task or a share of it."""
        found = [each for each in self.scores if each["name"] == name and each["arm"] == arm]
        return [_inner(run, field or _score(each)) for each in found for run in each["runs"]]

    def tokens(self, share: int) -> float:
        """Tokens that the best run had seen after a share of its steps, in percent."""
        return float(self.runs[BEST]["training"][-1]["tokens_seen"] * share / 100)

    def of_checkpoint(self, share: int, field: str) -> list[float]:
        """A score on BC5-chem of the best run after a share of its steps; its folder has the share as its seed."""
        arm, seed = (BEST, 1) if share == 100 else (f"{BEST}-at", share)
        found = [each for each in self.scores if (each["name"], each["arm"], each["seed"]) == ("bc5-chem", arm, seed)]
        return [_inner(run, field) for each in found for run in each["runs"]]

    def counts(self, name: str, arm: str) -> np.ndarray:
        """Units of all those runs: shape (pretraining seeds, fine-tuning seeds, units, numbers)."""
        files = self.units[name]
        return np.stack([files[key] for key in files.files if key.rpartition("-")[0] == arm]).astype(float)

    def difference(self, name: str, first: str, second: str) -> tuple[float, float, float, tuple[int, int]] | None:
        """Mean difference of a score, its 95 % interval, and pretraining seeds of both; None without both."""
        if not self.of(name, first) or not self.of(name, second):
            return None
        task_type = TASK_TYPES[next(each["task_type"] for each in self.scores if each["name"] == name)]
        counts = [self.counts(name, arm) for arm in (first, second)]
        seeds = (len(counts[0]), len(counts[1]))
        runs = [each.reshape(-1, *each.shape[2:]) for each in counts]
        drawn = bootstrap(*runs, task_type.score_of, SAMPLES, seed=1, groups=seeds)
        low, high = np.quantile(drawn[np.isfinite(drawn)], [0.025, 0.975])
        mean = statistics.fmean(self.of(name, first)) - statistics.fmean(self.of(name, second))
        return mean, float(low), float(high), seeds


def _score(entry: dict[str, Any]) -> str:
    return TASK_TYPES[entry["task_type"]].score


def _inner(values: dict[str, Any], name: str) -> float:
    for part in name.split("."):
        values = values[part]
    return float(values)  # type: ignore[arg-type]


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write_json(path: Path, values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _mean(values: Sequence[float], scale: float = 100) -> str:
    if not values:
        return "–"
    spread = f" ± {scale * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{scale * statistics.fmean(values):.1f}{spread}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["--"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def arms_table(results: Results) -> str:
    """Scores of each arm on BC5CDR, over all its runs."""
    rows = []
    for arm, title in LETTERS.items():
        chem = [results.of("bc5-chem", arm, field) for field in ("f1", "seen.recall", "unseen.recall")]
        disease = [results.of("bc5-disease", arm, field) for field in ("f1", "unseen.recall")]
        if chem[0]:
            rows.append([title, str(len(chem[0])), *map(_mean, (*chem, *disease))])
    heads = ("arm", "runs", "BC5-chem F1", "recall, seen", "recall, unseen", "BC5-disease F1", "recall, unseen")
    return _table(heads, rows)


def differences_table(results: Results) -> str:
    """(a) minus each other arm, with intervals."""
    rows = []
    for arm, task in product([arm for arm in LETTERS if arm != "domain"], TASKS):
        if found := results.difference(task, "domain", arm):
            mean, low, high = (100 * value for value in found[:3])
            seeds = "{} and {}".format(*found[3])
            rows.append([f"(a) minus {LETTERS[arm]}", task, seeds, f"{mean:+.1f}", f"{low:+.1f} to {high:+.1f}"])
    return _table(("difference", "task", "pretraining seeds", "points", "95 % interval"), rows)


def few_table(results: Results) -> str:
    """F1 on BC5-chem by the share of the training sentences."""
    names = [*(f"bc5-chem-{share}" for share in sorted(FEW)), "bc5-chem"]
    rows = [
        [LETTERS[arm], *(_mean(results.of(name, arm)) for name in names)]
        for arm in FEW_ARMS
        if results.of(names[0], arm)
    ]
    return _table(("arm", *(f"{share} %" for share in (*sorted(FEW), 100))), rows)


def tasks_table(results: Results) -> str:
    """The other tasks."""
    names = [name for name in TASKS if name not in ("bc5-chem", "bc5-disease")]
    rows = [
        [title, *(_mean(results.of(name, arm)) for name in names)]
        for arm, title in LETTERS.items()
        if any(results.of(name, arm) for name in names)
    ]
    return _table(("arm", "NCBI-disease F1", "BIOSSES Pearson", "PubMedQA accuracy"), rows)


def fit_table(results: Results) -> str:
    """How well the texts of three arms fit BC5-chem, and its F1."""
    rows = []
    for arm, sources in results.fit.items():
        [all_of_it] = [source for source in sources if source["source"] == "all"]
        shares = [f"{100 * share:.0f} %" for share in all_of_it["mentions"]]
        size, dense = f"{all_of_it['words'] / 1e6:.1f} M", f"{all_of_it['per_1000']:.1f}"
        rows.append([LETTERS[arm], size, dense, *shares, _mean(results.of("bc5-chem", arm))])
    occur = [f"occur ≥ {times} ×" for times in LEAST]
    return _table(("arm", "words", "mentions in 1,000 words", *occur, "BC5-chem F1"), rows)


def pretraining_table(results: Results) -> str:
    """What each pretraining run cost and how its losses ended."""
    rows = []
    for name, run in results.runs.items():
        last, score = run["validation"][-1], run["evaluation"]
        tokens, hours = run["training"][-1]["tokens_seen"], run["seconds"] / 3600
        threads = int(re.search(r"(\d+) threads", run["device"])[1])  # type: ignore[index]
        balanced = last.get("eval_nsp_balanced_accuracy")
        rows.append(
            [
                name,
                f"{run['parameters'] / 1e6:.1f} M",
                f"{tokens / 1e6:.1f} M",
                f"{hours * threads:.1f}",
                f"{6 * run['parameters'] * tokens / 1e15:.1f}",
                f"{score['mlm_loss']:.2f}",
                "–" if balanced is None else f"{100 * balanced:.0f} %",
            ]
        )
    heads = (
        "run",
        "parameters",
        "tokens",
        "core-hours",
        "PFLOPs (6 × parameters × tokens)",
        "MLM loss",
        "NSP balanced",
    )
    return _table(heads, rows)


def search_table(results: Results) -> str:
    """The short runs: validation MLM loss by step."""
    steps = (125, 250, 375, 500, 625)
    rows = []
    for run in results.search:
        at = {line["step"]: f"{line['mlm_loss']:.2f}" for line in run["validation"]}
        shape = f"{run['pairs_a_step']} × {run['max_seq_length']}"
        last = run["train"][-1]
        rows.append(
            [
                run["run"],
                run["start_and_optimizer"],
                f"{run['vocab_size']:,}",
                shape,
                f"{run['learning_rate']:g}",
                f"{100 * run['mlm_probability']:.0f} %",
                *(at.get(step, "") for step in steps),
                f"{last['mlm_loss']:.2f} at {last['step']}",
            ]
        )
    heads = (
        "run",
        "optimizer, start",
        "vocabulary",
        "pairs × tokens",
        "rate",
        "masked",
        *map(str, steps),
        "last training",
    )
    return _table(heads, rows)


def published_table(results: Results) -> str:
    """Published scores on BC5-chem next to the best model and the anchors."""
    heads = ("model", "BC5-chem F1", "recall, unseen", "pretraining", "source")
    return _table(heads, ranked(results))


def readme_table(results: Results) -> str:
    """The lines of that table that say the most, without their sources."""
    rows = [row[:4] for row in ranked(results) if row[0].removeprefix("**").startswith(IN_README)]
    return _table(("model", "BC5-chem F1", "recall, unseen", "pretraining"), rows)


def ranked(results: Results) -> list[list[str]]:
    """Model, F1, recall on unseen mentions, pretraining and source, by F1."""
    rows = [[each["model"], each["f1"], each["unseen"], each["compute"], each["source"]] for each in results.published]
    if run := results.runs.get(BEST):
        tokens, hours = run["training"][-1]["tokens_seen"] / 1e6, run["seconds"] / 3600
        made = f"{tokens:.0f} M tokens, two CPU cores, {hours:.1f} h"
        for arm, epochs in ((BEST, EPOCHS_OF_GRID), (BEST_LONGER, EPOCHS_OF_LONGER)):
            if scores := results.of("bc5-chem", arm):
                unseen = _mean(results.of("bc5-chem", arm, "unseen.recall"))
                name = f"**{BEST}, {run['parameters'] / 1e6:.1f} M parameters, ours, {epochs} epochs**"
                rows.append([name, f"**{_mean(scores)}**", f"**{unseen}**", made, "here"])
    return sorted(rows, key=lambda row: float(re.search(r"[\d.]+", row[1])[0]))  # type: ignore[index]


def curve_table(results: Results) -> str:
    """Checkpoints of the best run: loss and F1 by tokens."""
    if BEST not in results.runs:
        return ""
    rows, run = [], results.runs[BEST]
    for share in (*CHECKPOINTS, 100):
        tokens = results.tokens(share)
        training = min(run["training"], key=lambda line: abs(line["tokens_seen"] - tokens))
        near = [line["eval_mlm_loss"] for line in run["validation"] if 0.95 < line["tokens_seen"] / tokens < 1.05]
        losses = [f"{training['mlm_loss']:.2f}", f"{near[0]:.2f}" if near else "–"]
        scores = [_mean(results.of_checkpoint(share, field)) for field in ("f1", "unseen.recall")]
        rows.append([f"{share} %", f"{tokens / 1e6:.1f} M", *losses, *scores])
    heads = ("of the steps", "tokens", "MLM loss, training (20 % masked)", "validation (15 %)")
    return _table((*heads, "BC5-chem F1", "recall, unseen"), rows)


TABLES: dict[str, Callable[[Results], str]] = {
    "readme": readme_table,
    "published": published_table,
    "arms": arms_table,
    "differences": differences_table,
    "few": few_table,
    "tasks": tasks_table,
    "fit": fit_table,
    "pretraining": pretraining_table,
    "curve": curve_table,
    "search": search_table,
}


def filled(text: str, results: Results) -> str:
    """A document whose tables stand between marks: <!-- NAME --> and <!-- /NAME -->."""
    for name, make in TABLES.items():
        before, mark, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        if mark and end:
            text = f"{before}{mark}{make(results)}\n{end}{after}"
    return text


def _by_sentences(results: Results, arm: str) -> list[tuple[float, float]]:
    """Training sentences of BC5-chem and the mean F1 with so many."""
    names = [*(f"bc5-chem-{share}" for share in FEW), "bc5-chem"]
    numbers = {each["name"]: each["counts"]["sentences"]["train"] for each in results.scores if each["name"] in names}
    return [(numbers[name], 100 * statistics.fmean(found)) for name in names if (found := results.of(name, arm))]


def draw(results: Results, folder: Path) -> None:
    """The plots: loss and F1 of the best run over its tokens, F1 by arm, and by the number of training sentences."""
    figures = {}
    if BEST in results.runs:
        lines = results.runs[BEST]["validation"]
        loss = [(line["tokens_seen"] / 1e6, line["eval_mlm_loss"]) for line in lines]
        figures["loss"] = curves_figure(
            {BEST_TITLES[BEST]: loss}, "tokens seen (millions)", "validation MLM loss (nats)"
        )
        f1 = [
            (results.tokens(share) / 1e6, 100 * statistics.fmean(scores))
            for share in (*CHECKPOINTS, 100)
            if (scores := results.of_checkpoint(share, "f1"))
        ]
        if f1:
            figures["f1_over_tokens"] = curves_figure(
                {BEST_TITLES[BEST]: f1}, "tokens seen (millions)", "F1 on BC5-chem (%)"
            )
    bars = {title: results.of("bc5-chem", arm) for arm, title in (LETTERS | BEST_TITLES).items()}
    if bars := {title: scores for title, scores in bars.items() if scores}:
        figures["f1"] = task_scores_figure(bars, "F1 on BC5-chem")
    few = {LETTERS[arm]: _by_sentences(results, arm) for arm in FEW_ARMS if results.of(f"bc5-chem-{min(FEW)}", arm)}
    if few:
        figures["few"] = curves_figure(few, "training sentences", "F1 on BC5-chem (%)")
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        (folder / f"{name}.png").write_bytes(png_of(figure))


def main() -> None:
    """Collect or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("collect", "write"))
    arguments = parser.parse_args()
    if arguments.what == "collect":
        collect(RESULTS)
        return
    results = Results(RESULTS)
    for document in DOCUMENTS:
        document.write_text(filled(document.read_text(encoding="utf-8"), results), encoding="utf-8")
    draw(results, RESULTS / "plots")


if __name__ == "__main__":
    main()
