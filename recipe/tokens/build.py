"""The stage "tokens": RUN/corpus and RUN/tokenizer -> RUN/store, one token store for each split."""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer
from tqdm import tqdm

from recipe.config import CorpusConfig, Recipe
from recipe.corpus import SPLITS, Document, split_of
from recipe.corpus.prepared import read_prepared
from recipe.errors import InputError
from recipe.tokenizer.folder import load_tokenizer
from recipe.tokens.store import TokenStore, write_token_stores


def build_token_stores(recipe: Recipe) -> None:
    """Tokenise the clean documents of a run into RUN/store/train and RUN/store/validation.

    Raises:
        InputError: if a split has fewer than two documents.
    """
    folders = {split: recipe.folder / "store" / split for split in SPLITS}
    documents = read_prepared(recipe.folder / "corpus")
    tokenizer = load_tokenizer(recipe.folder / "tokenizer")
    write_split_stores(folders, documents, recipe.corpus, tokenizer, recipe.seed, recipe.pairs.num_proc)


def write_split_stores(
    folders: dict[str, Path],
    documents: Iterable[Document],
    corpus: CorpusConfig,
    tokenizer: Tokenizer,
    seed: int,
    num_proc: int,
) -> dict[str, TokenStore]:
    """Token stores of the splits, in one pass over the documents.

    Raises:
        InputError: if a split has fewer than two documents.
    """
    shown = tqdm(documents, desc="tokens: documents tokenised", unit=" documents", disable=None)
    with_split = ((split_of(document, corpus, seed), document) for document in shown)
    stores = write_token_stores(folders, with_split, tokenizer, num_proc)
    for split, store in stores.items():
        require_two_documents(store, split)
    return stores


def require_two_documents(store: TokenStore, split: str) -> None:
    """Refuse a split of which no random segment could be taken.

    Raises:
        InputError: for fewer than two documents.
    """
    if store.documents < 2:
        remedies = {"validation": "raise corpus.validation_share or add documents"}
        raise InputError(
            f"corpus.path: the {split} split has {store.documents} document(s), but a random segment B must come from"
            f" another one; {remedies.get(split, 'put a blank line between documents or add some')}"
        )
