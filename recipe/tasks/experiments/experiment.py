"""Runs of a protocol: the grid, the choice on devel, all seeds at the chosen point, one test evaluation, the results.

Below the output folder each system has a folder with runs/, predictions/seed-S.tsv, model/ (of the seed that was best
on devel), test_evaluations.json and, written last, result.json.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from recipe.config import TaskConfig
from recipe.errors import InputError
from recipe.files import atomic_write, read_json, sha256_of_json, write_json
from recipe.formatting import NOT_KNOWN
from recipe.provenance import git_commit, package_versions
from recipe.tasks.catalog import NamedTask
from recipe.tasks.experiments.protocol import OPTIONS
from recipe.tasks.experiments.results import mean_and_deviation, reason_in, score_in
from recipe.tasks.experiments.runs import Run, System, run_of
from recipe.tasks.experiments.shards import Shard
from recipe.tasks.finetuning.settings import RunSettings, grid_of
from recipe.tasks.finetuning.training import Materials, prepare, save_model, score_split, train_once, trained_model
from recipe.tasks.types.scores import rank_of


@dataclass(frozen=True)
class Experiment:
    """A task, a protocol, the folder of all results, and this process's shard of the runs."""

    named: NamedTask
    config: TaskConfig
    output: Path
    shard: Shard = Shard()
    reuse_test: bool = False
    use_cpu: bool = False

    def selection_key(self, system: System) -> str:
        """What a test evaluation depends on: the data, the weights and all that is tried."""
        grid = [asdict(point) for point in grid_of(self.config, system.pretrained)]
        tried = [grid, self.config.selection_seeds, self.config.seeds]
        return sha256_of_json([self.named.key, system.key, *tried])

    def test_evaluations(self, system: System) -> list[dict[str, Any]]:
        """The evaluations of test that were recorded, each with its time and selection key."""
        path = self.output / system.name / "test_evaluations.json"
        return read_json(path)["test_evaluations"] if path.is_file() else []

    def run(self, system: System, settings: RunSettings, seed: int) -> Run:
        """The run of a system with these settings."""
        return run_of(self.output / system.name, self.named.key, system.key, settings, seed)

    def log(self, system: System, run: Run, words: str) -> None:
        """Print a line about a run."""
        print(f"{system.name}, {run.settings.title}, seed {run.seed}: {words}", flush=True)


def run_experiment(experiment: Experiment, systems: Sequence[System], baselines: Sequence[str]) -> bool:
    """Do this process's shard, and what can be done after it; True if nothing is left to do."""
    # Asked for all systems at the start: a refusal must not come after hours of runs.
    for system in systems:
        check_test_reuse(experiment, system)
    for name in baselines if experiment.shard.index == 0 else ():
        run_baseline(experiment, name)
    for system in systems:
        if not evaluate_system(experiment, system):
            print(f"{system.name}: runs of other shards are missing; when they are done, run this again", flush=True)
            return False
    return True


def evaluate_system(experiment: Experiment, system: System) -> bool:
    """One system, from the grid to result.json; False if it must wait for runs of other shards."""
    path = experiment.output / system.name / "result.json"
    if path.is_file() and read_json(path)["selection"] == experiment.selection_key(system):
        print(f"{system.name}: done, skipped", flush=True)
        return True
    named, grid = experiment.named, grid_of(experiment.config, system.pretrained)
    # Made when the first run needs them, once: what is finished needs none.
    length, use_cpu = grid[0].max_seq_length, experiment.use_cpu
    materials = cache(lambda: prepare(named.task, named.task_type, system.checkpoint, length, use_cpu))
    # With one point there is nothing to choose, so its seeds are run once, as the chosen ones.
    seeds = experiment.config.seeds[: experiment.config.selection_seeds] if len(grid) > 1 else []
    tried = [[experiment.run(system, point, seed) for seed in seeds] for point in grid]
    if not _train_all(experiment, system, [run for runs in tried for run in runs], materials, is_chosen=False):
        return False
    by_setting = {
        point.title: mean_and_deviation([run.result for run in runs], "devel_score")[0]
        for point, runs in zip(grid, tried, strict=True)
        if runs
    }
    chosen = max(grid, key=lambda point: rank_of(by_setting.get(point.title)))
    final = [experiment.run(system, chosen, seed) for seed in experiment.config.seeds]
    if not _train_all(experiment, system, final, materials, is_chosen=True):
        return False
    # Shard 0 alone: two processes would write the same files, and evaluate test twice.
    if experiment.shard.index == 0:
        _record_test_evaluation(experiment, system)
        for run in final:
            _test(experiment, system, run, materials)
        _write(experiment, system, final, by_setting)
        # A run's weights are large, and only the best model is wanted later.
        for run in [run for runs in tried for run in runs] + final:
            shutil.rmtree(run.folder / "model", ignore_errors=True)
    return True


def run_baseline(experiment: Experiment, name: str) -> None:
    """A baseline without a model; nothing is chosen, so its evaluation of test is not recorded."""
    named = experiment.named
    predictions, scores = named.task_type.baselines[name](named.task)
    _write_text(experiment.output / name / "predictions" / "seed-0.tsv", predictions)
    result = {
        "task": named.task.name,
        "task_type": named.entry.type,
        "system": name,
        "counts": named.task.counts(),
        "runs": [{"seed": 0, **scores}],
    }
    write_json(experiment.output / name / "result.json", result)
    print(f"{name}: test {_shown(scores, named.task_type.score)}", flush=True)


