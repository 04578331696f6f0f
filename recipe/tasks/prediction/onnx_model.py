"""A folder with model.onnx -> what `logits_of` takes for a model; the extra [onnx]."""

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from recipe.errors import InputError

ONNX_FILE = "model.onnx"
# Names and order of optimum, so that its classes read the file too.
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class OnnxModel:
    """A fine-tuned model in onnxruntime on the CPU; called like the model that it was made of."""

    device = torch.device("cpu")

    def __init__(self, folder: Path, config: Any) -> None:
        runtime = require_onnx("onnxruntime")
        self.config, options = config, runtime.SessionOptions()
        # As many as torch, so that OMP_NUM_THREADS counts here too.
        options.intra_op_num_threads = torch.get_num_threads()
        path = folder / ONNX_FILE
        try:
            self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has a class of its own for each cause
            why = " ".join(str(error).split())[:150]
            raise InputError(f"{path}: is no ONNX model that loads ({why}); run `domain-bert export` again") from None

    def eval(self) -> "OnnxModel":
        """Itself: nothing in the file is for training."""
        return self

    def __call__(self, **batch: torch.Tensor) -> SimpleNamespace:
        """`logits` of a padded batch: inputs of shape (rows, length); without token_type_ids all are segment A."""
        batch.setdefault("token_type_ids", torch.zeros_like(batch["input_ids"]))
        (logits,) = self._session.run(["logits"], {name: batch[name].numpy() for name in INPUTS})
        return SimpleNamespace(logits=torch.from_numpy(logits))


def require_onnx(*packages: str) -> Any:
    """Import packages of the extra [onnx]; returns the last one."""
    try:
        return [importlib.import_module(package) for package in packages][-1]
    except ImportError as error:
        raise InputError(
            f"ONNX needs the package {error.name}, which is not installed; pip install onnx onnxscript onnxruntime"
        ) from None
