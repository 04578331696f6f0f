"""Scores as `.eval_results/*.yaml`, which the Hub lists next to a benchmark, and how a run was made."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.files import sha256_of_file
from recipe.privacy.traces import public_path
from recipe.publishing.contents import Files, Sent
from recipe.records import read_records
from recipe.report.model_card import slug
from recipe.report.run_files import RunFiles
from recipe.tasks.catalog import task_table

# Of the record of a stage; its settings are in recipe.yaml.
_TOLD = ("version", "seconds", "finished", "packages", "git_commit")
# As tasks.yaml names data sets of the Hub: bigbio/gad/resolve/COMMIT/SUBSET.
_ON_HUB = re.compile(r"(?P<id>[\w.-]+/[\w.-]+)/resolve/(?P<revision>[0-9a-f]{40})/(?P<task_id>[\w.-]+)")


def eval_results(recipe: Recipe, files: RunFiles) -> Files:
    """The task's score as the Hub's `.eval_results/TASK.yaml`; nothing without a score or a data set of the Hub.

    Such an entry names the data set of the Hub that a score is of, so a task from elsewhere has none, unless
    hub.benchmark names one. The model card's model-index has all scores.

    Source: huggingface_hub.EvalResultEntry, which follows huggingface.co/docs/hub/eval-results.

    Raises:
        InputError: if hub.benchmark is not the name of a data set.
    """
    task = files.task or {}
    system, dataset = task.get("systems", {}).get("pretrained"), _data_set_of(recipe)
    if not system or system["mean"] is None or dataset is None:
        return {}
    entry = EvalResultEntry(
        **dataset,
        value=round(system["mean"], 4),
        date=(files.stages or {}).get("stages", {}).get("task", {}).get("finished"),
        notes=f"{task['score']} ({task['metric']}) on test, mean of {len(system['runs'])} seeds, after fine-tuning",
    )
    place = f".eval_results/{slug(public_path(task['task']))}.yaml"
    content = yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True)
    return {place: Sent(place, content.encode())}


def _data_set_of(recipe: Recipe) -> dict[str, str] | None:
    """The data set of the Hub that the task is, as an entry names it."""
    if named := recipe.hub.benchmark:
        found = re.fullmatch(r"([\w.-]+/[\w.-]+?)(?::([\w.-]+))?", named)
        if not found:
            raise InputError(
                f"hub.benchmark is {named!r}; it takes NAME/DATA or NAME/DATA:SUBSET, a data set of the Hub"
            )
        return {"dataset_id": found[1], "task_id": found[2] or "default"}
    entry = task_table().get(recipe.task.name or "")
    found = _ON_HUB.match(entry.path) if entry else None
    if found is None:
        return None
    return {"dataset_id": found["id"], "task_id": found["task_id"], "dataset_revision": found["revision"]}


def provenance(run: Path, files: Files) -> Files:
    """provenance.json: when and with which versions each stage ran, and the sha256 of the files that are data."""
    stages = {
        name: {key: record[key] for key in _TOLD if record.get(key) is not None}
        for name, record in read_records(run).items()
    }
    # Of files that are sent as they are: whoever downloads them can compare.
    sums = {place: sha256_of_file(sent.content) for place, sent in files.items() if isinstance(sent.content, Path)}
    content: dict[str, Any] = {"stages": stages, "sha256": sums}
    return {"provenance.json": Sent("provenance.json", (json.dumps(content, indent=1) + "\n").encode())}
