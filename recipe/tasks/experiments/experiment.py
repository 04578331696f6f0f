"""A protocol carried out: runs on the grid, the choice on devel, runs with all seeds, one look at test, and a table of
the contestants.

Every run is on its own, so that many processes can share them and any of them can be stopped; what is finished is not
done again. Below the output folder each contestant has a folder with runs/, predictions/seed-S.tsv, model/ (of the
seed that was best on devel), looks.json and, at last, result.json.
"""

import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from recipe.config import TaskConfig
from recipe.errors import InputError
from recipe.files import atomic_write, read_json, sha256_of_json, write_json
from recipe.provenance import git_commit, package_versions
from recipe.tasks.catalog import NamedTask
from recipe.tasks.experiments.protocol import Protocol
from recipe.tasks.experiments.runs import Contestant, Run, run_of
from recipe.tasks.experiments.shards import Share
from recipe.tasks.finetuning.training import Materials, prepare, save_model, score_split, train_once, trained_model


@dataclass(frozen=True)
class Experiment:
    """A task, a protocol, the folder of all results, and this process's share of the runs."""

    named: NamedTask
    protocol: Protocol
    output: Path
    share: Share = Share()
    another_look: bool = False
    use_cpu: bool = False

    def selection_key(self, contestant: Contestant) -> str:
        """What a look at test depends on: the data, the weights and all that is tried."""
        return sha256_of_json([self.named.key, contestant.key(), asdict(self.protocol)])

    def folder(self, name: str) -> Path:
        """The folder of a contestant."""
        return self.output / name


def carry_out(experiment: Experiment, contestants: Sequence[Contestant], controls: Sequence[str]) -> bool:
    """Do this process's share, and what can be done after it; True if nothing is left to do.

    Args:
        controls: names among the kind's controls without a model.

    Raises:
        InputError: for a checkpoint that does not fit, or if test was read before, after another selection.
    """
    for contestant in contestants:
        check_looks(experiment, contestant)
    for name in controls if experiment.share.index == 0 else ():
        run_control(experiment, name)
    for contestant in contestants:
        if not judge(experiment, contestant):
            print(
                f"{contestant.name}: runs of other parts are missing; the same command goes on when they are done",
                flush=True,
            )
            return False
    return True


def judge(experiment: Experiment, contestant: Contestant) -> bool:
    """One contestant, from the grid to result.json; False if it must wait for runs of other parts."""
    folder = experiment.folder(contestant.name)
    if (folder / "result.json").is_file() and read_json(folder / "result.json")[
        "selection"
    ] == experiment.selection_key(contestant):
        print(f"{contestant.name}: done, skipped", flush=True)
        return True
    materials = _Lazy(experiment, contestant)
    grid = experiment.protocol.grid(contestant.pretrained)
    tried = [
        [_run(experiment, contestant, point, seed) for seed in _selection_seeds(experiment, grid)] for point in grid
    ]
    if not _train_all(experiment, contestant, [run for runs in tried for run in runs], materials, is_chosen=False):
        return False
    by_setting = {
        _title(point): statistics.fmean(run.result["devel_score"] for run in runs)
        for point, runs in zip(grid, tried, strict=True)
        if runs
    }
    chosen = max(grid, key=lambda point: by_setting.get(_title(point), 0.0))
    final = [_run(experiment, contestant, chosen, seed) for seed in experiment.protocol.seeds]
    if not _train_all(experiment, contestant, final, materials, is_chosen=True):
        return False
    if experiment.share.index == 0:
        _record_look(experiment, contestant)
        for run in final:
            _test(contestant, run, materials, experiment.named.kind.score)
        _write(experiment, contestant, final, by_setting)
        for run in [run for runs in tried for run in runs] + final:
            run.drop_model()
    return True


def run_control(experiment: Experiment, name: str) -> None:
    """A control without a model; nothing is chosen, so its look at test is none."""
    task = experiment.named.task
    predictions, scores = experiment.named.kind.controls[name](task)
    folder = experiment.folder(name)
    _write_text(folder / "predictions" / "seed-0.tsv", predictions)
    result = {
        "task": task.name,
        "kind": experiment.named.entry.kind,
        "contestant": name,
        "counts": task.counts(),
        "runs": [{"seed": 0, **scores}],
    }
    write_json(folder / "result.json", result)
    print(f"{name}: test {experiment.named.kind.score} {scores[experiment.named.kind.score]:.4f}", flush=True)


def check_looks(experiment: Experiment, contestant: Contestant) -> None:
    """Refuse to start if the end would be a second look at test.

    Raises:
        InputError: if looks.json holds a look after another selection and no other look was allowed.
    """
    looks = _looks(experiment, contestant)
    is_new = experiment.selection_key(contestant) not in [look["selection"] for look in looks]
    if looks and is_new and not experiment.another_look:
        raise InputError(
            f"{experiment.folder(contestant.name)}: test was read on {looks[-1]['time']} after another selection; a"
            " choice after that look is a choice on test, so go back to the settings of that selection, or allow and"
            " record another look by --another_look"
        )


def _looks(experiment: Experiment, contestant: Contestant) -> list[dict[str, Any]]:
    path = experiment.folder(contestant.name) / "looks.json"
    return read_json(path)["looks"] if path.is_file() else []


