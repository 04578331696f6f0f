"""Groups of rows of RUN/corpus -> token ids, each group by any task; and the stores that are joined of all of them."""

from dataclasses import dataclass
from pathlib import Path

from recipe.config import Recipe
from recipe.corpus import SPLITS, split_of
from recipe.corpus.prepared import number_of_groups, prepared_files, read_prepared_group, validation_share
from recipe.errors import InputError
from recipe.files import explain_disk_full, file_lock, read_json, sha256_of_json, write_json
from recipe.tokenizer.folder import load_tokenizer
from recipe.tokens.blocks import BlockWriters
from recipe.tokens.store import blocks_folder, encoding_version, join_blocks, write_blocks

# Raise it when the list of a shard's blocks changes. The VERSION of the token store stands for what they contain.
VERSION = 1


@dataclass(frozen=True)
class TokenShard:
    """A group of rows of a file of RUN/corpus; `path` is the list of its blocks, named by a hash of their input."""

    file: Path
    group: int
    path: Path

    def blocks(self, folder: Path) -> dict[str, list[Path]]:
        """The files of its blocks for each split; raises InputError if the list is missing."""
        if not self.path.is_file():
            raise InputError(
                f"{self.path}: the token ids of {self.file}, group {self.group}, are missing; run"
                " `domain-bert cluster` again"
            )
        lists = read_json(self.path).items()
        return {split: [blocks_folder(folder / split) / name for name in names] for split, names in lists}


def write_token_shards(folder: Path, recipe: Recipe, rank: int, tasks: int) -> None:
    """Encode the shards of a task into blocks in `folder`, without those that are there."""
    tokenizer_json = load_tokenizer(recipe.folder / "tokenizer").to_str()
    version = encoding_version(tokenizer_json)
    folders = {split: folder / split for split in SPLITS}
    share = validation_share(recipe.folder / "corpus", recipe.corpus, recipe.seed)
    # One process: the tasks themselves are what uses many cores.
    with explain_disk_full(folder, kept="what is done is kept"), BlockWriters(tokenizer_json, 1) as writers:
        for shard in _shards(folder, recipe, version, share)[rank::tasks]:
            is_listed = shard.path.is_file()
            if is_listed and all(path.is_file() for paths in shard.blocks(folder).values() for path in paths):
                continue
            documents = (
                (split_of(document, share, recipe.seed), document)
                for document in read_prepared_group(shard.file, shard.group)
            )
            paths = write_blocks(folders, documents, version, writers)
            # Written last: a shard is done when its list is there.
            write_json(shard.path, {split: [path.name for path in paths[split]] for split in SPLITS})


def join_token_shards(folder: Path, recipe: Recipe) -> None:
    """Join the blocks of all shards into the stores of RUN/store; raises InputError if one is missing."""
    tokenizer = load_tokenizer(recipe.folder / "tokenizer")
    share = validation_share(recipe.folder / "corpus", recipe.corpus, recipe.seed)
    version = encoding_version(tokenizer.to_str())
    blocks = [shard.blocks(folder) for shard in _shards(folder, recipe, version, share)]
    for split in SPLITS:
        store = recipe.folder / "store" / split
        with explain_disk_full(store.parent, kept="what is done is kept"), file_lock(store):
            join_blocks(store, [path for paths in blocks for path in paths[split]], tokenizer)


def _shards(folder: Path, recipe: Recipe, version: str, share: float) -> list[TokenShard]:
    shaped_by = sha256_of_json([version, recipe.seed, share, VERSION])
    corpus, lists = recipe.folder / "corpus", folder / "shards"
    # Groups of rows and not runs of characters: where blocks are cut leaves no trace in a store.
    # Named by the content of the file and not by the file: a corpus that is prepared again finds what did not change.
    return [
        TokenShard(corpus / name, group, lists / (sha256_of_json([sha256, group, shaped_by]) + ".json"))
        for name, sha256 in prepared_files(corpus).items()
        for group in range(number_of_groups(corpus / name))
    ]
