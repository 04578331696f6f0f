"""A corpus path and a size -> a commented recipe to begin with."""

import glob
import json
from pathlib import Path

import jinja2

from recipe.config_file import load_recipe
from recipe.errors import InputError
from recipe.files import atomic_write

TEMPLATE = Path(__file__).with_name("starter.yaml.j2")
# Layers, width, heads; and steps, pairs a step, learning rate, row length, vocabulary, that fit a model of that size.
SIZES = {
    "tiny": ((2, 128, 2), (3600, 16, 2e-3, 64, 8192)),
    "small": ((4, 256, 4), (20_000, 64, 2e-3, 128, 16_384)),
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
    text = jinja2.Template(TEMPLATE.read_text(encoding="utf-8"), undefined=jinja2.StrictUndefined).render(
        file=file,
        name=file.stem,
        corpus=json.dumps(corpus),
        domain=json.dumps(domain),
        size=size,
        layers=layers,
        width=width,
        heads=heads,
        steps=steps,
        batch=batch,
        device_batch=min(batch, 64),
        rate=f"{rate:g}",
        length=length,
        positions=max(length, 128),
        vocabulary=vocabulary,
        every=max(100, steps // 20),
        # Measured for small models only; the paper's settings stay for its size.
        is_small=size != "base",
        bf16="false" if size == "tiny" else "null",
    )
    with atomic_write(file) as partial:
        # With a line end of its own, which the template loses.
        partial.write_text(text + "\n", encoding="utf-8")
        load_recipe(partial)
    device = "a GPU" if has_gpu else "no GPU: training runs on the CPU"
    # It may be on another machine; mostly it is a typing error.
    is_remote = "://" in corpus or corpus.startswith(("hub:", "embedded:"))
    missing = "" if is_remote or glob.glob(corpus) else f" {corpus} leads to no file here."
    return f"{file}: written for {device}.{missing} Next: domain-bert plan {file}, domain-bert run {file}"
