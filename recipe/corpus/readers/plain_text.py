"""Text files -> documents: of one sentence per line, of the block between two blank lines, or of the whole file."""

from collections import Counter
from collections.abc import Iterator

from recipe.config import CorpusConfig
from recipe.corpus.document import RawDocument, paragraphs_of
from recipe.corpus.readers.text_blocks import blocks_of_lines
from recipe.corpus.sources import Source


def read_blank_line_text(source: Source, config: CorpusConfig, counts: Counter[str]) -> Iterator[RawDocument]:
    """One sentence per line, a blank line between documents."""
    for lines, first_line in _blocks(source, config, counts):
        yield RawDocument(lines, f"{source}:{first_line}", is_split=True)


def read_paragraphs(source: Source, config: CorpusConfig, counts: Counter[str]) -> Iterator[RawDocument]:
    """A block of lines between blank lines is a document of one paragraph, its lines broken anywhere."""
    for lines, first_line in _blocks(source, config, counts):
        yield RawDocument([" ".join(lines)], f"{source}:{first_line}")


def read_plain_text(source: Source, config: CorpusConfig, counts: Counter[str]) -> Iterator[RawDocument]:
    """The file is a document, with blank lines between its paragraphs."""
    text = "\n".join(blocks_of_lines(source, config.errors, counts))
    parts = paragraphs_of(text)
    if parts:
        yield RawDocument(parts, str(source), id=source.name)


def _blocks(source: Source, config: CorpusConfig, counts: Counter[str]) -> Iterator[tuple[list[str], int]]:
    """The lines between blank lines, stripped, with the number of the first of them."""
    # The text comes in blocks that end anywhere between lines, so a document may go on in the next block.
    lines_of_document: list[str] = []
    first_line = lines_before = 1
    for text in blocks_of_lines(source, config.errors, counts):
        lines = [line.strip() for line in text.split("\n")]
        start = 0
        for blank in [*(place for place, line in enumerate(lines) if not line), len(lines)]:
            if start < blank:
                first_line = first_line if lines_of_document else lines_before + start
                lines_of_document += lines[start:blank]
            if blank < len(lines) and lines_of_document:
                yield lines_of_document, first_line
                lines_of_document = []
            start = blank + 1
        lines_before += len(lines)
    if lines_of_document:
        yield lines_of_document, first_line
