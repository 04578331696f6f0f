"""training.init_from: the shape of the model is that of the checkpoint."""

from dataclasses import replace
from typing import Any

from recipe.config import ModelConfig, Recipe
from recipe.errors import InputError
from recipe.files import read_json
from recipe.inputs.hub_folder import local_folder
from recipe.run_folder.integrity import require_intact_folder

_SHAPE = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "max_position_embeddings")
# Of these a recipe may want others than the checkpoint had.
_DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob")


def with_shape(recipe: Recipe) -> Recipe:
    """The recipe with the model's shape from the config.json of training.init_from.

    A folder that is not there yet, such as that of a phase before, changes nothing: pretraining will ask for it.

    Raises:
        InputError: if the checkpoint is not a BERT, is damaged, contradicts a key of `model:`, or is too short for the
            pairs.
    """
    start = recipe.training.init_from
    if start is None:
        return recipe
    path = local_folder(start, "training.init_from") / "config.json"
    if not path.is_file():
        return recipe
    # Before it is read: a damaged file would look like one of another shape.
    require_intact_folder(path.parent)
    config = read_json(path, "name the folder of a BERT that `save_pretrained` wrote")
    # Checkpoints of before 2019 name none.
    if (kind := config.get("model_type", "bert")) != "bert":
        raise InputError(f"training.init_from: {path} is of the model type {kind!r}; name a checkpoint of type 'bert'")
    # transformers 5 no longer knows others, and would compute another model than the checkpoint is.
    if (places := config.get("position_embedding_type", "absolute")) != "absolute":
        raise InputError(f"training.init_from: {path} has positions of the type {places!r}; it takes 'absolute' ones")
    if (segments := config.get("type_vocab_size", 2)) < 2:
        raise InputError(f"training.init_from: {path} has type_vocab_size {segments}; pairs need 2 segments")
    taken = {name: _of_checkpoint(recipe, name, config, str(path)) for name in (*_SHAPE, *_DROPOUTS)}
    positions, longest = taken["max_position_embeddings"], recipe.pairs.max_seq_length
    if positions < longest:
        raise InputError(
            f"training.init_from: {path} has max_position_embeddings {positions}, less than pairs.max_seq_length"
            f" {longest}; lower pairs.max_seq_length, or name a checkpoint with as many positions"
        )
    return replace(recipe, model=replace(recipe.model, **taken))


def _of_checkpoint(recipe: Recipe, name: str, config: dict[str, Any], path: str) -> Any:
    # What config.json leaves out has BERT's own value, which is also the default of the recipe.
    default, wanted = getattr(ModelConfig(), name), getattr(recipe.model, name)
    found = config.get(name, default)
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise InputError(f"training.init_from: {path} has {name} {str(found)[:30]}; it must be a number")
    if f"model.{name}" not in recipe.written and wanted == default:
        return found
    if name in _SHAPE and wanted != found:
        raise InputError(
            f"model.{name} is {wanted}, but {path} of training.init_from has {found}; remove the key, since the shape"
            " comes from the checkpoint"
        )
    return wanted
