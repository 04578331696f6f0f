"""The pairs of a run: the stage "pairs" makes them, pretraining opens them; also all of it as one library call."""

import re
from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import datasets

from recipe.config import CorpusConfig, PairsConfig, Recipe, check_ranges
from recipe.corpus import SPLITS, Document, read_documents
from recipe.corpus.splitting import with_splits
from recipe.errors import InputError
from recipe.files import read_json, sha256_once, write_json
from recipe.pairs.builder import (
    MANIFEST,
    NextSentencePairConfig,
    NextSentencePairs,
    discard_damaged_rows,
    pair_builder,
    pair_config,
    write_rows,
)
from recipe.pairs.passes import PairPasses
from recipe.pairs.statistics import count_pairs, describe
from recipe.tokenizer.folder import load_tokenizer
from recipe.tokens.build import require_two_documents, write_split_stores
from recipe.tokens.store import open_token_store


def build_pairs(recipe: Recipe) -> None:
    """Write the pairs of RUN/store to RUN/pairs, with statistics.json.

    With pairs.refresh_every_epoch every epoch makes its own training pairs, so only validation pairs are written.

    Raises:
        InputError: if a split has fewer than two documents.
    """
    stores = {split: open_token_store(recipe.folder / "store" / split) for split in SPLITS}
    for split, store in stores.items():
        require_two_documents(store, split)
    config = _config_of(recipe)
    folder = recipe.folder / "pairs"
    discard_damaged_rows(_stored_splits(recipe, config), folder)
    builder = _builder_of(recipe, config)
    statistics = write_rows(builder, recipe.pairs.max_shard_size)
    if recipe.pairs.refresh_every_epoch:
        first_pass = count_pairs(stores["train"], config.rules(), config.seed, 1)
        statistics = {"train": first_pass.statistics(stores["train"], config.nsp_probability), **statistics}
    write_json(folder / "statistics.json", statistics)
    # Rows of other settings may lie beside them, so the files of these are named.
    made = [path for path in Path(builder.cache_dir).rglob("*") if path.is_file() and path.suffix != ".lock"]
    names = sorted(path.resolve().relative_to(folder.resolve()).as_posix() for path in made)
    write_json(folder / MANIFEST, {name: sha256_once(folder / name) for name in names})
    for split, found in statistics.items():
        print(f"pairs: {describe(split, found)}")
        for warning in found["warnings"]:
            print(f"pairs: warning: {split}: {warning}")


def load_pairs(recipe: Recipe) -> datasets.DatasetDict:
    """The pairs that the stage made, memory-mapped. It never builds: rows must not change under a run that goes on.

    Raises:
        InputError: if the pairs of these settings are not there.
    """
    datasets.disable_progress_bars()
    # Not _config_of(recipe): with pairs.balance_labels the chance of a random B was found when the pairs were made.
    builder = _builder_of(recipe, _config_of_made(recipe))
    if not (Path(builder.cache_dir) / "statistics.json").is_file():
        raise InputError(
            f"{recipe.folder / 'pairs'}: contains no pairs of these settings; run `domain-bert pairs CONFIG` first"
        )
    try:
        return builder.as_dataset()
    except (OSError, ValueError, TypeError, LookupError) as error:  # Arrow's errors are of these classes too
        cause = f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
        raise InputError(
            f"{builder.cache_dir}: the rows there cannot be read ({cause}); remove {recipe.folder / 'pairs'} and run"
            " `domain-bert pairs` again"
        ) from None


def training_passes(recipe: Recipe) -> PairPasses:
    """The passes that a recipe with pairs.refresh_every_epoch trains on, one per epoch.

    Raises:
        InputError: if the stage pairs has not run.
    """
    config = _config_of_made(recipe)
    folder = (config.stores or {})["train"]
    name = replace(config, stores={"train": folder}).create_config_id({})
    return PairPasses(recipe.folder / "passes" / name, open_token_store(Path(folder)), config.rules(), config.seed)


