"""Steps that keep the first of documents that are the same, or nearly: by a hash, and by MinHash."""

import hashlib
from collections.abc import Callable

import numpy as np

from recipe.corpus.cleaning.filter import Candidate, Removal, SignatureFilter
from recipe.corpus.cleaning.hash_set import HashSet
from recipe.errors import InputError

WORDS_PER_SHINGLE = 5
_PERMUTATIONS = 128


class ExactDuplicates(SignatureFilter):
    """Drop documents whose text was seen before; capital letters and white space count."""

    name = "exact_duplicates"

    def __init__(self) -> None:
        self._seen = HashSet()

    def mark(self, candidate: Candidate) -> bytes:
        return hashlib.blake2b(candidate.encoded, digest_size=8).digest()

    def judge(self, candidate: Candidate, mark: bytes) -> str | Removal:
        if self._seen.add(int.from_bytes(mark, "little")):
            return candidate.text
        return Removal("the text was seen before", candidate.excerpt)


class NearDuplicates(SignatureFilter):
    """Drop documents whose set of five words in a row overlaps with that of an earlier one (Jaccard, estimated by 128
    MinHashes).

    The index keeps about 4 KB for each document that stays.
    Source: Broder, On the resemblance and containment of documents (1997).
    """

    name = "near_duplicates"

    def __init__(self, min_similarity: float) -> None:
        minhash, index = _datasketch()
        self._minhash: Callable = minhash
        self._signature = minhash(num_perm=_PERMUTATIONS, seed=1)
        self._index = index(threshold=min_similarity, num_perm=_PERMUTATIONS)
        self._min_similarity = min_similarity
        self._signatures: list[np.ndarray] = []

    def mark(self, candidate: Candidate) -> bytes:
        signature = self._minhash(num_perm=_PERMUTATIONS, seed=1, hashfunc=_hash)
        signature.update_batch(_shingles(candidate.lowered))
        return signature.hashvalues.astype("<u4").tobytes()

    def judge(self, candidate: Candidate, mark: bytes) -> str | Removal:
        values, signature = np.frombuffer(mark, "<u4"), self._signature
        # The index copies what it keeps, so one object carries the values of all documents; making it draws the
        # permutations.
        signature.hashvalues = values.astype(signature.hashvalues.dtype)
        # The index also names some below the threshold.
        similar = max(
            (float((self._signatures[number] == values).mean()) for number in self._index.query(signature)),
            default=0.0,
        )
        if similar >= self._min_similarity:
            return Removal(
                f"about {similar:.0%} of its runs of {WORDS_PER_SHINGLE} words stand in an earlier document",
                candidate.excerpt,
            )
        self._index.insert(len(self._signatures), signature, check_duplication=False)
        self._signatures.append(values)
        return candidate.text


def _shingles(text: bytes) -> list[bytes]:
    words = text.split()
    runs = zip(*(words[start:] for start in range(WORDS_PER_SHINGLE)), strict=False)
    return list({b" ".join(run) for run in runs}) or [b" ".join(words)]


def _hash(value: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(value, digest_size=4).digest(), "little")


def _datasketch() -> tuple[Callable, Callable]:
    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError:
        raise InputError(
            "corpus.near_duplicates needs the package datasketch: pip install 'domain-bert[dedup]', or set it to null"
        ) from None
    return MinHash, MinHashLSH
