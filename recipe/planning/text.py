"""The training text of a recipe in numbers, and what is counted in a token store for them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from recipe.config import CorpusConfig, PairsConfig, Recipe
from recipe.corpus import Source, source_files
from recipe.errors import InputError
from recipe.pairs.sampling import DOCUMENTS_PER_BLOCK, PairRules, make_pairs, pair_seed
from recipe.pairs.statistics import SPECIALS_PER_PAIR
from recipe.tokenizer.folder import SPECIAL_TOKENS
from recipe.tokens.store import TokenStore, token_counts

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
        corpus_bytes=stored_bytes(recipe.corpus),
        clean_bytes=clean_bytes,
        source=source,
    )


def one_pass(store: TokenStore, rules: PairsConfig, seed: int) -> tuple[float, np.ndarray]:
    """Pairs of a pass, and the share of each length in 0..max_seq_length; of a large store from a part of it."""
    settings = PairRules.of(rules, SPECIALS_PER_PAIR)
    # Contiguous runs of documents, so that only their offsets are read from the disk.
    size, starts = store.documents, np.zeros(1, int)
    if store.documents > RANGES * DOCUMENTS_PER_BLOCK:
        size, starts = DOCUMENTS_PER_BLOCK, np.linspace(0, size - DOCUMENTS_PER_BLOCK, RANGES).astype(int)
    counts, tokens = np.zeros(rules.max_seq_length + 1, np.int64), 0
    for first in starts.tolist():
        offsets = store.sentence_offsets, store.document_offsets
        # The seed of the stage pairs, so that the first pass is the same one.
        for pairs in make_pairs(*offsets, settings, pair_seed(seed), 0, first, first + size):
            lengths = pairs.a_length + pairs.b_length + SPECIALS_PER_PAIR
            counts += np.bincount(lengths, minlength=len(counts))
        ends = store.document_offsets[[first, first + size]]
        tokens += int(np.diff(store.sentence_offsets[ends])[0])
    return float(counts.sum() * store.counts["tokens"] / tokens), counts / counts.sum()


def rare_share(store: TokenStore, tokenizer: Tokenizer) -> float:
    """Share of the pieces that occur fewer than RARE_PIECE times in a store; special and unused ones do not count."""
    numbers = [
        number
        for name, number in tokenizer.get_vocab().items()
        if name not in SPECIAL_TOKENS and not name.startswith("[unused")
    ]
    return float((token_counts(store, tokenizer.get_vocab_size())[numbers] < RARE_PIECE).mean())


def masked_per_row(text: Text, share: float, most: int | None) -> float:
    """Masked tokens of a row on average, of a share of its tokens without special ones and at most `most`."""
    chosen: Any = share * np.maximum(0, np.arange(len(text.lengths)) - SPECIALS_PER_PAIR)
    return float(text.lengths @ np.minimum(chosen, most or np.inf))


def stored_size(source: Source) -> int:
    """Bytes of a file of the corpus, compressed if it is."""
    return source.state()["size"]


def stored_bytes(config: CorpusConfig) -> int:
    """Bytes of all files of the corpus; 0 where they are not here any more, or on the Hub."""
    try:
        return sum(map(stored_size, source_files(config)))
    except InputError:
        return 0