def build_pair_dataset(
    text: str | Path | list[str] | Iterable[Document],
    tokenizer_folder: str | Path,
    folder: str | Path,
    *,
    seed: int = 1,
    validation_share: float = 0.02,
    **rules: Any,
) -> datasets.DatasetDict:
    """The next-sentence pairs of a text as a memory-mapped `DatasetDict` of train and validation.

    A second call with the same text and settings opens the rows of the first one; a call that was killed resumes.

    Args:
        text: files, globs or folders as for `corpus.path`, or `recipe.corpus.Document`s.
        tokenizer_folder: of a fast tokenizer with [CLS] and [SEP], as `save_pretrained` writes it.
        folder: where token stores and rows are kept.
        validation_share: of the documents, two at least; 0: there is only the split "train".
        rules: fields of `recipe.config.PairsConfig`, such as max_seq_length=512, dupe_factor=10, num_proc=8.

    Raises:
        InputError: if the text cannot be read, a rule is out of range, or a split has fewer than two documents.
        TypeError: for a rule of another name.
    """
    try:
        return _pair_dataset(text, Path(tokenizer_folder), Path(folder), seed, validation_share, rules)
    except InputError as error:
        # The same checks serve recipes, whose keys have other names than the arguments here.
        message = str(error)
        for key, argument in (("corpus.path", "text"), ("tokenizer.path", "tokenizer_folder")):
            message = message.replace(key, argument)
        raise InputError(re.sub(r"\b(?:corpus|pairs)\.(?=[a-z_]+\b)", "", message)) from None


def _pair_dataset(
    text: Any, tokenizer_folder: Path, folder: Path, seed: int, validation_share: float, rules: dict[str, Any]
) -> datasets.DatasetDict:
    settings, corpus = PairsConfig(**rules), CorpusConfig()
    check_ranges(settings, "pairs")
    if validation_share:
        check_ranges(replace(corpus, validation_share=validation_share), "corpus")
    if settings.refresh_every_epoch:
        raise InputError("refresh_every_epoch makes pairs while a recipe trains; for stored rows raise dupe_factor")
    # Not isinstance(text, Path): `datasets` puts a class of its own in the place of Path in the module of a builder.
    if isinstance(text, (str, PathLike)):
        text = [str(text)]
    if isinstance(text, list) and all(isinstance(entry, str) for entry in text):
        text = read_documents(replace(corpus, path=text))
    folders = {split: folder / "store" / split for split in (SPLITS if validation_share else ("train",))}
    documents = with_splits(text, validation_share, seed)
    write_split_stores(folders, documents, load_tokenizer(tokenizer_folder), settings.num_proc)
    config = pair_config({split: str(path) for split, path in folders.items()}, tokenizer_folder, settings, seed)
    discard_damaged_rows(config, folder / "pairs")
    builder = pair_builder(config, folder / "pairs")
    write_rows(builder, settings.max_shard_size)
    return builder.as_dataset()


def _config_of(recipe: Recipe, nsp_probability: float | None = None) -> NextSentencePairConfig:
    stores = {split: str(recipe.folder / "store" / split) for split in SPLITS}
    return pair_config(stores, recipe.folder / "tokenizer", recipe.pairs, recipe.seed, nsp_probability)


def _config_of_made(recipe: Recipe) -> NextSentencePairConfig:
    """The settings of the pairs in RUN/pairs, with the chance of a random B that was found when they were made."""
    path = recipe.folder / "pairs" / "statistics.json"
    if not path.is_file():
        raise InputError(f"{path.parent}: contains no pairs; run `domain-bert pairs CONFIG` first")
    try:
        probability = float(read_json(path)["train"]["nsp_probability"])
    except (LookupError, TypeError):
        raise InputError(f"{path}: lacks train.nsp_probability; run `domain-bert pairs CONFIG` again") from None
    return _config_of(recipe, probability)


def _builder_of(recipe: Recipe, config: NextSentencePairConfig) -> NextSentencePairs:
    return pair_builder(_stored_splits(recipe, config), recipe.folder / "pairs")


def _stored_splits(recipe: Recipe, config: NextSentencePairConfig) -> NextSentencePairConfig:
    if recipe.pairs.refresh_every_epoch:
        return replace(config, stores={"validation": (config.stores or {})["validation"]})
    return config
