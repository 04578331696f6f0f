"""Documents -> memory-mapped token ids with the offsets of sentences and documents, written in a stream so that memory does not grow."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from recipe.corpus import Document
from recipe.errors import InputError
from recipe.provenance import read_json, sha256_of_file, sha256_of_json, whole_or_absent, write_json
from recipe.tokenizer import encode_sentences

SENTENCES_PER_BLOCK = 10_000
SEAL = "sha256.json"


@dataclass(frozen=True)
class TokenStore:
    """A corpus as token ids.

    tokens: shape (tokens,), uint16 or uint32, memory-mapped.
    sentence_offsets: shape (sentences + 1,), int64: sentence i is tokens[sentence_offsets[i]:sentence_offsets[i + 1]], never empty.
    document_offsets: shape (documents + 1,), int64: document d is the sentences document_offsets[d] to document_offsets[d + 1], at least one.
    counts: documents, sentences and tokens; empty_sentences and empty_documents, which were left out.
    """

    folder: Path
    tokens: np.ndarray
    sentence_offsets: np.ndarray
    document_offsets: np.ndarray
    counts: dict[str, int]

    @property
    def documents(self) -> int:
        """Number of documents."""
        return len(self.document_offsets) - 1


def write_token_store(folder: Path, documents: Iterable[Document], tokenizer: Tokenizer) -> TokenStore:
    """Tokenise the documents into a store in `folder`, which is whole or absent, and open it."""
    dtype = np.uint16 if tokenizer.get_vocab_size() <= 2**16 else np.uint32
    counts = {"documents": 0, "sentences": 0, "tokens": 0, "empty_sentences": 0, "empty_documents": 0}
    with whole_or_absent(folder) as partial:
        partial.mkdir()
        with ExitStack() as files:
            tokens, sentences, ends = (files.enter_context(open(partial / name, "wb")) for name in ("tokens.bin", "sentences.bin", "documents.bin"))
            for offsets in (sentences, ends):
                np.zeros(1, np.int64).tofile(offsets)
            for block in _blocks(documents):
                ids, sentence_lengths, document_lengths = _encode_block(block, tokenizer, counts)
                ids.astype(dtype).tofile(tokens)
                (counts["tokens"] + np.cumsum(sentence_lengths)).tofile(sentences)
                (counts["sentences"] + np.cumsum(document_lengths)).tofile(ends)
                counts["tokens"] += len(ids)
                counts["sentences"] += len(sentence_lengths)
                counts["documents"] += len(document_lengths)
        write_json(partial / "store.json", {"dtype": np.dtype(dtype).name, "counts": counts})
        write_json(partial / SEAL, {name: sha256_of_file(partial / name) for name in ("tokens.bin", "sentences.bin", "documents.bin", "store.json")})
    return open_token_store(folder)


def open_token_store(folder: Path) -> TokenStore:
    """Map a store that `write_token_store` made.

    Raises:
        InputError: if it is absent, or its files are not as long as they were written.
    """
    if not (folder / "store.json").is_file():
        raise InputError(f"{folder}: no token store here; run scripts/build_pairs.py first")
    header = read_json(folder / "store.json")
    counts = header["counts"]
    arrays = [
        _map(folder / name, dtype, length)
        for name, dtype, length in (
            ("tokens.bin", header["dtype"], counts["tokens"]),
            ("sentences.bin", "int64", counts["sentences"] + 1),
            ("documents.bin", "int64", counts["documents"] + 1),
        )
    ]
    return TokenStore(folder, arrays[0], arrays[1], arrays[2], counts)


def token_counts(store: TokenStore, vocab_size: int) -> np.ndarray:
    """How often each token stands in the store: int64 of shape (vocab_size,)."""
    total = np.zeros(vocab_size, np.int64)
    for start in range(0, len(store.tokens), 1 << 24):
        total += np.bincount(store.tokens[start : start + (1 << 24)], minlength=vocab_size)
    return total


def store_hash(folder: Path) -> str:
    """sha256 of a store's content, taken from the record that was written with it."""
    if not (folder / SEAL).is_file():
        raise InputError(f"{folder}: no token store here; run scripts/build_pairs.py first")
    return sha256_of_json(read_json(folder / SEAL))


def _blocks(documents: Iterable[Document]) -> Iterator[list[Document]]:
    block: list[Document] = []
    size = 0
    for document in documents:
        block.append(document)
        size += len(document.sentences)
        if size >= SENTENCES_PER_BLOCK:
            yield block
            block, size = [], 0
    if block:
        yield block


def _encode_block(block: list[Document], tokenizer: Tokenizer, counts: dict[str, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Token ids, tokens per sentence and sentences per document of a block; what holds no token is left out and counted."""
    ids, lengths = encode_sentences(tokenizer, [sentence for document in block for sentence in document.sentences])
    owner = np.repeat(np.arange(len(block)), [len(document.sentences) for document in block])
    document_lengths = np.bincount(owner[lengths > 0], minlength=len(block))
    counts["empty_sentences"] += int((lengths == 0).sum())
    counts["empty_documents"] += int((document_lengths == 0).sum())
    return ids, lengths[lengths > 0], document_lengths[document_lengths > 0].astype(np.int64)


def _map(path: Path, dtype: str, length: int) -> np.ndarray:
    expected = length * np.dtype(dtype).itemsize
    found = path.stat().st_size if path.is_file() else 0
    if found != expected:
        raise InputError(f"{path}: {found} bytes instead of {expected}; the file was cut or changed: run scripts/build_pairs.py again")
    return np.memmap(path, dtype=dtype, mode="r", shape=(length,)) if length else np.zeros(0, dtype)
