"""RUN/corpus: the clean documents as Parquet files of bounded size, written in a stream and read back in one."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recipe.config import CorpusConfig
from recipe.corpus.document import Document
from recipe.corpus.splitting import documents_needed, share_of_two, split_of
from recipe.errors import InputError
from recipe.files import read_json, sha256_of_file, write_json

# The sha256 of every file. It is written last, so a folder that has one is complete.
MANIFEST = "sha256.json"
# One group of rows is what a reader has in memory, and what a cluster encodes as one shard.
CHARACTERS_PER_GROUP = 1 << 22
CHARACTERS_PER_FILE = 1 << 28
_SCHEMA = pa.schema(
    [("id", pa.string()), ("title", pa.string()), ("sentences", pa.list_(pa.string())), ("source", pa.string())]
)


def write_prepared(folder: Path, documents: Iterable[Document]) -> None:
    """Write the documents as documents-00000.parquet and so on, and last of all the manifest."""
    writer: pq.ParquetWriter | None = None
    names: list[str] = []
    characters = 0
    for group in _groups(documents):
        if writer is None or characters >= CHARACTERS_PER_FILE:
            if writer is not None:
                writer.close()
            names.append(f"documents-{len(names):05d}.parquet")
            writer, characters = pq.ParquetWriter(folder / names[-1], _SCHEMA, compression="zstd"), 0
        columns = {name: [getattr(document, name) for document in group] for name in _SCHEMA.names}
        writer.write_table(pa.Table.from_pydict(columns, _SCHEMA))
        characters += sum(len(sentence) for document in group for sentence in document.sentences)
    if writer is not None:
        writer.close()
    write_json(folder / MANIFEST, {name: sha256_of_file(folder / name) for name in names})


def read_prepared(folder: Path) -> Iterator[Document]:
    """The documents that `write_prepared` wrote, in their order; raises InputError if there are none."""
    for name in prepared_files(folder):
        for number in range(number_of_groups(folder / name)):
            yield from read_prepared_group(folder / name, number)


def read_prepared_group(path: Path, number: int) -> Iterator[Document]:
    """The documents of one group of rows of one file."""
    with _open_prepared(path) as file:
        columns = file.read_row_group(number).to_pydict()
        for entry in zip(*(columns[name] for name in ("sentences", "source", "id", "title")), strict=True):
            yield Document(*entry)


def read_prepared_split(folder: Path, config: CorpusConfig, split: str, seed: int) -> Iterator[Document]:
    """The documents of `split`, "train" or "validation"."""
    share = validation_share(folder, config, seed)
    return (document for document in read_prepared(folder) if split_of(document, share, seed) == split)


def validation_share(folder: Path, config: CorpusConfig, seed: int) -> float:
    """corpus.validation_share, or for a small corpus the larger one that holds out two documents."""
    documents = 0
    for name in prepared_files(folder):
        with _open_prepared(folder / name) as file:
            documents += file.metadata.num_rows
    if documents >= documents_needed(config.validation_share):
        return config.validation_share
    return share_of_two(read_prepared(folder), config.validation_share, seed)


def prepared_files(folder: Path) -> dict[str, str]:
    """The names of the files in their order, and their sha256; raises InputError if there are none."""
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder}: no prepared corpus here; run `domain-bert corpus` first")
    return read_json(folder / MANIFEST, "run `domain-bert corpus` again")


def number_of_groups(path: Path) -> int:
    """How many groups of rows a file has."""
    with _open_prepared(path) as file:
        return file.num_row_groups


@contextmanager
def _open_prepared(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: is not as it was written ({str(error)[:100]}); remove {path.parent} and run"
            " `domain-bert corpus` again"
        ) from None


def _groups(documents: Iterable[Document]) -> Iterator[list[Document]]:
    group: list[Document] = []
    characters = 0
    for document in documents:
        group.append(document)
        characters += sum(map(len, document.sentences))
        if characters >= CHARACTERS_PER_GROUP:
            yield group
            group, characters = [], 0
    if group:
        yield group
