"""The stage "tokens": RUN/corpus and RUN/tokenizer -> RUN/store, one token store for each split."""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer
from tqdm import tqdm

from recipe.config import Recipe
from recipe.corpus import SPLITS, Document, split_of
from recipe.corpus.prepared import read_prepared, validation_share
from recipe.errors import InputError
from recipe.tokenizer.folder import load_tokenizer
from recipe.tokens.store import TokenStore, write_token_stores


def build_token_stores(recipe: Recipe) -> None:
    """Tokenise the clean documents of a run into RUN/store/train and RUN/store/validation.

    Raises:
        InputError: if a split has fewer than two documents.
    """
    folders = {split: recipe.folder / "store" / split for split in SPLITS}
    corpus, seed = recipe.folder / "corpus", recipe.seed
    share = validation_share(corpus, recipe.corpus, seed)
    if share != recipe.corpus.validation_share:
        print(
            f"tokens: corpus.validation_share {recipe.corpus.validation_share} would hold out fewer than two"
            " documents, so two are held out",
            flush=True,
        )
    documents = tqdm(read_prepared(corpus), desc="tokens: documents tokenised", unit=" documents", disable=None)
    with_split = ((split_of(document, share, seed), document) for document in documents)
    write_split_stores(folders, with_split, load_tokenizer(recipe.folder / "tokenizer"), recipe.pairs.num_proc)


def write_split_stores(
    folders: dict[str, Path], documents: Iterable[tuple[str, Document]], tokenizer: Tokenizer, num_proc: int
) -> dict[str, TokenStore]:
    """Token stores of the splits, in one pass over the documents, each with the name of its split.

    Raises:
        InputError: if a split has fewer than two documents, or most tokens are [UNK].
    """
    stores = write_token_stores(folders, documents, tokenizer, num_proc)
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
