"""A small run folder up to its pairs, copied and built by the real stages."""

import shutil

from conftest import small_recipe

from recipe.config import Recipe
from recipe.pairs.dataset import build_pairs
from recipe.tokens.build import build_token_stores


def run_folder_of(prepared: Recipe, run_dir, corpus, **overrides: str) -> Recipe:
    """A recipe with its own run folder that has the tokenizer and the pairs of `prepared`."""
    recipe = small_recipe(corpus, run_dir, **overrides)
    for name in ("corpus", "tokenizer"):
        shutil.copytree(prepared.folder / name, recipe.folder / name)
    build_token_stores(recipe)
    build_pairs(recipe)
    return recipe
