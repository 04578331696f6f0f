"""CSV and TSV with a header -> one document per row."""

import csv
from collections import Counter
from collections.abc import Iterator

from recipe.config import CorpusConfig
from recipe.corpus.document import RawDocument
from recipe.corpus.readers.records import document_of, require_columns, root_column
from recipe.corpus.readers.text_blocks import blocks_of_lines
from recipe.corpus.sources import Source
from recipe.errors import InputError

_DELIMITERS = {".tsv": "\t,;", ".csv": ",;\t"}
# A field may be a whole article; the default of the module is 131,072 characters.
_MOST_CHARACTERS = 2**31 - 1


def read_csv(source: Source, config: CorpusConfig, counts: Counter[str]) -> Iterator[RawDocument]:
    """A document of each row below the header, which names the columns; a field in quotes may contain line ends.

    Raises:
        InputError: if a named column is absent, a row has another number of fields, or a quote is not closed.
    """
    csv.field_size_limit(_MOST_CHARACTERS)
    lines = (f"{line}\n" for block in blocks_of_lines(source, config.errors, counts) for line in block.split("\n"))
    start, first = next(((number, line) for number, line in enumerate(lines, 1) if not line.isspace()), (1, ""))
    names, delimiter = _header(first, source, config)
    require_columns(names, f"{source}: the header", config)
    if names.count(config.text_column) > 1:
        raise InputError(f"{source}: the header has {config.text_column!r} twice; rename one of the two columns")
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    before = 0  # lines of the rows so far
    try:
        for row in rows:
            place, before = f"{source}:{start + before + 1}", rows.line_num
            if not row:
                continue
            if len(row) != len(names):
                raise InputError(
                    f"{place}: has {len(row)} fields, but the header has {len(names)} ({', '.join(names)[:80]}); put"
                    f" quotes around a field that contains {delimiter!r} or a line end"
                )
            yield from document_of(dict(zip(names, row, strict=True)), place, config, counts)
    except csv.Error as error:
        raise InputError(
            f"{source}:{start + before + 1}: is not a row of CSV ({error}); close the quotes of the field, and double"
            " those inside it"
        ) from None


def _header(line: str, source: Source, config: CorpusConfig) -> tuple[list[str], str]:
    """The names of the columns, and the delimiter: the first one by which the text's column is found."""
    delimiters = _DELIMITERS.get(source.suffix, _DELIMITERS[".csv"])
    found = [next(csv.reader([line], delimiter=delimiter), []) for delimiter in delimiters]
    names = [[name.strip() for name in columns] for columns in found]
    for columns, delimiter in zip(names, delimiters, strict=True):
        if root_column(config.text_column, columns) is not None:
            return columns, delimiter
    return names[0], delimiters[0]