def _record_look(experiment: Experiment, contestant: Contestant) -> None:
    """Write the look down before it is taken; a look that was interrupted is the same look when it is taken again."""
    looks, key = _looks(experiment, contestant), experiment.selection_key(contestant)
    if key not in [look["selection"] for look in looks]:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        write_json(
            experiment.folder(contestant.name) / "looks.json", {"looks": [*looks, {"selection": key, "time": now}]}
        )


class _Lazy:
    """The materials of a contestant, made when the first run needs them: what is done already needs none."""

    def __init__(self, experiment: Experiment, contestant: Contestant) -> None:
        self._arguments = experiment, contestant
        self._made: Materials | None = None

    def __call__(self) -> Materials:
        if self._made is None:
            experiment, contestant = self._arguments
            named, protocol = experiment.named, experiment.protocol
            self._made = prepare(
                named.task, named.kind, contestant.checkpoint, protocol.max_seq_length, experiment.use_cpu
            )
        return self._made


def _run(experiment: Experiment, contestant: Contestant, config: TaskConfig, seed: int) -> Run:
    return run_of(experiment.folder(contestant.name), experiment.named.key, contestant.key(), config, seed)


def _selection_seeds(experiment: Experiment, grid: list[TaskConfig]) -> list[int]:
    """The seeds that are run at each point; with one point there is nothing to choose."""
    return experiment.protocol.seeds[: experiment.protocol.selection_seeds] if len(grid) > 1 else []


def _train_all(
    experiment: Experiment, contestant: Contestant, runs: list[Run], materials: _Lazy, is_chosen: bool
) -> bool:
    """Train this share of the runs; False if others are missing and cannot be waited for. A chosen run must have its
    model, for test.
    """

    def missing() -> list[Run]:
        return [run for run in runs if not (run.is_ready_for_test() if is_chosen else run.is_trained())]

    for run in experiment.share.of(runs):
        if run in missing():
            _train(contestant, run, materials())
    while experiment.share.together and missing():
        time.sleep(1)
    return not missing()


def _train(contestant: Contestant, run: Run, materials: Materials) -> None:
    trained = train_once(materials, run.config, contestant.pretrained, run.seed)
    with atomic_write(run.folder / "model") as partial:
        save_model(trained.model, materials.tokenizer, partial)
    run.write_result(trained.devel_score, trained.best_epoch, trained.epochs, trained.seconds)
    print(
        f"{contestant.name}, {_title(run.config)}, seed {run.seed}: devel {materials.kind.score}"
        f" {trained.devel_score:.4f} at epoch {trained.best_epoch} of {trained.epochs}, {trained.seconds:.0f} s",
        flush=True,
    )


def _test(contestant: Contestant, run: Run, materials: _Lazy, score: str) -> None:
    if not run.is_tested():
        scores, predictions = score_split(materials(), trained_model(materials(), run.folder / "model"), "test")
        _write_text(run.folder / "predictions.tsv", predictions)
        write_json(run.folder / "test.json", scores)
    print(f"{contestant.name}, {_title(run.config)}, seed {run.seed}: test {score} {run.test[score]:.4f}", flush=True)


def _write(experiment: Experiment, contestant: Contestant, final: list[Run], by_setting: dict[str, float]) -> None:
    folder = experiment.folder(contestant.name)
    shutil.rmtree(folder / "predictions", ignore_errors=True)
    for run in final:
        _write_text(
            folder / "predictions" / f"seed-{run.seed}.tsv",
            (run.folder / "predictions.tsv").read_text(encoding="utf-8"),
        )
    best = max(final, key=lambda run: run.result["devel_score"])
    _keep_model(folder, best)
    result = {
        "task": experiment.named.task.name,
        "kind": experiment.named.entry.kind,
        "contestant": contestant.name,
        "metric": experiment.named.kind.metric,
        "checkpoint": str(contestant.checkpoint),
        "pretrained": contestant.pretrained,
        "counts": experiment.named.task.counts(),
        "protocol": asdict(experiment.protocol),
        "devel_by_setting": by_setting,
        "chosen": {name: getattr(final[0].config, name) for name in ("learning_rate", "batch_size")},
        "runs": [
            {
                "seed": run.seed,
                **run.test,
                **{name: run.result[name] for name in ("devel_score", "best_epoch", "epochs", "seconds")},
            }
            for run in final
        ],
        "model_of": best.folder.name,
        "looks": len(_looks(experiment, contestant)),
        "selection": experiment.selection_key(contestant),
        "versions": package_versions(),
        "git_commit": git_commit(),
    }
    write_json(folder / "result.json", result)


def _keep_model(folder: Path, best: Run) -> None:
    """Copy the weights of a run to the contestant's model/. After another look they may be gone, for only the best of
    each look are kept.
    """
    if (best.folder / "model").is_dir():
        with atomic_write(folder / "model") as partial:
            shutil.copytree(best.folder / "model", partial)
    elif not (folder / "result.json").is_file() or read_json(folder / "result.json")["model_of"] != best.folder.name:
        # Other weights must not pass for those of the result.
        shutil.rmtree(folder / "model", ignore_errors=True)


def _write_text(path: Path, text: str) -> None:
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def _title(config: TaskConfig) -> str:
    return f"learning rate {config.learning_rate:g}, batch {config.batch_size}"
