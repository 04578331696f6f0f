"""Records (JSONL, Parquet, data sets of the Hub) -> documents: JSON lines, tables and what is common to them."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recipe.config import CorpusConfig
from recipe.corpus.document import RawDocument, paragraphs_of
from recipe.corpus.readers.text_blocks import blocks_of_lines
from recipe.corpus.sources import Source
from recipe.errors import InputError

# A row may be a whole article, so the default of Arrow, 65,536 rows, could take gigabytes.
ROWS_PER_BATCH = 512


def read_jsonl(source: Source, config: CorpusConfig, counts: Counter[str]) -> Iterator[RawDocument]:
    """One JSON object per line, blank lines aside; raises InputError for one that is not, or has no text field."""
    number = 0
    for block in blocks_of_lines(source, config.errors, counts):
        for line in block.split("\n"):
            number += 1
            if line and not line.isspace():
                yield from document_of(_record(line, source, number), f"{source}:{number}", config, counts)


def read_parquet(source: Source, config: CorpusConfig, counts: Counter[str]) -> Iterator[RawDocument]:
    """One document per row, of the columns that are needed; raises InputError for other files and absent columns."""
    try:
        with source.open_raw() as raw, pq.ParquetFile(raw) as file:
            require_columns(file.schema_arrow.names, str(source), config)
            row = 0
            for batch in file.iter_batches(ROWS_PER_BATCH, columns=_columns(config)):
                for record in batch.to_pylist():
                    yield from document_of(record, f"{source}:{row}", config, counts)
                    row += 1
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        # Arrow raises a bare OSError for broken data; one with a number is the system's, such as a full disk.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        cause = " ".join(str(error).split())[:120]
        raise InputError(
            f"{source}: is not a complete Parquet file ({cause}); copy or download it again, or correct corpus.format"
        ) from None


def require_columns(names: Iterable[str], place: str, config: CorpusConfig) -> None:
    """Raise InputError if a column that the settings name is not there, with those that are."""
    names = list(names)
    for setting in ("text_column", "title_column", "id_column"):
        wanted = getattr(config, setting)
        if wanted is not None and wanted not in names:
            found = ", ".join(map(str, names[:40])) or "(there is none)"
            raise InputError(f"{place}: there is no {wanted!r}; set corpus.{setting} to one of {found}")


def document_of(
    record: Mapping[str, Any], place: str, config: CorpusConfig, counts: Counter[str]
) -> Iterator[RawDocument]:
    """The document of a record, if it has text; a list of strings is its sentences.

    Raises:
        InputError: if a named field is absent, or the text is neither a string, a list of strings nor null.
    """
    if config.text_column not in record or len(_columns(config)) > 1:
        require_columns(record, place, config)
    text = record[config.text_column]
    names = {"id": _name(record, config.id_column), "title": _name(record, config.title_column)}
    if isinstance(text, str):
        parts, is_split = paragraphs_of(text), False
    elif isinstance(text, list) and all(isinstance(part, str) for part in text):
        parts, is_split = [folded for part in text if (folded := " ".join(part.split()))], True
    elif text is None:
        parts, is_split = [], False
    else:
        raise InputError(
            f"{place}: {config.text_column!r} is {str(text)[:40]!r}, neither text nor a list of sentences; set"
            " corpus.text_column to another field"
        )
    if parts:
        yield RawDocument(parts, place, is_split=is_split, **names)
    else:
        counts["documents_without_text"] += 1


def _record(line: str, source: Source, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
        if "\\u" in line and "\\ud" in line.lower():
            # Half of a surrogate pair is not a character, and no UTF-8 file can contain it.
            record = json.loads(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{source}:{number}: is not JSON ({str(error)[:120]}); put one object on each line") from None
    if not isinstance(record, dict):
        kind = type(record).__name__
        raise InputError(f'{source}:{number}: contains a {kind}; write an object such as {{"text": ...}} on each line')
    return record


def _columns(config: CorpusConfig) -> list[str]:
    # A column may serve twice, such as a title that is the id; Parquet refuses to read one twice.
    names = dict.fromkeys([config.text_column, config.title_column, config.id_column])
    return [name for name in names if name is not None]


def _name(record: Mapping[str, Any], column: str | None) -> str:
    value = record[column] if column is not None else None
    return "" if value is None else " ".join(str(value).split())
