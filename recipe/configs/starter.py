"""A corpus path and a size -> a commented recipe to begin with."""

from pathlib import Path

import yaml

from recipe.config_file import load_recipe
from recipe.errors import InputError
from recipe.files import atomic_write

# Layers, width, heads; and steps, pairs a step, learning rate, row length, vocabulary, that fit a model of that size.
SIZES = {
    "tiny": ((2, 128, 2), (2400, 32, 3e-3, 64, 8192)),
    "small": ((4, 256, 4), (20_000, 64, 1.5e-3, 128, 16_384)),
    "base": ((12, 768, 12), (62_500, 8192, 6e-4, 128, 30_522)),
}


def write_starter(file: Path, corpus: str, size: str, domain: str) -> str:
    """Write the recipe; returns what to do next.

    Raises:
        InputError: if the file is there already.
    """
    if file.exists():
        raise InputError(f"{file}: is there already; name another file, or remove it")
    (layers, width, heads), (steps, batch, rate, length, vocabulary) = SIZES[size]
    import torch  # to see the hardware; a second, once

    has_gpu = torch.cuda.is_available()
    text = f"""\
# A recipe for a BERT of your own domain. Every key: domain-bert run {file} --help
run_dir: runs/{file.stem}
seed: 1

corpus:
  # Files, globs, folders, URLs, or hub:NAME/DATA. Formats: docs/own-corpus.md.
  path: {yaml.safe_dump(corpus).strip().removesuffix("...").strip()}
  # Share of documents that training never sees.
  validation_share: 0.02

tokenizer:
  vocab_size: {vocabulary}

pairs:
  # Tokens of a row. Compute grows with it; most sentence pairs fit into 128.
  max_seq_length: {length}
  num_proc: 2

masking:
  mlm_probability: 0.15
  whole_word_mask: true

model:
  # {size}: {layers} layers of {width}.
  num_hidden_layers: {layers}
  hidden_size: {width}
  num_attention_heads: {heads}
  intermediate_size: {4 * width}
  max_position_embeddings: {max(length, 128)}
  # The first steps are saved: the head starts at the token frequencies.
  decoder_bias: unigram

training:
  max_steps: {steps}
  # Pairs of an optimizer step over all devices, and the most that one device takes at once.
  global_batch_size: {batch}
  per_device_batch_size: {min(batch, 64)}
  # Lower it if the loss jumps or becomes NaN.
  learning_rate: {rate:g}
  bf16: {"true" if has_gpu else "false"}
  eval_steps: {max(100, steps // 20)}
  save_steps: {max(100, steps // 20)}

task:
  # A name of `domain-bert get-task`, or a folder with train.tsv, devel.tsv and test.tsv; null: no task.
  name: null

hub:
  domain: {yaml.safe_dump(domain).strip().removesuffix("...").strip()}
"""
    with atomic_write(file) as partial:
        partial.write_text(text, encoding="utf-8")
        load_recipe(partial)
    device = "a GPU" if has_gpu else "no GPU: training runs on the CPU"
    return f"{file}: written for {device}. Next: domain-bert run {file}"
