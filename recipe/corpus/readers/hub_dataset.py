"""Data sets of the Hub -> documents, row by row as they arrive (streaming), so they need not fit on the disk."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from recipe.config import CorpusConfig
from recipe.corpus.document import RawDocument
from recipe.corpus.readers.records import document_of, require_columns
from recipe.errors import InputError
from recipe.files import sha256_of_json
from recipe.inputs.hub_folder import HUB, cause_of

_OPTIONS = ("name", "split", "revision")


@dataclass(frozen=True)
class HubSource:
    """A data set as an input of a stage."""

    dataset: str

    def __str__(self) -> str:
        return f"hub:{self.dataset}"

    def state(self) -> dict[str, Any]:
        """Its commit on the Hub, or size and time of the files of a folder; empty while the Hub cannot be reached."""
        name, options = _parsed(self.dataset)
        if Path(name).is_dir():
            found = [(str(path), path.stat()) for path in sorted(Path(name).rglob("*")) if path.is_file()]
            return {"files": [[path, state.st_size, state.st_mtime_ns] for path, state in found]}
        from huggingface_hub import HfApi

        try:
            revision = HfApi().dataset_info(name, revision=options.get("revision"), timeout=10).sha
        except Exception:
            # Whatever is wrong, reading will explain it. Without a network a data set counts as unchanged, so that a
            # finished stage is not redone.
            return {}
        return {"revision": revision} if revision else {}

    def sha256(self) -> str:
        """A hash of its name and state."""
        return sha256_of_json([self.dataset, self.state()])


def hub_sources(config: CorpusConfig) -> list[HubSource]:
    """The entries of corpus.path that name data sets of the Hub."""
    return [HubSource(entry.removeprefix(HUB)) for entry in config.path if entry.startswith(HUB)]


def read_hub(source: HubSource, config: CorpusConfig, counts: Counter[str]) -> Iterator[RawDocument]:
    """The rows of NAME/DATA?split=train&name=CONFIG&revision=REVISION, or of a folder that `datasets` can load.

    Raises:
        InputError: if there is no such data set, it is a script, a column is absent, or the Hub cannot be reached.
    """
    # Not at the top: importing it takes seconds, and most corpora are files.
    import datasets

    dataset = source.dataset
    name, options = _parsed(dataset)
    split, revision = options.get("split", "train"), options.get("revision")
    with explain_failure(f"corpus.path: hub:{dataset}"):
        rows = datasets.load_dataset(name, options.get("name"), split=split, revision=revision, streaming=True)
        if rows.column_names:
            require_columns(rows.column_names, f"hub:{dataset}", config)
        for number, row in enumerate(rows):
            yield from document_of(row, f"hub:{dataset}#{number}", config, counts)


def _parsed(dataset: str) -> tuple[str, dict[str, str]]:
    name, _, query = dataset.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown or (query and not options):
        found = (unknown or [query])[0]
        raise InputError(
            f"corpus.path: hub:{dataset} has {found!r} after the question mark; it takes {', '.join(_OPTIONS)}, as in"
            " ?split=train"
        )
    return name, options


@contextmanager
def explain_failure(place: str) -> Iterator[None]:
    """Turn what `datasets` raises in the block into an `InputError` that begins with `place`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # `datasets`, huggingface_hub and fsspec raise a dozen classes
        raise InputError(f"{place} {_cause(error)}") from None


def _cause(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "scripts are no longer supported" in text or "trust_remote_code" in text:
        return (
            "has only a loading script, which `datasets` no longer runs; add ?revision=refs/convert/parquet, which the"
            " Hub makes of most data sets, or take one in Parquet, such as hub:MedRAG/pubmed with text_column content"
        )
    return cause_of(error)
