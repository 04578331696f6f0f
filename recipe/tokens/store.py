"""Documents -> memory-mapped token ids with the offsets of sentences and documents, in a stream of constant memory."""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tokenizers import Tokenizer

from recipe.corpus import Document
from recipe.errors import InputError
from recipe.files import (
    atomic_write,
    explain_disk_full,
    file_lock,
    read_json,
    sha256_of_file,
    sha256_of_json,
    write_json,
)
from recipe.provenance import package_versions
from recipe.tokens.blocks import BlockWriters, TextBlock, TokenBlock, read_block
from recipe.tokens.encoding import ids_dtype, special_ids
from recipe.tokens.plain_text import unknown_id

# Raise it when the ids, their blocks or the files of a store change: all stores are then written again.
VERSION = 2
# What a killed build loses at most, per process. Larger blocks gain nothing but take more memory.
CHARACTERS_PER_BLOCK = 1 << 23
# A sentence must fit in a block, whose offsets are 32-bit numbers.
MAX_SENTENCE_CHARACTERS = 1 << 28
MANIFEST = "sha256.json"
# Over this share of [UNK] there is too little text left to learn from.
MOST_UNKNOWN = 0.5
_ARRAYS = ("tokens.bin", "sentences.bin", "documents.bin")


@dataclass(frozen=True)
class TokenStore:
    """A corpus as token ids.

    tokens: shape (tokens,), uint16 or uint32, memory-mapped.
    sentence_offsets: shape (sentences + 1,), int64: sentence i is tokens[sentence_offsets[i]:sentence_offsets[i + 1]].
    document_offsets: shape (documents + 1,), int64: document d is the sentences document_offsets[d] to
    document_offsets[d + 1]. None of either is empty.
    counts: documents, sentences and tokens; unknown_tokens ([UNK]) and special_tokens ([UNK] too), which are never
    masked; empty_sentences and empty_documents, which were left out.
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


def write_token_store(
    folder: Path, documents: Iterable[Document], tokenizer: Tokenizer, num_proc: int = 1
) -> TokenStore:
    """Tokenise the documents into a store in `folder`, which is complete or absent, and open it.

    Args:
        num_proc: processes that tokenise; the store is the same for any number.

    Raises:
        InputError: if the disk is full, or a sentence has more than MAX_SENTENCE_CHARACTERS.
    """
    return write_token_stores({"": folder}, (("", document) for document in documents), tokenizer, num_proc)[""]


def write_token_stores(
    folders: dict[str, Path], documents: Iterable[tuple[str, Document]], tokenizer: Tokenizer, num_proc: int = 1
) -> dict[str, TokenStore]:
    """Several stores in one pass over the documents; each document comes with the name of its store.

    When the pass is cut off, even by SIGKILL, FOLDER.blocks keeps the blocks that were finished, and the next attempt
    takes up those that still fit.
    """
    tokenizer_json = tokenizer.to_str()
    parent = next(iter(folders.values())).parent
    with ExitStack() as stack:
        stack.enter_context(explain_disk_full(parent, kept="what is done in *.blocks there is kept"))
        # In one order, so that two builds of the same stores cannot each wait for a lock of the other.
        for folder in sorted(folders.values()):
            stack.enter_context(file_lock(folder))
        with BlockWriters(tokenizer_json, num_proc) as writers:
            paths = write_blocks(folders, documents, encoding_version(tokenizer_json), writers)
        for name, folder in folders.items():
            join_blocks(folder, paths[name], tokenizer)
        for folder in folders.values():
            shutil.rmtree(blocks_folder(folder), ignore_errors=True)
    return {name: open_token_store(folder) for name, folder in folders.items()}


def write_blocks(
    folders: dict[str, Path], documents: Iterable[tuple[str, Document]], version: str, writers: BlockWriters
) -> dict[str, list[Path]]:
    """The files in FOLDER.blocks of all blocks of each store, in their order; complete ones are not written again.

    Args:
        version: `encoding_version` of the tokenizer.
    """
    paths: dict[str, list[Path]] = {name: [] for name in folders}
    for folder in folders.values():
        blocks_folder(folder).mkdir(parents=True, exist_ok=True)
    for name, block in _blocks(folders, documents):
        path = blocks_folder(folders[name]) / block.key(version)
        paths[name].append(path)
        if read_block(path) is None:
            writers.write(block, path)
    writers.finish()
    return paths


def join_blocks(folder: Path, paths: list[Path], tokenizer: Tokenizer) -> None:
    """Write a store atomically, of the blocks of a corpus in order.

    Raises:
        InputError: if a block is missing or changed, or more than half of the tokens are [UNK], or none can be masked.
    """
    with atomic_write(folder) as partial:
        partial.mkdir()
        with ExitStack() as files:
            opened = [files.enter_context(open(partial / name, "wb")) for name in _ARRAYS]
            joined = _StoreFiles(opened, unknown_id(tokenizer), special_ids(tokenizer))
            for path in paths:
                block = read_block(path)
                if block is None:
                    raise InputError(f"{path}: was removed or changed during the build; run the same command again")
                joined.add(block)
            joined.close()
        _refuse_unknown(joined.counts)
        write_json(partial / "store.json", {"dtype": ids_dtype(tokenizer).name, "counts": joined.counts})
        names = (*_ARRAYS, "store.json")
        write_json(partial / MANIFEST, {name: sha256_of_file(partial / name) for name in names})


def open_token_store(folder: Path) -> TokenStore:
    """Map a store that `write_token_store` made.

    Raises:
        InputError: if it is absent, or its files are not as long as they were written.
    """
    if not (folder / "store.json").is_file() or not (folder / MANIFEST).is_file():
        raise InputError(f"{folder}: no token store here; run `domain-bert pairs` first")
    remedy = "run `domain-bert pairs` again"
    header, recorded = read_json(folder / "store.json", remedy), read_json(folder / MANIFEST, remedy)
    # The arrays are compared once per start of a run; this small file says how long they are.
    if recorded.get("store.json") != sha256_of_file(folder / "store.json"):
        raise InputError(f"{folder / 'store.json'}: is not as it was written, its sha256 differs; {remedy}")
    counts = header["counts"]
    dtypes = (header["dtype"], "int64", "int64")
    lengths = (counts["tokens"], counts["sentences"] + 1, counts["documents"] + 1)
    arrays = [_map(folder / name, *shape) for name, *shape in zip(_ARRAYS, dtypes, lengths, strict=True)]
    return TokenStore(folder, arrays[0], arrays[1], arrays[2], counts)


def token_counts(store: TokenStore, vocab_size: int) -> np.ndarray:
    """How often each token stands in the store: int64 of shape (vocab_size,)."""
    total = np.zeros(vocab_size, np.int64)
    # bincount makes 64-bit numbers of what it is given, so a window at a time.
    for start in range(0, len(store.tokens), 1 << 24):
        total += np.bincount(store.tokens[start : start + (1 << 24)], minlength=vocab_size)
    return total


def store_hash(folder: Path) -> str:
    """sha256 of a store's content, taken from the record that was written with it."""
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder}: no token store here; run `domain-bert pairs` first")
    return sha256_of_json(read_json(folder / MANIFEST, "run `domain-bert pairs` again"))


