"""The command `domain-bert export`: a fine-tuned model as ONNX, compared with torch before it is kept."""

import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from recipe.errors import InputError
from recipe.files import atomic_write
from recipe.rng import derive_key, random_below
from recipe.run_folder.integrity import require_intact_folder
from recipe.tasks.finetuning.heads import HEADS
from recipe.tasks.finetuning.loading import load_weights, quiet_transformers
from recipe.tasks.prediction.command import opened
from recipe.tasks.prediction.loading import load_fine_tuned, read_config
from recipe.tasks.prediction.onnx_model import INPUTS, ONNX_FILE, OnnxModel, require_onnx
from recipe.tasks.prediction.texts import read_texts
from recipe.tokenizer.folder import TOKENIZER_FILES

# Most by which a logit may differ from torch's.
TOLERANCE = 1e-4
# Rows that are compared: one length each, from the shortest to the longest that the model reads.
_ROWS = 8
# Batch and length of the example that the exporter follows; both differ from 1, which it would take for a constant.
_EXAMPLE = (2, 7)


def export(model: Path, output: Path, text: str | None) -> str:
    """Write model.onnx, config.json and the tokenizer of a fine-tuned model to a new folder; returns what was done.

    The file takes int64 input_ids, attention_mask and token_type_ids of shape (batch, length), both free, and gives
    float32 logits of shape (batch, length, labels), or (batch, labels) for a model of whole texts.

    Args:
        text: file from which rows are compared with torch; None: rows of random pieces.

    Raises:
        InputError: for a folder without a fine-tuned BERT, an output that is there, a package of the extra [onnx] that
            is missing, or logits that differ from torch's by more than TOLERANCE; nothing is written then.
    """
    require_onnx("onnx", "onnxscript", "onnxruntime")
    require_intact_folder(model)
    config = read_config(model)
    if config.model_type != "bert":
        raise InputError(f"{model / 'config.json'}: is of the model type {config.model_type!r}; export takes BERT")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output}: is there already; name a new folder by --output")
    # The model as `predict` runs it, which the exporter never sees.
    original, tokenizer, longest = load_fine_tuned(model, config, use_cpu=True)
    rows = _rows(tokenizer, longest, text)
    with atomic_write(output) as folder:
        folder.mkdir()
        _write(_stock(model, config), folder / ONNX_FILE)
        difference = _difference(original.eval(), OnnxModel(folder, config), rows, tokenizer.pad_token_id)
        if not difference <= TOLERANCE:
            raise InputError(
                f"{model}: the logits of ONNX differ from torch's by {difference:.2g}, more than {TOLERANCE:g}, so"
                " nothing was written"
            )
        for name in ("config.json", *TOKENIZER_FILES):
            if (model / name).is_file():
                shutil.copy(model / name, folder)
    size = (output / ONNX_FILE).stat().st_size
    what = f"{len(rows)} rows of {len(rows[0])} to {len(rows[-1])} tokens"
    return (
        f"{output / ONNX_FILE}: {size / 1e6:,.1f} MB; logits of {what} differ from torch's by {difference:.1g} at most"
    )


def _stock(folder: Path, config: Any) -> PreTrainedModel:
    """The stock class of transformers: ours is for batches without padding, and the file shall be for any."""
    head = next(head for head in HEADS.values() if head.problem_type == config.problem_type)
    # Eager attention is products and a softmax, which every opset has.
    model, _ = load_weights(head.auto_class, folder, attn_implementation="eager")
    return model.eval()


class _Logits(nn.Module):
    """Tensors in, one tensor out, as the exporter wants it."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.model(**dict(zip(INPUTS, inputs, strict=True))).logits  # type: ignore[no-any-return]


def _write(model: PreTrainedModel, path: Path) -> None:
    example = tuple(torch.ones(_EXAMPLE, dtype=torch.int64) for _ in INPUTS)
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with quiet_transformers(), warnings.catch_warnings(), torch.inference_mode():
        # Of versions of its own parts, which nobody here chooses.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Logits(model),
            example,
            str(path),
            input_names=INPUTS,
            output_names=["logits"],
            dynamic_shapes=(tuple(free for _ in INPUTS),),
            dynamo=True,
            # One file: ONNX keeps up to 2 GB in it, more than any BERT has.
            external_data=False,
            verbose=False,
        )


def _rows(tokenizer: Any, longest: int, text: str | None) -> list[list[int]]:
    """Token ids of rows of several lengths, the shortest first."""
    if text is None:
        ids = random_below(len(tokenizer), derive_key(1, "rows of the export"), np.arange(longest)).tolist()
    else:
        with opened(text) as stream:
            found = "\n".join(each.text for each, _ in zip(read_texts(stream, text), range(longest), strict=False))
        ids = tokenizer(found, add_special_tokens=False, truncation=True, max_length=longest)["input_ids"]
    lengths = np.unique(np.linspace(1, min(len(ids), longest - 2), _ROWS).astype(int))
    return [[tokenizer.cls_token_id, *ids[:length], tokenizer.sep_token_id] for length in lengths.tolist()]


def _difference(model: PreTrainedModel, onnx: OnnxModel, rows: Sequence[list[int]], pad: int) -> float:
    """The largest difference of two logits, of all rows as one padded batch and of each alone."""
    differences = []
    for batch in (rows, *([row] for row in rows)):
        ids = torch.full((len(batch), max(map(len, batch))), pad)
        mask, segments = torch.zeros_like(ids), torch.zeros_like(ids)
        for index, row in enumerate(batch):
            ids[index, : len(row)], mask[index, : len(row)] = torch.tensor(row), 1
            # Pairs have a segment B.
            segments[index, len(row) // 2 : len(row)] = 1
        inputs = dict(zip(INPUTS, (ids, mask, segments), strict=True))
        with torch.inference_mode():
            theirs, ours = model(**inputs).logits, onnx(**inputs).logits
        # What stands at padding nobody reads.
        is_read = mask.bool() if theirs.dim() == 3 else torch.ones(len(batch), dtype=torch.bool)
        differences.append((theirs - ours)[is_read].abs().max().item())
    return max(differences)
