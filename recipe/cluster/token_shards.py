"""Groups of rows of RUN/corpus -> token ids, each group by any task; and the stores that are joined of all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recipe.config import Recipe
from recipe.corpus import SPLITS, split_of
from recipe.corpus.prepared import number_of_groups, prepared_files, read_prepared_group
from recipe.errors import InputError
from recipe.files import explain_disk_full, file_lock, read_json, sha256_of_json, write_json
from recipe.provenance import code_hash
from recipe.tokenizer.folder import load_tokenizer
from recipe.tokens.blocks import BlockWriters
from recipe.tokens.encoding import ids_dtype
from recipe.tokens.store import blocks_folder, encoding_version, join_blocks, write_blocks


@dataclass(frozen=True)
class Unit:
    """A group of rows of a file of RUN/corpus; `path` is the list of its blocks, whose name is a hash of all that
    shapes them.
    """

    file: Path
    group: int
    path: Path


def write_units(folder: Path, recipe: Recipe, rank: int, tasks: int) -> None:
    """Encode the units of a task into blocks in `folder`, but for those that are there."""
    tokenizer_json = load_tokenizer(recipe.folder / "tokenizer").to_str()
    version = encoding_version(tokenizer_json)
    folders = {split: folder / split for split in SPLITS}
    with explain_disk_full(folder, kept="what is done is kept"), BlockWriters(tokenizer_json, 1) as writers:
        for unit in _units(folder, recipe, version)[rank::tasks]:
            if not _is_whole(folder, unit):
                documents = (
                    (split_of(document, recipe.corpus, recipe.seed), document)
                    for document in read_prepared_group(unit.file, unit.group)
                )
                paths = write_blocks(folders, documents, version, writers)
                write_json(unit.path, {split: [path.name for path in paths[split]] for split in SPLITS})


def join_units(folder: Path, recipe: Recipe) -> None:
    """Join the blocks of all units into the stores of RUN/store.

    Raises:
        InputError: if one is missing, or the disk is full.
    """
    tokenizer = load_tokenizer(recipe.folder / "tokenizer")
    blocks = [_blocks_of(folder, unit) for unit in _units(folder, recipe, encoding_version(tokenizer.to_str()))]
    for split in SPLITS:
        store = recipe.folder / "store" / split
        with explain_disk_full(store.parent, kept="what is done is kept"), file_lock(store):
            join_blocks(store, [path for unit in blocks for path in unit[split]], ids_dtype(tokenizer))


def _units(folder: Path, recipe: Recipe, version: str) -> list[Unit]:
    shaped_by = [version, recipe.settings("seed", "corpus.validation_share"), code_hash("recipe.cluster.token_shards")]
    return list(_groups_of_rows(folder / "units", recipe.folder / "corpus", sha256_of_json(shaped_by)))


def _groups_of_rows(lists: Path, corpus: Path, shaped_by: str) -> Iterator[Unit]:
    for name, sha256 in prepared_files(corpus).items():
        for group in range(number_of_groups(corpus / name)):
            yield Unit(corpus / name, group, lists / (sha256_of_json([sha256, group, shaped_by]) + ".json"))


def _is_whole(folder: Path, unit: Unit) -> bool:
    return unit.path.is_file() and all(path.is_file() for paths in _blocks_of(folder, unit).values() for path in paths)


def _blocks_of(folder: Path, unit: Unit) -> dict[str, list[Path]]:
    try:
        return {
            split: [blocks_folder(folder / split) / name for name in names]
            for split, names in read_json(unit.path).items()
        }
    except FileNotFoundError:
        raise InputError(
            f"{unit.path}: the token ids of {unit.file}, group {unit.group}, are missing; run"
            " scripts/prepare_cluster.py again"
        ) from None
