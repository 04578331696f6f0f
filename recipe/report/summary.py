"""Run folder -> what the end of a run prints: what was made, each number next to its baseline, and what to do next."""

from pathlib import Path

from recipe.records import recorded_recipe
from recipe.report.key_numbers import key_numbers
from recipe.report.run_files import read_run_files


def summary_of(run: Path) -> str:
    """A table of the key numbers, and the next commands.

    Raises:
        InputError: if the folder is not a run folder.
    """
    recipe, files = recorded_recipe(run), read_run_files(run)
    rows = [("", "this model", "to beat", "difference")]
    for number in key_numbers(files):
        baseline = f"{number.baseline} ({number.baseline_name})" if number.verdict else number.baseline
        rows.append((number.measure, number.value, baseline, number.verdict))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    names = {
        "model": "the checkpoint, for AutoModel and pipeline",
        "report.html": "plots, examples, provenance",
        "task/pretrained/model": "the model fine-tuned on the task",
    }
    made = [f"  {run / name!s:36} {what}" for name, what in names.items() if (run / name).exists()]
    commands = {
        f"domain-bert predict {run}/task/pretrained/model FILE": (run / "task/pretrained/model").exists(),
        # Whatever its text is about, so no task is named.
        f"domain-bert finetune --model {run}/model --task TASK --protocol small    (TASK: see docs/tasks.md)": (
            recipe.task.name is None and (run / "model").exists()
        ),
        f"domain-bert push {run} --repo {recipe.hub.repo or 'NAME/MODEL'}": (run / "model").exists(),
    }
    following = [f"  {command}" for command, is_possible in commands.items() if is_possible]
    parts = [table if len(rows) > 1 else [], ["made:", *made], ["next:", *following] if following else []]
    return "\n".join("\n".join(part) + "\n" for part in parts if part)
