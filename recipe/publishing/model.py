"""RUN/model and RUN/checkpoints -> the files of a repository of the pretrained model."""

from pathlib import Path

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.publishing.contents import MODEL_FILES, Files, Sent, chosen_files, file_of, recipe_file, with_repo
from recipe.publishing.results import eval_results, provenance
from recipe.report.model_card import model_card
from recipe.report.run_files import read_run_files
from recipe.run_folder.integrity import require_intact
from recipe.run_folder.settings import changes_of, noted_folders, read_note

NEEDED = ("model/config.json", "model/model.safetensors")


def model_files(run: Path, recipe: Recipe) -> Files:
    """Weights, config, tokenizer, card, recipe, provenance, scores, report and plots.

    Raises:
        InputError: if something of it is missing, damaged or not finite.
    """
    for name in NEEDED:
        path = run / name
        if not path.exists() and not (name.endswith(".safetensors") and (run / f"{name}.index.json").exists()):
            raise InputError(f"{path}: is missing, so there is no model to upload; run `domain-bert pretrain` first")
    require_intact(run)
    _refuse_bad_weights(run / "model")
    files = chosen_files(run / "model", (*MODEL_FILES, "README.md"), run, recipe)
    # A card that is there may have been completed by hand.
    if "README.md" not in files:
        files["README.md"] = Sent("model/README.md", with_repo(model_card(run), recipe).encode())
    files |= chosen_files(run, ("report.html",), run, recipe)
    files |= chosen_files(run / "plots", ("*.png",), run, recipe, below="plots/")
    files |= recipe_file(recipe) | eval_results(recipe, read_run_files(run))
    return files | provenance(run, files)


def checkpoint_revisions(run: Path, recipe: Recipe) -> dict[str, Files]:
    """Weights, config and tokenizer of each kept checkpoint, by the name of its branch, such as step-10000.

    Raises:
        InputError: if there is none, or one is not complete and as it was written.
    """
    from recipe.pretraining.checkpoints import checkpoints_in, damage_of

    settings = recipe.settings("seed", "tokenizer", "pairs", "masking", "model", "training")
    # By the noted settings, since the name of the folder is another one where this version has a key more.
    folders = [
        folder
        for folder in noted_folders(run / "checkpoints")
        if not changes_of(settings, read_note(folder)["settings"])
    ]
    checkpoints = checkpoints_in(folders[-1]) if folders else []
    if not checkpoints:
        raise InputError(
            f"{run / 'checkpoints'}: contains no checkpoint of this run's settings; push without --checkpoints"
        )
    for path in checkpoints:
        if damage := damage_of(path):
            raise InputError(f"{path}: {damage}, so nothing was uploaded; remove it, or push without --checkpoints")
    return {
        path.name.replace("checkpoint", "step"): chosen_files(path, MODEL_FILES, run, recipe) | vocabulary(run, recipe)
        for path in reversed(checkpoints)
    }


def vocabulary(run: Path, recipe: Recipe) -> Files:
    """vocab.txt of the run's model, which `save_pretrained` of transformers 5 does not write any more."""
    path = run / "model" / "vocab.txt"
    return {"vocab.txt": file_of(path, run, recipe)} if path.is_file() else {}


def _refuse_bad_weights(model: Path) -> None:
    from recipe.pretraining.checkpoints import not_finite_in  # imports torch

    for path in sorted(model.glob("*.safetensors")):
        if name := not_finite_in(path):
            raise InputError(f"{path}: {name} is not finite, so nothing was uploaded; train the model again")