# Blocks are cut by the text alone and joined in its order, so a store has the same bytes for any number of processes
# and any size of block.
class _BlockCutter:
    """Gathers documents until they make a block."""

    def __init__(self) -> None:
        self._start(continues=False)

    def add(self, document: Document) -> Iterator[TextBlock]:
        """Take up a document, and give the blocks that it fills, in the middle of it if need be."""
        self._document_lengths.append(0)
        if max(map(len, document.sentences), default=0) > MAX_SENTENCE_CHARACTERS:
            raise InputError(
                f"{document.source}: a sentence of this document has more than {MAX_SENTENCE_CHARACTERS:,} characters;"
                " put each sentence on its own line"
            )
        if self._characters + sum(map(len, document.sentences)) < CHARACTERS_PER_BLOCK:
            self._take(document.sentences)
            return
        for sentence in document.sentences:
            self._take([sentence])
            if self._characters >= CHARACTERS_PER_BLOCK:
                yield self._block()
                self._start(continues=True)
                self._document_lengths.append(0)

    def rest(self) -> Iterator[TextBlock]:
        """The last block, if any document is left."""
        if self._document_lengths:
            yield self._block()

    def _start(self, continues: bool) -> None:
        self._sentences: list[str] = []
        self._document_lengths: list[int] = []
        self._characters = 0
        self._continues = continues

    def _take(self, sentences: list[str]) -> None:
        self._sentences += sentences
        self._document_lengths[-1] += len(sentences)
        self._characters += sum(map(len, sentences)) + len(sentences)

    def _block(self) -> TextBlock:
        text = "\n".join(self._sentences)
        if text.count("\n") > len(self._sentences) - 1:
            # A newline within a sentence, which no reader gives, counts as a space.
            text = "\n".join(sentence.replace("\n", " ") for sentence in self._sentences)
        return TextBlock(text.encode(), np.array(self._document_lengths, np.int64), self._continues)


