"""One file of the corpus -> a part: its documents as far as they can be cleaned without the other files, and the marks
by which the rest is judged.
"""

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
from recipe.corpus.cleaning import CleaningReport, SignatureFilter, Step, task_files
from recipe.corpus.cleaning.filter import Candidate
from recipe.corpus.prepared import read_prepared, write_prepared
from recipe.corpus.readers.hub_dataset import HubSource
from recipe.corpus.reading import read_source
from recipe.files import atomic_write, explain_disk_full, read_json, sha256_of_file, sha256_of_json, write_json
from recipe.processes import this_process
from recipe.provenance import code_hash

ROWS_PER_GROUP = 1 << 13
_MARKS = pa.schema([("marks", pa.map_(pa.string(), pa.binary()))])


def part_settings(recipe: Recipe) -> str:
    """Hash of all that shapes every part: settings, task files and code."""
    settings = recipe.settings("corpus")
    for name in ("path", "validation_share"):
        del settings[f"corpus.{name}"]
    return sha256_of_json(
        [
            settings,
            [sha256_of_file(path) for path in task_files(recipe.corpus.decontaminate)],
            code_hash("recipe.cluster.file_shards"),
        ]
    )


def part_key(source: Source | HubSource, superseded: Sequence[int], settings: str) -> str:
    """Name of the part of a file in its present state, but for its records that are superseded."""
    return sha256_of_json([str(source), source.state(), list(superseded), settings])


def write_part(
    path: Path, source: Source | HubSource, superseded: Sequence[int], config: CorpusConfig, steps: list[Step]
) -> None:
    """Read, split and clean one file into the folder `path`, which is whole or absent.

    Raises:
        InputError: if the file cannot be read, or the disk is full.
    """
    counts: Counter[str] = Counter()
    input_ = {**source.state(), "sha256": source.sha256()}
    with atomic_write(path, this_process()) as partial, explain_disk_full(path.parent):
        partial.mkdir()
        with (
            open(partial / "removed.jsonl", "w", encoding="utf-8") as file,
            _MarksFile(partial / "marks.parquet", steps) as marks,
        ):
            funnel = CleaningReport(
                _without_marks(steps),
                lambda entry: print(json.dumps([marks.number, entry], ensure_ascii=False), file=file),
            )
            raw = read_source(source, config, counts, frozenset(superseded))
            write_prepared(partial, marks.made_of(funnel.clean(split_documents(raw, config, counts))))
        write_json(
            partial / "part.json",
            {"source": str(source), "input": input_, "reading": counts, "funnel": funnel.counts()},
        )


def read_part(path: Path, listed: Callable[[dict[str, str]], None]) -> Iterator[tuple[Document, dict[str, bytes]]]:
    """The documents of a part with their marks.

    Args:
        listed: is called with the entry of every document that was removed, between those that stood before and behind
            it.
    """
    marked = zip(read_prepared(path), _marks_of(path / "marks.parquet"), strict=True)
    with open(path / "removed.jsonl", encoding="utf-8") as file:
        gone = ((place, False, entry) for place, entry in map(json.loads, file))
        left = ((place, True, found) for place, found in enumerate(marked))
        for _, is_left, found in heapq.merge(gone, left, key=itemgetter(0, 1)):
            if is_left:
                yield found
            else:
                listed(found)


def counts_of_part(path: Path) -> dict[str, Any]:
    """Source and input (state and sha256) of a part, and what was counted: reading, funnel."""
    return read_json(path / "part.json")


class _MarksFile:
    """Writes the marks of documents that pass by; `number` is how many did."""

    def __init__(self, path: Path, steps: list[Step]) -> None:
        self._steps = [step for step in steps if isinstance(step, SignatureFilter)]
        self._writer = pq.ParquetWriter(path, _MARKS, compression="zstd")
        self._waiting: list[list[tuple[str, bytes]]] = []
        self.number = 0

    def __enter__(self) -> "_MarksFile":
        return self

    def __exit__(self, *failure: object) -> None:
        self._write()
        self._writer.close()

    def made_of(self, documents: Iterable[Document]) -> Iterator[Document]:
        for document in documents:
            candidate = Candidate("\n".join(document.sentences))
            self._waiting.append([(step.name, step.mark(candidate)) for step in self._steps])
            self.number += 1
            if len(self._waiting) == ROWS_PER_GROUP:
                self._write()
            yield document

    def _write(self) -> None:
        self._writer.write_table(pa.Table.from_pydict({"marks": self._waiting}, _MARKS))
        self._waiting = []


def _marks_of(path: Path) -> Iterator[dict[str, bytes]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS_PER_GROUP):
            yield from map(dict, batch["marks"].to_pylist())


def _without_marks(steps: list[Step]) -> list[Step]:
    return [step for step in steps if not isinstance(step, SignatureFilter)]