def check_test_reuse(experiment: Experiment, system: System) -> None:
    """Refuse to start if the end would be a second evaluation of test, after another selection."""
    earlier = experiment.test_evaluations(system)
    is_new = experiment.selection_key(system) not in [one["selection"] for one in earlier]
    if earlier and is_new and not experiment.reuse_test:
        raise InputError(
            f"{experiment.output / system.name}: test was evaluated on {earlier[-1]['time']} after another selection,"
            " so this would be a choice on test; go back to that selection, or allow and record it by --reuse_test"
        )


def _record_test_evaluation(experiment: Experiment, system: System) -> None:
    # Recorded before it begins, or an interruption would hide it; the same selection is recorded only once.
    earlier, key = experiment.test_evaluations(system), experiment.selection_key(system)
    if key not in [one["selection"] for one in earlier]:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        found = {"test_evaluations": [*earlier, {"selection": key, "time": now}]}
        write_json(experiment.output / system.name / "test_evaluations.json", found)


def _train_all(
    experiment: Experiment, system: System, runs: list[Run], materials: Callable[[], Materials], is_chosen: bool
) -> bool:
    """Train this shard of the runs; False if others are missing and cannot be waited for."""

    def missing() -> list[Run]:
        # A chosen run needs its model for test; of the others only the devel score is read.
        return [run for run in runs if not (run.is_ready_for_test() if is_chosen else run.is_trained())]

    for run in experiment.shard.of(runs):
        if run in missing():
            trained = train_once(materials(), run.settings, system.pretrained, run.seed)
            # Kept until test is evaluated, which may be in another process or after an interruption.
            with atomic_write(run.folder / "model") as partial:
                save_model(trained.model, materials().tokenizer, partial)
            run.write_result(trained.devel_score, trained.best_epoch, trained.epochs, trained.seconds)
            name = experiment.named.task_type.score
            score = f"devel {_shown({name: trained.devel_score, 'reason': 'no epoch has one'}, name)}"
            epoch = f"epoch {trained.best_epoch} of {trained.epochs}"
            experiment.log(system, run, f"{score} at {epoch}, {trained.seconds:.0f} s")
    while experiment.shard.together and missing():
        time.sleep(1)
    return not missing()


def _test(experiment: Experiment, system: System, run: Run, materials: Callable[[], Materials]) -> None:
    if not run.is_tested():
        scores, predictions = score_split(materials(), trained_model(materials(), run.folder / "model"), "test")
        _write_text(run.folder / "predictions.tsv", predictions)
        write_json(run.folder / "test.json", scores)
    experiment.log(system, run, f"test {_shown(run.test, experiment.named.task_type.score)}")


def _shown(scores: dict[str, Any], name: str) -> str:
    value = score_in(scores, name)
    return f"{name} " + (f"{NOT_KNOWN} ({reason_in([scores], name)})" if value is None else f"{value:.4f}")


def _write(experiment: Experiment, system: System, final: list[Run], by_setting: dict[str, float | None]) -> None:
    folder, named = experiment.output / system.name, experiment.named
    shutil.rmtree(folder / "predictions", ignore_errors=True)
    for run in final:
        text = (run.folder / "predictions.tsv").read_text(encoding="utf-8")
        _write_text(folder / "predictions" / f"seed-{run.seed}.tsv", text)
    # By devel: the best on test would be a choice on test.
    best = max(final, key=lambda run: rank_of(run.result["devel_score"]))
    _keep_model(folder, best)
    # result.json is written last: where it is, the rest is complete.
    kept = ("devel_score", "best_epoch", "epochs", "seconds")
    result = {
        "task": named.task.name,
        "task_type": named.entry.type,
        "system": system.name,
        "metric": named.task_type.metric,
        "checkpoint": str(system.checkpoint),
        "pretrained": system.pretrained,
        "counts": named.task.counts(),
        "protocol": {name: getattr(experiment.config, name) for name in OPTIONS},
        "devel_by_setting": by_setting,
        "chosen": {name: getattr(final[0].settings, name) for name in ("learning_rate", "batch_size")},
        "runs": [{"seed": run.seed, **run.test, **{name: run.result[name] for name in kept}} for run in final],
        "model_of": best.folder.name,
        "test_evaluations": len(experiment.test_evaluations(system)),
        "selection": experiment.selection_key(system),
        "versions": package_versions(),
        "git_commit": git_commit(),
    }
    write_json(folder / "result.json", result)


def _keep_model(folder: Path, best: Run) -> None:
    if (best.folder / "model").is_dir():
        with atomic_write(folder / "model") as partial:
            shutil.copytree(best.folder / "model", partial)
    elif not (folder / "result.json").is_file() or read_json(folder / "result.json")["model_of"] != best.folder.name:
        # After a further selection the best run may be an old one whose weights are gone, since only the best of each
        # selection are kept. Other weights must not pass for those of the result.
        shutil.rmtree(folder / "model", ignore_errors=True)


def _write_text(path: Path, text: str) -> None:
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
