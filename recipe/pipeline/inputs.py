"""The user's files that the stages read: checks before anything is written, and a hash of their bytes.

Every function `..._inputs` gives what its stage reads, and raises InputError where that cannot serve; it is fast.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recipe.config import Recipe
from recipe.corpus import Source
from recipe.corpus.cleaning import task_files
from recipe.corpus.languages import check_card_language
from recipe.corpus.readers.hub_dataset import HubSource
from recipe.corpus.reading import corpus_sources
from recipe.corpus.sentences import splitter
from recipe.errors import InputError
from recipe.files import read_json, sha256_of_json, write_json
from recipe.inputs.hub_folder import local_folder
from recipe.processes import is_first_process
from recipe.run_folder.integrity import require_intact_folder
from recipe.run_folder.ownership import refuse_around, refuse_own
from recipe.tokenizer.folder import TOKENIZER_FILES, load_tokenizer

Input = Path | Source | HubSource

# Where the Trainer can send its log, and the package that each needs where its name is another.
REPORTERS = {
    **{name: name for name in ("clearml", "codecarbon", "comet_ml", "dagshub", "dvclive", "kubeflow", "mlflow")},
    **{name: name for name in ("neptune", "swanlab", "tensorboard", "trackio", "wandb")},
    **{"azure_ml": "azureml", "flyte": "flytekit"},
}


def corpus_inputs(recipe: Recipe) -> Sequence[Input]:
    """The files of the corpus and of corpus.decontaminate."""
    # Made only for its errors: a language or a library that is not known.
    splitter(recipe.corpus.sentence_splitter, recipe.corpus.language)
    check_card_language(recipe.hub.language or recipe.corpus.language)
    refuse_around(recipe.folder, "corpus.path", recipe.corpus.path)
    sources, tasks = corpus_sources(recipe.corpus), task_files(recipe.corpus.decontaminate)
    refuse_own(recipe.folder, "corpus.path", [*recipe.corpus.path, *map(str, sources)])
    refuse_own(recipe.folder, "corpus.decontaminate", [*recipe.corpus.decontaminate, *tasks])
    return [*sources, *tasks]


def tokenizer_inputs(recipe: Recipe) -> Sequence[Input]:
    """The files of tokenizer.path."""
    if recipe.tokenizer.path is None:
        return []
    folder = local_folder(recipe.tokenizer.path, "tokenizer.path")
    refuse_own(recipe.folder, "tokenizer.path", [folder])
    require_intact_folder(folder)
    size = load_tokenizer(folder).get_vocab_size()
    if recipe.model.vocab_size is not None and size > recipe.model.vocab_size:
        raise InputError(
            f"model.vocab_size is {recipe.model.vocab_size}, but the tokenizer {folder} has {size} entries: some"
            " pieces would have no embedding; set it to null"
        )
    # All of them are copied, so all of them count.
    return [path for name in TOKENIZER_FILES if (path := folder / name).is_file()]


def inspection_inputs(recipe: Recipe) -> Sequence[Input]:
    """The files of the task, and the tokenizers of tokenizer.compare_with."""
    for folder in recipe.tokenizer.compare_with:
        load_tokenizer(Path(folder))
    return [*task_inputs(recipe), *(Path(folder) / "tokenizer.json" for folder in recipe.tokenizer.compare_with)]


def pretrain_inputs(recipe: Recipe) -> Sequence[Input]:
    """The weights of training.init_from."""
    for name in recipe.training.report_to:
        if name not in REPORTERS or find_spec(REPORTERS[name]) is None:
            why = f"whose package {REPORTERS[name]} is not installed" if name in REPORTERS else "which nobody knows"
            raise InputError(
                f"training.report_to names {name!r}, {why}; it takes a list of {', '.join(REPORTERS)}, or [] for none"
            )
    if recipe.training.init_from is None:
        return []
    folder = local_folder(recipe.training.init_from, "training.init_from", with_weights=True)
    if not (folder / "config.json").is_file():
        raise InputError(
            f"training.init_from: {folder / 'config.json'} does not exist; name the folder of a BERT that"
            " `save_pretrained` wrote, such as RUN/model of the phase before, or hub:NAME of one on the Hub"
        )
    refuse_own(recipe.folder, "training.init_from", [folder])
    # Without it nobody knows which piece an embedding is of.
    load_tokenizer(folder)
    # Whatever decides over its vocabulary is in the weights too, and the shape is among the settings.
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not weights:
        raise InputError(f"training.init_from: {folder} contains no model.safetensors and no pytorch_model.bin")
    return weights


def task_inputs(recipe: Recipe) -> Sequence[Input]:
    """The files of the task."""
    if recipe.task.name is None:
        return []
    from recipe.tasks.experiments import stage

    refuse_own(recipe.folder, "task.data", [recipe.task.data or recipe.task.name])
    # The run's other folders are only read: a checkpoint may be compared with the model.
    refuse_own(recipe.folder, "task.baselines", recipe.task.baselines, ("task",))
    return stage.task_inputs(recipe)


def content_hash(recipe: Recipe, inputs: Sequence[Input]) -> str:
    """sha256 over the bytes of the inputs."""
    memory, seen = _remembered(recipe), {}
    for source in (Source(str(entry)) if isinstance(entry, Path) else entry for entry in inputs):
        # Terabytes are not read at each start: a file is hashed again only when its size or time of change differs.
        state, known = source.state(), memory.get(str(source), {})
        is_same = "sha256" in known and known.items() >= state.items()
        seen[str(source)] = known if is_same else {**state, "sha256": source.sha256()}
    if is_first_process():
        remember_inputs(recipe, seen)
    return sha256_of_json([entry["sha256"] for entry in seen.values()])


def remember_inputs(recipe: Recipe, seen: dict[str, dict[str, Any]]) -> None:
    """Keep the sha256 and state of inputs that others hashed, so that `run_stage` need not read them again."""
    memory = _remembered(recipe)
    if not seen.items() <= memory.items():
        write_json(recipe.folder / "inputs.json", memory | seen)


def _remembered(recipe: Recipe) -> dict[str, dict[str, Any]]:
    path = recipe.folder / "inputs.json"
    try:
        found = read_json(path) if path.is_file() else {}
    except InputError:
        # Only a memory: the files are hashed again.
        return {}
    return {name: entry for name, entry in found.items() if isinstance(entry, dict)}
