"""Where randomness starts: (seed, purpose, counters) -> independent, repeatable draws.

Nothing here keeps a state. A draw is a hash of what it is for, so it does not depend on the order of the draws, on the
number of processes, workers or ranks, or on where a run was interrupted.
"""

import hashlib
import math

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIER_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLIER_2 = np.uint64(0x94D049BB133111EB)
# With 8 the order of five things is uneven, with 16 that of few or many passes a chi-square test.
_PERMUTATION_ROUNDS = 16


def derive_key(seed: int, purpose: str, *counters: int) -> int:
    """A 64-bit key for one purpose, such as `derive_key(seed, "pairs", pass_index)`; other purposes give unrelated
    keys.
    """
    text = "\x1f".join([str(int(seed)), purpose, *(str(int(counter)) for counter in counters)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def random_bits(key: np.ndarray | int, *counters: np.ndarray | int) -> np.ndarray:
    """64 random bits, uint64, for each place of the broadcast counters.

    Bits serve as keys again: random_bits(random_bits(key, a), b) is random_bits(key, a, b).

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, figure 16
    (SplitMix64), with the constants of Stafford's variant 13.
    """
    # Hashes instead of generators: a generator per document or row costs tens of microseconds to set up, and a draw
    # would depend on the draws before it. Draws that share counters can share their hash.
    state = np.asarray(key, np.uint64)
    with np.errstate(over="ignore"):
        for counter in counters:
            state = _mix(state + _GOLDEN * (np.asarray(counter).astype(np.uint64) + np.uint64(1)))
    return state


def random_uniform(key: np.ndarray | int, *counters: np.ndarray | int) -> np.ndarray:
    """Uniform float64 in [0, 1), 53 bits each, for each place of the broadcast counters."""
    return uniform_of(random_bits(key, *counters))


def random_below(limit: np.ndarray | int, key: np.ndarray | int, *counters: np.ndarray | int) -> np.ndarray:
    """Uniform int64 in [0, limit) for each place of the counters; limit from 1 to 2**40 (bias below 2**-13)."""
    return below_of(limit, random_bits(key, *counters))


def permuted(places: np.ndarray | int, number: int, key: np.ndarray | int) -> np.ndarray:
    """Where a permutation of 0 to number - 1 puts each place, int64: what takes memory is the places asked for.

    Args:
        number: from 1 to 2**62; each key, of one or of an array of them, gives a permutation of its own.

    Source: a Feistel network over two digits whose bases are near the square root of `number`, with cycle walking:
    Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002, sections 4 and 5.
    """
    high_base = math.isqrt(number - 1) + 1
    low_base = -(-number // high_base)
    where = _feistel(np.asarray(places, np.int64), high_base, low_base, key)
    # The bases have fewer than `high_base` numbers too many. One that falls there is put again until it is in range,
    # which is a permutation still, since its cycle comes back to where it began.
    while (outside := where >= number).any():
        where = np.where(outside, _feistel(where, high_base, low_base, key), where)
    return where


def uniform_of(bits: np.ndarray) -> np.ndarray:
    """The uniform numbers of `random_uniform` from the bits behind them."""
    return (bits >> np.uint64(11)) * (1.0 / (1 << 53))


def below_of(limit: np.ndarray | int, bits: np.ndarray) -> np.ndarray:
    """The numbers of `random_below` from the bits behind them."""
    return (uniform_of(bits) * limit).astype(np.int64)


def torch_seed(seed: int, purpose: str, *counters: int) -> int:
    """A seed that `torch.manual_seed` takes, such as `torch_seed(seed, "dropout", step, rank)`."""
    return derive_key(seed, purpose, *counters) >> 1


def _feistel(places: np.ndarray, high_base: int, low_base: int, key: np.ndarray | int) -> np.ndarray:
    high, low = np.divmod(places, low_base)
    # Each round adds to one digit a hash of the other one, which subtracting would undo.
    for number in range(0, _PERMUTATION_ROUNDS, 2):
        high = (high + random_below(high_base, key, number, low)) % high_base
        low = (low + random_below(low_base, key, number + 1, high)) % low_base
    return high * low_base + low


def _mix(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * _MULTIPLIER_1
    state = (state ^ (state >> np.uint64(27))) * _MULTIPLIER_2
    return state ^ (state >> np.uint64(31))
