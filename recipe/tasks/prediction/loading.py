"""The folder of a fine-tuned model -> model, tokenizer and the longest row that it reads."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer

from recipe.errors import InputError
from recipe.inputs.regular_files import refuse_special_file
from recipe.tasks.finetuning.heads import HEADS
from recipe.tasks.finetuning.loading import load_weights
from recipe.tasks.prediction.onnx_model import ONNX_FILE, OnnxModel


def read_config(folder: Path) -> Any:
    """The configuration of a model of `domain-bert finetune`; an `InputError` for a folder without one."""
    for path in sorted(folder.glob("*")):
        refuse_special_file(path, "name a model/ folder of `domain-bert finetune`")
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: is missing; name a model/ folder of `domain-bert finetune`")
    return AutoConfig.from_pretrained(folder)


def load_fine_tuned(folder: Path, config: Any, use_cpu: bool) -> tuple[Any, Any, int]:
    """Model on its device, tokenizer, and most tokens of a row; a folder of `domain-bert export` runs on the CPU."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    # Fine-tuned checkpoints of others may name a length beyond the positions.
    longest = min(tokenizer.model_max_length, config.max_position_embeddings)
    if (folder / ONNX_FILE).is_file():
        return OnnxModel(folder, config), tokenizer, longest
    head = next(head for head in HEADS.values() if head.problem_type == config.problem_type)
    model, missing = load_weights(head.model_class(config.model_type), folder)
    if missing:
        raise InputError(f"{folder}: lacks the weights {missing[0]}; fine-tune the model first")
    device = torch.device("cuda" if torch.cuda.is_available() and not use_cpu else "cpu")
    model.to(device)  # type: ignore[arg-type]
    return model, tokenizer, longest
