"""Files, URLs or data sets of the Hub -> documents: one module per format, all used by `read_raw_documents`."""

from recipe.corpus.document import Document, RawDocument
from recipe.corpus.reading import read_documents, read_raw_documents, split_documents
from recipe.corpus.sources import EMBEDDED, Source, source_files
from recipe.corpus.splitting import SPLITS, split_of

__all__ = [
    "EMBEDDED",
    "SPLITS",
    "Document",
    "RawDocument",
    "Source",
    "read_documents",
    "read_raw_documents",
    "source_files",
    "split_documents",
    "split_of",
]
