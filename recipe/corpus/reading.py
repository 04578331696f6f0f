"""corpus.path -> documents of all its files, one after the other."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from recipe.config import CorpusConfig
from recipe.corpus.document import Document, RawDocument, split_document
from recipe.corpus.formats import READERS, format_of
from recipe.corpus.languages import UNMARKED
from recipe.corpus.readers.hub_dataset import HubSource, hub_sources, read_hub
from recipe.corpus.readers.pubmed import read_pubmed, superseded_records
from recipe.corpus.sentences import splitter
from recipe.corpus.sources import Source, explain_broken_data, source_files
from recipe.errors import InputError


def read_raw_documents(config: CorpusConfig, counts: Counter[str] | None = None) -> Iterator[RawDocument]:
    """All documents of the corpus as they stand in its files, file by file; those without text are left out.

    Args:
        counts: where to count what was left out or replaced, by name.

    Raises:
        InputError: for a file of another kind than its name says, broken, not UTF-8, or changed while it is read.
    """
    counts = Counter() if counts is None else counts
    # Every file's format is asked before the first document, so that a bad file is refused at once and not in hours.
    formats = corpus_formats(config)
    superseded = superseded_records(_pubmed(formats))
    for source, format_ in formats.items():
        yield from _read_file(source, format_, config, counts, superseded.get(source, frozenset()))
    for dataset in hub_sources(config):
        yield from read_hub(dataset, config, counts)


def corpus_sources(config: CorpusConfig) -> list[Source | HubSource]:
    """The files of the corpus and then the data sets, in the order of reading; errors of `source_files`."""
    return [*source_files(config), *hub_sources(config)]


def corpus_formats(config: CorpusConfig) -> dict[Source, str]:
    """The format of each file of the corpus; raises InputError for a file of another kind than its name says."""
    return {source: format_of(source, config) for source in source_files(config)}


def pubmed_sources(config: CorpusConfig) -> list[Source]:
    """Those of the files that are PubMed XML; raises InputError for any file of another kind than its name says."""
    return _pubmed(corpus_formats(config))


def read_source(
    source: Source | HubSource, config: CorpusConfig, counts: Counter[str], superseded: frozenset[int] = frozenset()
) -> Iterator[RawDocument]:
    """The documents of one file or data set, with the counts and errors of `read_raw_documents`.

    Args:
        superseded: positions of PubMed records that are passed over.
    """
    if isinstance(source, HubSource):
        yield from read_hub(source, config, counts)
    else:
        yield from _read_file(source, format_of(source, config), config, counts, superseded)


def read_documents(config: CorpusConfig) -> Iterator[Document]:
    """All documents of the corpus as sentences, without cleaning; errors of `read_raw_documents`."""
    return split_documents(read_raw_documents(config), config, Counter())


def split_documents(raw: Iterable[RawDocument], config: CorpusConfig, counts: Counter[str]) -> Iterator[Document]:
    """The documents as sentences.

    Counted are those of which none is left ("documents_without_text") and lists that were split as paragraphs.
    """
    split = splitter(config.sentence_splitter, config.language)
    for entry in raw:
        if entry.is_split is None and config.language in UNMARKED:
            # Nothing here could split a paragraph, so a list can only be one of sentences.
            entry = replace(entry, is_split=True)
        document = split_document(entry, split)
        if entry.is_split is None and len(document.sentences) > len(entry.parts) + bool(entry.title):
            counts["lists_split_as_paragraphs"] += 1
        if document.sentences:
            yield document
        else:
            counts["documents_without_text"] += 1


def _pubmed(formats: dict[Source, str]) -> list[Source]:
    return [source for source, format_ in formats.items() if format_ == "pubmed"]


def _read_file(
    source: Source, format_: str, config: CorpusConfig, counts: Counter[str], superseded: frozenset[int]
) -> Iterator[RawDocument]:
    reader = partial(read_pubmed, superseded=superseded) if format_ == "pubmed" else READERS[format_]
    before = source.state()
    has_documents = False
    with explain_broken_data(source):
        for document in reader(source, config, counts):
            has_documents = True
            yield document
    if not has_documents:
        counts["files_without_documents"] += 1
    after = source.state()
    if before != after:
        raise InputError(
            f"{source}: the file changed while it was read ({before['size']:,} bytes, then {after['size']:,}); run"
            " again when it is complete"
        )
