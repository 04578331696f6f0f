"""A checkpoint folder -> model, with everything that can be wrong with its files as one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel
from transformers.utils import logging

from recipe.errors import InputError


def load_weights(model_class: Any, folder: Path, **arguments: Any) -> tuple[PreTrainedModel, list[str]]:
    """The model of a folder in float32, and the names of the weights that the folder lacks."""
    try:
        with quiet_transformers():
            arguments |= {"dtype": torch.float32, "output_loading_info": True}
            model, loading = model_class.from_pretrained(folder, **arguments)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:150]
        raise InputError(f"{folder}: contains no weights that load ({reason}); name a complete checkpoint") from None
    return model, sorted(loading["missing_keys"])


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars and no warning of a new head."""
    # The head is always missing from a pretrained checkpoint: the warning would only frighten.
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
