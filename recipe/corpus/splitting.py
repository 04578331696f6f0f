"""Which documents are held out for validation: by a hash of their text, and two of them at least."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from recipe.corpus.document import Document

SPLITS = ("train", "validation")
# With so many expected, fewer than two occur once in a hundred million corpora, so nobody needs to look.
_SAFE = 25
# Two documents to train on and two to validate: a random segment B must come from another one.
_LEAST = 4


def split_of(document: Document, share: float, seed: int) -> str:
    """The split of a document, "train" or "validation": held out if a hash of (seed, text) is under `share`.

    Args:
        share: as `share_of_two` gives it.
    """
    return "validation" if _fraction(document, seed) < share else "train"


def documents_needed(share: float) -> int:
    """How many documents `share_of_two` looks at; a corpus of more keeps its share."""
    return int(_SAFE / share) + 1 if share else 0


def share_of_two(documents: Iterable[Document], share: float, seed: int) -> float:
    """corpus.validation_share, or for a small corpus the least larger share that holds out two documents.

    Args:
        documents: the first `documents_needed` of the corpus, or all of it.
    """
    found = sorted(_fraction(document, seed) for document in islice(documents, documents_needed(share)))
    if not share or not _LEAST <= len(found) < documents_needed(share):
        return share
    # Between the second and the third, so that rounding plays no part; copies have one number and go together.
    return share if found[1] < share else (found[1] + next((each for each in found if each > found[1]), 1.0)) / 2


def with_splits(documents: Iterable[Document], share: float, seed: int) -> Iterator[tuple[str, Document]]:
    """The documents of a stream with their splits; the first `documents_needed` are in memory for a moment."""
    rest = iter(documents)
    first = list(islice(rest, documents_needed(share)))
    share = share_of_two(first, share, seed)
    return ((split_of(document, share, seed), document) for document in chain(first, rest))


def _fraction(document: Document, seed: int) -> float:
    # By a hash, not by a draw: copies of a text stay on one side, and a document stays on its side when others are
    # added. The seed salts the hash, so it cannot be stored with the corpus, which does not depend on the seed.
    text = "\n".join(document.sentences).encode()
    digest = hashlib.blake2b(text, digest_size=8, salt=str(seed).encode()[:16]).digest()
    return int.from_bytes(digest, "little") / 2**64