class _StoreFiles:
    """Blocks -> the files of a store, one after another."""

    # A document that was cut in two must become one again, so the last document of a block stays open.
    def __init__(self, files: Sequence[BinaryIO], unknown: int, special: Iterable[int]) -> None:
        self._tokens, self._sentences, self._ends = files
        self._unknown, self._special = unknown, sorted(special)
        for offsets in files[1:]:
            offsets.write(np.zeros(1, np.int64).data)
        names = ("documents", "sentences", "tokens", "unknown_tokens", "special_tokens", "empty_sentences")
        self.counts = dict.fromkeys((*names, "empty_documents"), 0)
        self._open_document: int | None = None

    def add(self, block: TokenBlock) -> None:
        """Append a block, without its last document, with which the next block may go on."""
        self._tokens.write(block.tokens.data)
        self._sentences.write((self.counts["tokens"] + np.cumsum(block.sentence_lengths)).data)
        self.counts["tokens"] += len(block.tokens)
        self.counts["empty_sentences"] += block.empty_sentences
        self.counts["unknown_tokens"] += int((block.tokens == self._unknown).sum())
        self.counts["special_tokens"] += int(np.isin(block.tokens, self._special).sum())
        lengths = block.document_lengths.copy()
        if block.continues:
            lengths[0] += self._open_document or 0
        elif self._open_document is not None:
            lengths = np.append(self._open_document, lengths)
        self._open_document = int(lengths[-1])
        self._add_documents(lengths[:-1])

    def close(self) -> None:
        """The last document is complete."""
        if self._open_document is not None:
            self._add_documents(np.array([self._open_document]))

    def _add_documents(self, lengths: np.ndarray) -> None:
        self.counts["empty_documents"] += int((lengths == 0).sum())
        lengths = lengths[lengths > 0]
        self._ends.write((self.counts["sentences"] + np.cumsum(lengths)).astype(np.int64).data)
        self.counts["sentences"] += int(lengths.sum())
        self.counts["documents"] += len(lengths)


def _refuse_unknown(counts: dict[str, int]) -> None:
    tokens, unknown = counts["tokens"], counts["unknown_tokens"]
    if tokens and (unknown > MOST_UNKNOWN * tokens or counts["special_tokens"] == tokens):
        raise InputError(
            f"corpus: {unknown / tokens:.0%} of the {tokens:,} tokens are [UNK], so there is nothing to learn: the"
            " tokenizer does not fit the text. Words of over 100 letters (as in Thai, without spaces) and characters"
            " that the vocabulary lacks become [UNK]; put spaces between words, or train the tokenizer on this text"
            " (tokenizer.path: null)"
        )


def _blocks(names: Iterable[str], documents: Iterable[tuple[str, Document]]) -> Iterator[tuple[str, TextBlock]]:
    cutters = {name: _BlockCutter() for name in names}
    for name, document in documents:
        for block in cutters[name].add(document):
            yield name, block
    for name, cutter in cutters.items():
        for block in cutter.rest():
            yield name, block


def encoding_version(tokenizer_json: str) -> str:
    """Hash of all that shapes a block's ids besides its text: tokenizer, VERSION, and the library that tokenises."""
    return sha256_of_json([tokenizer_json, VERSION, package_versions().get("tokenizers")])


def blocks_folder(folder: Path) -> Path:
    """Where the blocks of a store are kept until they are joined."""
    return folder.with_name(folder.name + ".blocks")


def _map(path: Path, dtype: str, length: int) -> np.ndarray:
    expected = length * np.dtype(dtype).itemsize
    found = path.stat().st_size if path.is_file() else 0
    if found != expected:
        raise InputError(f"{path}: {found} bytes instead of {expected}; run `domain-bert pairs` again")
    # An empty file cannot be mapped.
    return np.memmap(path, dtype=dtype, mode="r", shape=(length,)) if length else np.zeros(0, dtype)
