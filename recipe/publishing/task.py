"""RUN/task/pretrained/model -> the files of a repository of the fine-tuned model."""

from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.files import read_json
from recipe.formatting import count
from recipe.privacy.traces import hidden, public_path, public_settings
from recipe.publishing.contents import MODEL_FILES, Files, Sent, chosen_files, recipe_file
from recipe.publishing.model import vocabulary
from recipe.publishing.results import eval_results, provenance
from recipe.records import paths_of, read_records
from recipe.report.model_card import cell, citation, slug, task_results, task_rows
from recipe.report.run_files import RunFiles, read_run_files
from recipe.report.templates import render
from recipe.run_folder.integrity import require_intact
from recipe.tasks.catalog import task_table


def task_files(run: Path, recipe: Recipe, base: str | None) -> Files:
    """Weights, config with the labels' names, tokenizer, card, scores, recipe and provenance.

    The predictions stay at home: they contain the texts of the task.

    Args:
        base: repository of the pretrained model, None if it has none.

    Raises:
        InputError: if the run has no fine-tuned model, or a file is damaged.
    """
    folder = run / "task" / "pretrained" / "model"
    if not (folder / "config.json").is_file() or not list(folder.glob("*.safetensors")):
        raise InputError(f"{folder}: is missing, so there is no model to upload; run `domain-bert finetune` first")
    require_intact(run, "pretrain", "task")
    found = read_run_files(run)
    files = vocabulary(run, recipe) | chosen_files(folder, MODEL_FILES, run, recipe)
    card = hidden(_card(public_settings(recipe), found, read_json(folder / "config.json"), base), paths_of(recipe))
    files["README.md"] = Sent("README.md of the task", card.encode())
    files |= recipe_file(recipe) | eval_results(recipe, found)
    return files | provenance(run, files)


def _card(recipe: Recipe, files: RunFiles, config: dict[str, Any], base: str | None) -> str:
    task = files.task or {}
    name, entry = public_path(task["task"]), task_table().get(recipe.task.name or "")
    labels = [config["id2label"][str(index)] for index in range(len(config["id2label"]))]
    # A regression of similarity is a classifier of one number to transformers, and no sentence-transformers model.
    kind = "token-classification" if task["hub_task"] == "token-classification" else "text-classification"
    title = (recipe.hub.repo or "").rpartition("/")[2]
    metadata = ModelCardData(
        model_name=title,
        base_model=base,
        language=recipe.hub.language or recipe.corpus.language,
        license=recipe.hub.license,
        library_name="transformers",
        pipeline_tag=kind,
        tags=["bert", slug(name), slug(recipe.hub.domain)],
        eval_results=task_results(task) or None,
    )
    return render(
        "task_card.md.j2",
        metadata=metadata.to_yaml(),
        repo=recipe.hub.repo,
        task=name,
        title=task["title"],
        kind=kind,
        takes_pairs=task["hub_task"] == "sentence-similarity",
        is_number=config.get("problem_type") == "regression",
        labels=labels,
        base=base,
        domain=recipe.hub.domain,
        license=recipe.hub.license,
        data_licence=entry.licence if entry else "",
        results=[[cell(value) for value in row] for row in task_rows(task)],
        counts=[
            [what, *(count(splits.get(split)) for split in ("train", "devel", "test"))]
            for what, splits in task["counts"].items()
        ],
        citation=citation(title, recipe.hub.repo or "", read_records(files.folder).get("task", {})),
    )
