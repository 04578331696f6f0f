"""The stage "task" of a recipe: the run's model and its baselines by the recipe's protocol -> RUN/task."""

from pathlib import Path
from typing import Any

from recipe.config import Recipe
from recipe.corpus.readers.hub_dataset import HubSource
from recipe.errors import InputError
from recipe.files import read_json, write_json
from recipe.processes import world_size
from recipe.tasks.experiments.command import check_checkpoint, make_plan, open_task
from recipe.tasks.experiments.results import mean_and_deviation, reasons_of


def task_inputs(recipe: Recipe) -> list[Path | HubSource]:
    """The files that the stage reads, of the task and of baselines that are checkpoints; none without a task."""
    if recipe.task.name is None:
        return []
    named, config, systems, _ = open_task(recipe.task)
    length, positions = config.max_seq_length or 0, recipe.model.max_position_embeddings
    if length > positions:
        raise InputError(
            f"task.max_seq_length is {length} for {named.entry.name}, but model.max_position_embeddings is"
            f" {positions}; lower the first or raise the second"
        )
    for system in systems:
        check_checkpoint(system, length)
    # The run's own model is not among them: the stage before it stands for that.
    weights = [path for system in systems for path in sorted(system.checkpoint.glob("*.safetensors"))]
    return [*named.files, *weights]


def finetune_task(recipe: Recipe) -> None:
    """Fine-tune and evaluate the run's model and the baselines; scores.json, written last, has all that is reported.

    Raises:
        InputError: for what does not fit together, or if the weights leave the range of numbers.
        RuntimeError: if a gold answer would be left out of a score.
    """
    if recipe.task.name is None:
        raise InputError("task.name is null; set it to a name of recipe/tasks/tasks.yaml, a folder, or embedded:nero")
    if world_size() > 1:
        raise InputError("the stage task runs in one process; start it with python, not by a launcher of several")
    checkpoint = recipe.folder / "model"
    if not (checkpoint / "config.json").is_file():
        raise InputError(f"{checkpoint}: contains no pretrained model; run `domain-bert pretrain` first")
    plan = make_plan(str(checkpoint), recipe.task)
    print(plan.named.task.summary(), flush=True)
    # torch is imported here, after all input was checked.
    from recipe.tasks.experiments.experiment import Experiment, run_experiment

    folder = recipe.folder / "task"
    # Test is not guarded here: a recipe is changed and run again by design. How often that happened is reported.
    experiment = Experiment(plan.named, plan.config, folder, reuse_test=True, use_cpu=recipe.training.use_cpu)
    run_experiment(experiment, plan.systems, plan.baselines)
    # By name, since folders of earlier baselines may still be there.
    names = [*(system.name for system in plan.systems), *plan.baselines]
    results = {name: read_json(folder / name / "result.json") for name in names}
    task, task_type = plan.named.task, plan.named.task_type
    scores = {
        "task": task.name,
        "task_type": plan.named.entry.type,
        **{name: getattr(task_type, name) for name in ("title", "hub_task", "metric", "score", "columns")},
        "counts": task.counts(),
        "systems": {name: summarize(result, task_type.score, task_type.columns) for name, result in results.items()},
        "settings": recipe.settings("task"),
    }
    write_json(folder / "scores.json", scores)


def summarize(result: dict[str, Any], score: str, columns: tuple[str, ...]) -> dict[str, Any]:
    """Mean and sample deviation of a system's score, means of further scores, why some are None, and the runs."""
    mean, deviation = mean_and_deviation(result["runs"], score)
    return {
        "mean": mean,
        "deviation": deviation,
        "columns": {name: mean_and_deviation(result["runs"], name)[0] for name in columns},
        "reasons": reasons_of(result["runs"], (score, *columns)),
        "test_evaluations": result.get("test_evaluations", 1),
        "runs": result["runs"],
    }
