"""Filters that keep the first of documents that are the same, or nearly: by a hash, and by MinHash."""

import hashlib

import numpy as np

from recipe.corpus.cleaning.filter import Candidate, Removal, SignatureFilter
from recipe.corpus.cleaning.hash_set import HashSet
from recipe.errors import InputError

WORDS_PER_SHINGLE = 5
_PERMUTATIONS = 128


class ExactDuplicates(SignatureFilter):
    """Remove documents whose text was seen before; capital letters and white space count."""

    name = "exact_duplicates"

    def __init__(self) -> None:
        self._seen = HashSet()

    def signature(self, candidate: Candidate) -> bytes:
        return hashlib.blake2b(candidate.encoded, digest_size=8).digest()

    def decide(self, candidate: Candidate, signature: bytes) -> str | Removal:
        if self._seen.add(int.from_bytes(signature, "little")):
            return candidate.text
        return Removal("the text was seen before", candidate.excerpt)


class NearDuplicates(SignatureFilter):
    """Remove documents whose runs of five words overlap with an earlier one's (Jaccard, by 128 MinHashes).

    The index keeps about 4 KB for each document that stays.
    Source: Broder, On the resemblance and containment of documents (1997).
    """

    name = "near_duplicates"

    def __init__(self, min_similarity: float) -> None:
        try:
            from datasketch import MinHash, MinHashLSH
        except ImportError:
            raise InputError(
                "corpus.near_duplicates needs the package datasketch: pip install datasketch, or set it to null"
            ) from None
        self._make_minhash = MinHash
        # Making a MinHash draws the permutations, so one object carries the values of all documents: the index copies
        # what it keeps.
        self._minhash = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=_hash)
        self._index = MinHashLSH(threshold=min_similarity, num_perm=_PERMUTATIONS)
        self._min_similarity = min_similarity
        self._kept: list[np.ndarray] = []

    def signature(self, candidate: Candidate) -> bytes:
        minhash = self._make_minhash(num_perm=_PERMUTATIONS, seed=1, hashfunc=_hash)
        minhash.update_batch(_shingles(candidate.lowered))
        return minhash.hashvalues.astype("<u4").tobytes()

    def decide(self, candidate: Candidate, signature: bytes) -> str | Removal:
        values, minhash = np.frombuffer(signature, "<u4"), self._minhash
        minhash.hashvalues = values.astype(minhash.hashvalues.dtype)
        # The index also names some below the threshold, so the similarity of each is looked at.
        found = (float((self._kept[number] == values).mean()) for number in self._index.query(minhash))
        similar = max(found, default=0.0)
        if similar >= self._min_similarity:
            return Removal(
                f"about {similar:.0%} of its runs of {WORDS_PER_SHINGLE} words stand in an earlier document",
                candidate.excerpt,
            )
        self._index.insert(len(self._kept), minhash, check_duplication=False)
        self._kept.append(values)
        return candidate.text


def _shingles(text: bytes) -> list[bytes]:
    words = text.split()
    runs = zip(*(words[start:] for start in range(WORDS_PER_SHINGLE)), strict=False)
    return list({b" ".join(run) for run in runs}) or [b" ".join(words)]


def _hash(value: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(value, digest_size=4).digest(), "little")
