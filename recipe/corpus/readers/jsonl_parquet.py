"""JSON records and Parquet tables -> one document per record."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recipe.config import CorpusConfig
from recipe.corpus.document import RawDocument
from recipe.corpus.readers.json_values import json_values
from recipe.corpus.readers.records import document_of, require_columns, root_column
from recipe.corpus.sources import Source
from recipe.errors import InputError

# A row may be a whole article, so the default of Arrow, 65,536 rows, could take gigabytes.
ROWS_PER_BATCH = 512


def read_jsonl(source: Source, config: CorpusConfig, counts: Counter[str]) -> Iterator[RawDocument]:
    """One JSON object per line, objects one after the other, or one array of them; errors of `document_of`.

    An object that has nothing but a list of objects, such as {"data": [...]}, stands for these.
    """
    for value, place in json_values(source, config.errors, counts):
        inner = _records_around(value, config)
        if inner is None:
            yield from document_of(value, place, config, counts)
        else:
            for number, record in enumerate(inner, start=1):
                yield from document_of(record, f"{place} element {number}", config, counts)


def read_parquet(source: Source, config: CorpusConfig, counts: Counter[str]) -> Iterator[RawDocument]:
    """One document per row, of the columns that are needed; raises InputError for other files and absent columns."""
    try:
        with source.open_raw() as raw, pq.ParquetFile(raw) as file:
            names = file.schema_arrow.names
            require_columns(names, str(source), config)
            row = 0
            for batch in file.iter_batches(ROWS_PER_BATCH, columns=_columns(config, names)):
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


def _records_around(value: Any, config: CorpusConfig) -> list[Any] | None:
    if not isinstance(value, dict) or len(value) != 1 or root_column(config.text_column, value) is not None:
        return None
    (inner,) = value.values()
    return inner if isinstance(inner, list) and inner and isinstance(inner[0], dict) else None


def _columns(config: CorpusConfig, names: list[str]) -> list[str]:
    # A column may serve twice, such as a title that is the id; Parquet refuses to read one twice.
    wanted = [config.text_column, config.title_column, config.id_column]
    return list(dict.fromkeys(root for name in wanted if name and (root := root_column(name, names))))
