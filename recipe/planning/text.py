"""How much text a recipe has, in tokens and pairs: counted in its token store, or estimated from a sample of files."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from recipe.config import CorpusConfig, PairsConfig, Recipe
from recipe.corpus import Document, RawDocument, Source, source_files, split_documents
from recipe.corpus.cleaning import CleaningReport, cleaning_filters
from recipe.corpus.readers.hub_dataset import hub_sources
from recipe.corpus.reading import corpus_formats, read_source
from recipe.errors import InputError
from recipe.pairs.sampling import DOCUMENTS_PER_BLOCK, PairRules, make_pairs
from recipe.pairs.statistics import SPECIALS_PER_PAIR
from recipe.rng import derive_key
from recipe.tokenizer.folder import SPECIAL_TOKENS, load_tokenizer
from recipe.tokenizer.wordpiece import train_wordpiece
from recipe.tokens.encoding import SentenceEncoder
from recipe.tokens.store import TokenStore, token_counts

# What is read of a corpus that has no token store: some seconds of work, from this many files or more.
SAMPLE_CHARACTERS = 8_000_000
SAMPLE_FILES = 16
# The beginnings of some files need not be like the rest, however alike they are among themselves.
LEAST_DOUBT = 0.1
# At 15 % masking a piece of 20 occurrences is predicted three times a pass, too few to learn an embedding from.
RARE_PIECE = 20
# Pairs of a larger store are made of as many documents, from all over it.
RANGES = 8


@dataclass(frozen=True)
class Text:
    """The training text of a recipe.

    tokens, documents, sentences: of the training split. low, high: factors of the least and the most tokens that are
    likely; 1 where they were counted.
    pairs: of one pass. lengths: shape (max_seq_length + 1,), share of the rows that have so many tokens.
    vocab_size: entries of the tokenizer. rare_share: see `rare_share`; None where only a part of the text was read.
    corpus_bytes: of the files as stored, 0 if not known. clean_bytes: of RUN/corpus. source: where all this is from.
    """

    tokens: float
    documents: float
    sentences: float
    low: float
    high: float
    pairs: float
    lengths: np.ndarray
    vocab_size: int
    rare_share: float | None
    corpus_bytes: int
    clean_bytes: float
    source: str

    @property
    def mean_length(self) -> float:
        """Tokens of a row, special tokens too."""
        return float(self.lengths @ np.arange(len(self.lengths)))

    @property
    def mean_squared_length(self) -> float:
        """Mean square of the tokens of a row, which attention is about."""
        return float(self.lengths @ np.arange(len(self.lengths)) ** 2)


def counted_text(recipe: Recipe, store: TokenStore, tokenizer: Tokenizer, source: str, clean_bytes: int) -> Text:
    """The text of the token store of the training split, with one pass of pairs over it, or over a part of it."""
    pairs, lengths = one_pass(store, recipe.pairs, recipe.seed)
    return Text(
        tokens=store.counts["tokens"],
        documents=store.documents,
        sentences=store.counts["sentences"],
        low=1,
        high=1,
        pairs=pairs,
        lengths=lengths,
        vocab_size=tokenizer.get_vocab_size(),
        rare_share=rare_share(store, tokenizer),
        corpus_bytes=_stored_bytes(recipe.corpus),
        clean_bytes=clean_bytes,
        source=source,
    )


def one_pass(store: TokenStore, rules: PairsConfig, seed: int) -> tuple[float, np.ndarray]:
    """Pairs of a pass, and the share of each length in 0..max_seq_length; of a large store from a part of it."""
    settings = PairRules(
        rules.max_seq_length - SPECIALS_PER_PAIR,
        rules.short_seq_probability,
        rules.short_seq_unit,
        rules.nsp_probability,
        rules.truncation,
    )
    # Contiguous runs of documents, so that only their offsets are read from the disk.
    size, starts = store.documents, np.zeros(1, int)
    if store.documents > RANGES * DOCUMENTS_PER_BLOCK:
        size, starts = DOCUMENTS_PER_BLOCK, np.linspace(0, size - DOCUMENTS_PER_BLOCK, RANGES).astype(int)
    counts, tokens = np.zeros(rules.max_seq_length + 1, np.int64), 0
    for first in starts.tolist():
        offsets = store.sentence_offsets, store.document_offsets
        # The seed of the stage pairs, so that the first pass is the same one.
        for pairs in make_pairs(*offsets, settings, derive_key(seed, "pair dataset") >> 1, 0, first, first + size):
            lengths = pairs.a_length + pairs.b_length + SPECIALS_PER_PAIR
            counts += np.bincount(lengths, minlength=len(counts))
        ends = store.document_offsets[[first, first + size]]
        tokens += int(np.diff(store.sentence_offsets[ends])[0])
    return counts.sum() * store.counts["tokens"] / tokens, counts / counts.sum()


def rare_share(store: TokenStore, tokenizer: Tokenizer) -> float:
    """Share of the pieces that occur fewer than RARE_PIECE times in a store; special and unused ones do not count."""
    numbers = [
        number
        for name, number in tokenizer.get_vocab().items()
        if name not in SPECIAL_TOKENS and not name.startswith("[unused")
    ]
    return float((token_counts(store, tokenizer.get_vocab_size())[numbers] < RARE_PIECE).mean())


@dataclass(frozen=True)
class _CountedSource(Source):
    """A file of the corpus that remembers how it was opened, so that one can see how far it was read."""

    opened: list[BinaryIO] = field(default_factory=list, compare=False)

    def open_raw(self) -> BinaryIO:
        self.opened.append(super().open_raw())
        return self.opened[-1]


@dataclass(frozen=True)
class _Sample:
    """What was read of a file: its clean documents, and the share of the file that they were in, 0 to 1."""

    documents: list[Document]
    characters: int
    share: float
    size: int


def sampled_text(recipe: Recipe, tokenizer_folder: Path | None) -> Text:
    """The text of a recipe whose token store is not made, from the beginnings of some files.

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
    total, doubt = _extrapolated(samples, sum(_size(source) for source in sources))
    is_whole = len(samples) == len(sources) and all(sample.share == 1 for sample in samples)

    tokenizer, low, high = _tokenizer_of(recipe, tokenizer_folder, documents, is_whole)
    store = _store_in_memory(documents, tokenizer)
    pairs, lengths = one_pass(store, recipe.pairs, recipe.seed)
    read = sum(sample.characters for sample in samples)
    factor = total / read * (1 - recipe.corpus.validation_share)
    text = "\n".join(sentence for document in documents[:1000] for sentence in document.sentences).encode()
    part = "all" if is_whole else f"{read / 1e6:.1f} M characters, the beginnings"
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
        corpus_bytes=_stored_bytes(recipe.corpus),
        # As RUN/corpus is compressed.
        clean_bytes=total * len(pa.compress(text, "zstd", asbytes=True)) / len(text.decode()),
        source=f"estimated from a sample ({part} of {len(samples):,} of {len(sources):,} files)",
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

    documents: list[Document] = []
    found, before = 0, 0.0
    for document in report.clean(split_documents(read(), config, Counter())):
        share = _share_read(counted, format_, raw_documents)
        # A reader takes a block at a time, so only when it takes the next one are all documents of the last one here.
        if found >= characters and share != before:
            return _Sample(documents, found, before, _size(source))
        documents.append(document)
        found += sum(map(len, document.sentences))
        before = share
    return _Sample(documents, found, 1.0, _size(source))


def _share_read(source: _CountedSource, format_: str, documents: int) -> float:
    """How much of a file its reader has read so far, above 0 to 1."""
    if format_ == "parquet":
        # Arrow jumps about in the file, so rows are counted.
        with Source.open_raw(source) as file:
            return min(1.0, documents / max(1, pq.ParquetFile(file).metadata.num_rows))
    # Compressed bytes of a compressed file, which is what its size counts too.
    return min(1.0, source.opened[-1].tell() / _size(source)) if not source.opened[-1].closed else 1.0


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


def _size(source: Source) -> int:
    return source.state()["size"]


def _stored_bytes(config: CorpusConfig) -> int:
    """Bytes of the corpus's files; 0 where they are not here any more."""
    try:
        return sum(map(_size, source_files(config)))
    except InputError:
        return 0


def masked_per_row(text: Text, share: float, most: int | None) -> float:
    """Masked tokens of a row on average, of a share of its tokens without special ones and at most `most`."""
    chosen: Any = share * np.maximum(0, np.arange(len(text.lengths)) - SPECIALS_PER_PAIR)
    return float(text.lengths @ np.minimum(chosen, most or np.inf))
