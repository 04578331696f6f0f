"""How much text a corpus has that is not tokenised yet: an estimate with its range, from parts of its files."""

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from recipe.config import CorpusConfig, Recipe
from recipe.corpus import Document, RawDocument, Source, split_documents
from recipe.corpus.cleaning import CleaningReport, cleaning_filters
from recipe.corpus.readers.hub_dataset import hub_sources
from recipe.corpus.reading import corpus_formats, read_source
from recipe.corpus.sources import COMPRESSED
from recipe.corpus.splitting import with_splits
from recipe.errors import InputError
from recipe.planning.text import Text, one_pass, rare_share, stored_bytes, stored_size
from recipe.tokenizer.folder import load_tokenizer
from recipe.tokenizer.wordpiece import train_wordpiece
from recipe.tokens.encoding import SentenceEncoder
from recipe.tokens.store import TokenStore

# What is read of a corpus that has no token store: some seconds of work, from this many files or more.
SAMPLE_CHARACTERS = 8_000_000
SAMPLE_FILES = 16
BYTES_AHEAD = 1 << 10
# The beginnings of some files need not be like the rest, however alike they are among themselves.
LEAST_DOUBT = 0.1


class _SmallReads(io.RawIOBase):
    """A file that gives few bytes at a time, so that what unpacks it cannot read far ahead."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size if size < 0 else min(size, BYTES_AHEAD))

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass(frozen=True)
class _CountedSource(Source):
    """A file of the corpus that remembers how it was opened, so that one can see how far it was read."""

    opened: list[BinaryIO] = field(default_factory=list, compare=False)

    def open_raw(self) -> BinaryIO:
        raw = super().open_raw()
        is_compressed = self.name.lower().endswith(COMPRESSED)
        self.opened.append(cast(BinaryIO, _SmallReads(raw)) if is_compressed else raw)
        return self.opened[-1]


@dataclass(frozen=True)
class _Sample:
    """What was read of a file: its clean documents, and the share of the file that they were in, 0 to 1."""

    documents: list[Document]
    characters: int
    share: float
    size: int


def sampled_text(recipe: Recipe, tokenizer_folder: Path | None) -> Text:
    """The text of a recipe whose token store is not made, from all of a small corpus or the beginnings of some files.

    Args:
        tokenizer_folder: of the tokenizer if there is one; None: one is trained on the sample.

    Raises:
        InputError: if the corpus cannot be read, is on the Hub, or the sample has fewer than four documents.
    """
    if hub := hub_sources(recipe.corpus):
        raise InputError(
            f"corpus.path: how large {hub[0]} is cannot be known before it is read; run `domain-bert run CONFIG"
            " --until tokens` first, then plan again"
        )
    formats = corpus_formats(recipe.corpus)
    sources = list(formats)
    report = CleaningReport(cleaning_filters(recipe.corpus))
    samples: list[_Sample] = []
    # At random, so that the spread between them tells about the rest.
    for source in Random(recipe.seed).sample(sources, len(sources)):
        most = SAMPLE_CHARACTERS // min(SAMPLE_FILES, len(sources))
        samples.append(_read_sample(source, formats[source], recipe.corpus, report, most))
        if sum(sample.characters for sample in samples) >= SAMPLE_CHARACTERS:
            break
    documents = [document for sample in samples for document in sample.documents]
    if len(documents) < 4:
        raise InputError(
            f"corpus.path: the sample of {len(samples)} file(s) has {len(documents)} clean document(s), too few to"
            " plan with; check corpus.format and blank lines between documents"
        )
    total, doubt = _extrapolated(samples, sum(stored_size(source) for source in sources))
    is_whole = len(samples) == len(sources) and all(sample.share == 1 for sample in samples)

    with_split = with_splits(documents, recipe.corpus.validation_share, recipe.seed)
    training = [document for split, document in with_split if split == "train"]
    tokenizer, low, high = _tokenizer_of(recipe, tokenizer_folder, training, is_whole)
    store = _store_in_memory(training, tokenizer)
    pairs, lengths = one_pass(store, recipe.pairs, recipe.seed)
    read = sum(sample.characters for sample in samples)
    factor = total / read
    text = "\n".join(sentence for document in documents[:1000] for sentence in document.sentences).encode()
    part = f"{read / 1e6:.1f} M characters, the beginnings of {len(samples):,} of {len(sources):,} files"
    return Text(
        tokens=factor * store.counts["tokens"],
        documents=factor * store.documents,
        sentences=factor * store.counts["sentences"],
        low=low * (1 - doubt),
        high=high * (1 + doubt),
        pairs=factor * pairs,
        lengths=lengths,
        # The sample alone has fewer pieces than the whole text will have.
        vocab_size=tokenizer.get_vocab_size() if low == high else recipe.tokenizer.vocab_size,
        rare_share=rare_share(store, tokenizer) if is_whole else None,
        corpus_bytes=stored_bytes(recipe.corpus),
        # As RUN/corpus is compressed.
        clean_bytes=total * len(pa.compress(text, "zstd", asbytes=True)) / len(text.decode()),
        source=f"counted in all {len(sources):,} files" if is_whole else f"estimated from a sample: {part}",
    )


def _read_sample(
    source: Source, format_: str, config: CorpusConfig, report: CleaningReport, characters: int
) -> _Sample:
    counted, raw_documents = _CountedSource(source.location), 0

    def read() -> Iterator[RawDocument]:
        nonlocal raw_documents
        for document in read_source(counted, config, Counter()):
            raw_documents += 1
            yield document

    size = stored_size(source)
    rows = _parquet_rows(source) if format_ == "parquet" else 0

    def share_read() -> float:
        # Arrow jumps about in its file, so rows are counted; else bytes as stored, which are those of the size.
        if rows:
            return min(1.0, raw_documents / rows)
        return 1.0 if counted.opened[-1].closed else min(1.0, counted.opened[-1].tell() / size)

    documents: list[Document] = []
    found, before = 0, 0.0
    for document in report.clean(split_documents(read(), config, Counter())):
        share = share_read()
        # A reader takes a block at a time, so only when it takes the next one are all documents of the last one here.
        if found >= characters and share != before:
            return _Sample(documents, found, before, size)
        documents.append(document)
        found += sum(map(len, document.sentences))
        before = share
    return _Sample(documents, found, 1.0, size)


def _parquet_rows(source: Source) -> int:
    with source.open_raw() as file, pq.ParquetFile(file) as table:
        return table.metadata.num_rows


def _extrapolated(samples: list[_Sample], total_bytes: int) -> tuple[float, float]:
    """Characters of the whole corpus, and the doubt about them as a share: two standard errors, over the sampled
    files, of characters per byte, at least LEAST_DOUBT of what was not read.
    """
    read_bytes = sum(sample.share * sample.size for sample in samples)
    rate = sum(sample.characters for sample in samples) / read_bytes
    unread = 1 - read_bytes / total_bytes
    doubt = LEAST_DOUBT
    if len(samples) > 2:
        rates = [sample.characters / (sample.share * sample.size) for sample in samples]
        doubt = max(doubt, 2 * float(np.std(rates, ddof=1)) / len(rates) ** 0.5 / rate)
    return rate * total_bytes, min(0.9, doubt) * max(0.0, unread)


def _tokenizer_of(
    recipe: Recipe, folder: Path | None, documents: list[Document], is_whole: bool
) -> tuple[Tokenizer, float, float]:
    """The tokenizer, and factors of the least and the most tokens of the documents that the final one may give."""
    if folder is not None:
        return load_tokenizer(folder), 1.0, 1.0
    config = recipe.tokenizer
    if config.strip_accents is None:
        config = replace(config, strip_accents=config.lowercase and recipe.corpus.language == "en")
    if is_whole:
        return train_wordpiece(documents, config, recipe.seed, lambda warning: None), 1.0, 1.0
    # One half of the sample was seen in training and is cut into too few pieces, the other half was not and is cut
    # into too many; the tokenizer of the whole corpus lies between.
    tokenizer = train_wordpiece(documents[::2], config, recipe.seed, lambda warning: None)
    encoder = SentenceEncoder(tokenizer.to_str())
    rates = [_tokens_per_character(encoder, half) for half in (documents[::2], documents[1::2])]
    mean = _tokens_per_character(encoder, documents)
    return tokenizer, min(rates) / mean, max(rates) / mean


def _tokens_per_character(encoder: SentenceEncoder, documents: list[Document]) -> float:
    text = _lines(documents)
    return len(encoder.encode(text.encode())[0]) / max(1, len(text))


def _store_in_memory(documents: list[Document], tokenizer: Tokenizer) -> TokenStore:
    """The documents as a token store without files."""
    tokens, lengths = SentenceEncoder(tokenizer.to_str()).encode(_lines(documents).encode())
    sentences_of = np.repeat(np.arange(len(documents)), [len(document.sentences) for document in documents])
    # Neither a sentence nor a document is empty in a store.
    sentences_in = np.bincount(sentences_of[lengths > 0], minlength=len(documents))
    counts = {"tokens": len(tokens), "sentences": int((lengths > 0).sum())}
    sentence_ends, document_ends = np.cumsum(lengths[lengths > 0]), np.cumsum(sentences_in[sentences_in > 0])
    return TokenStore(Path(), tokens, np.append(0, sentence_ends), np.append(0, document_ends), counts)


def _lines(documents: list[Document]) -> str:
    return "\n".join(sentence.replace("\n", " ") for document in documents for sentence in document.sentences)
