"""One file of the corpus -> a file shard: documents cleaned as far as other files do not matter, and signatures."""

import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recipe.config import CorpusConfig, Recipe
from recipe.corpus import Document, Source, split_documents
from recipe.corpus import prepare as corpus
from recipe.corpus.cleaning import CleaningReport, Filter, SignatureFilter, task_files
from recipe.corpus.cleaning.filter import Candidate
from recipe.corpus.prepared import read_prepared, write_prepared
from recipe.corpus.readers.hub_dataset import HubSource
from recipe.corpus.reading import read_source
from recipe.files import atomic_write, explain_disk_full, read_json, sha256_of_file, sha256_of_json, write_json
from recipe.processes import this_process

# Raise it when the files of a shard change. The VERSION of the stage corpus stands for its documents.
VERSION = 1
ROWS_PER_GROUP = 1 << 13
_SIGNATURES = pa.schema([("signatures", pa.map_(pa.string(), pa.binary()))])


def shard_settings(recipe: Recipe) -> str:
    """Hash of all that shapes every shard: settings, task files and versions."""
    settings = recipe.settings("corpus")
    # Neither shapes the text of a file: another list of files must find the shards of those that it has in common.
    for name in ("path", "validation_share"):
        del settings[f"corpus.{name}"]
    tasks = [sha256_of_file(path) for path in task_files(recipe.corpus.decontaminate)]
    return sha256_of_json([settings, tasks, corpus.VERSION, VERSION])


def shard_key(source: Source | HubSource, superseded: Sequence[int], settings: str) -> str:
    """Name of the shard of a file in its present state, without its records that are superseded."""
    return sha256_of_json([str(source), source.state(), list(superseded), settings])


def write_file_shard(
    path: Path, source: Source | HubSource, superseded: Sequence[int], config: CorpusConfig, filters: list[Filter]
) -> None:
    """Read, split and clean one file into the folder `path`, which is complete or absent."""
    counts: Counter[str] = Counter()
    input_ = {**source.state(), "sha256": source.sha256()}
    with atomic_write(path, this_process()) as partial, explain_disk_full(path.parent):
        partial.mkdir()
        with (
            open(partial / "removed.jsonl", "w", encoding="utf-8") as file,
            _SignatureFile(partial / "signatures.parquet", filters) as signatures,
        ):
            # A removed document is listed with the number of those kept before it, so that the merge can list all in
            # the order of the single machine.
            report = CleaningReport(
                [filter_ for filter_ in filters if not isinstance(filter_, SignatureFilter)],
                lambda entry: print(json.dumps([signatures.number, entry], ensure_ascii=False), file=file),
            )
            raw = read_source(source, config, counts, frozenset(superseded))
            write_prepared(partial, signatures.made_of(report.clean(split_documents(raw, config, counts))))
        write_json(
            partial / "shard.json",
            {"source": str(source), "input": input_, "reading": counts, "cleaning": report.counts()},
        )


def read_file_shard(
    path: Path, listed: Callable[[dict[str, str]], None]
) -> Iterator[tuple[Document, dict[str, bytes]]]:
    """The documents of a shard with their signatures.

    Args:
        listed: is called with the entry of every document that was removed, at its place between the others.
    """
    kept = zip(read_prepared(path), _read_signatures(path / "signatures.parquet"), strict=True)
    with open(path / "removed.jsonl", encoding="utf-8") as file:
        gone = ((place, False, entry) for place, entry in map(json.loads, file))
        left = ((place, True, found) for place, found in enumerate(kept))
        for _, is_left, found in heapq.merge(gone, left, key=itemgetter(0, 1)):
            if is_left:
                yield found
            else:
                listed(found)


def counts_of_shard(path: Path) -> dict[str, Any]:
    """Source and input (state and sha256) of a shard, and what was counted: reading, cleaning."""
    return read_json(path / "shard.json")


class _SignatureFile:
    """Writes the signatures of documents that pass by; `number` is how many did."""

    def __init__(self, path: Path, filters: list[Filter]) -> None:
        self._filters = [filter_ for filter_ in filters if isinstance(filter_, SignatureFilter)]
        self._writer = pq.ParquetWriter(path, _SIGNATURES, compression="zstd")
        self._waiting: list[list[tuple[str, bytes]]] = []
        self.number = 0

    def __enter__(self) -> "_SignatureFile":
        return self

    def __exit__(self, *failure: object) -> None:
        self._write()
        self._writer.close()

    def made_of(self, documents: Iterable[Document]) -> Iterator[Document]:
        for document in documents:
            candidate = Candidate("\n".join(document.sentences))
            self._waiting.append([(filter_.name, filter_.signature(candidate)) for filter_ in self._filters])
            self.number += 1
            if len(self._waiting) == ROWS_PER_GROUP:
                self._write()
            yield document

    def _write(self) -> None:
        self._writer.write_table(pa.Table.from_pydict({"signatures": self._waiting}, _SIGNATURES))
        self._waiting = []


def _read_signatures(path: Path) -> Iterator[dict[str, bytes]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS_PER_GROUP):
            yield from map(dict, batch["signatures"].to_pylist())
