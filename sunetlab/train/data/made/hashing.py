"""Random numbers that are a pure function of where they are used: SplitMix64 over (seed, stream, index, field).

NumPy's generators may change between versions, and a generator's state makes image i depend on the images before
it. Integer hashing has neither fault and is the same on every machine.
"""

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
F32 = NDArray[np.float32]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MASK = 2**64 - 1


def mix(x: U64) -> U64:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014), in place: a bijection that flips half of the bits."""
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def image_keys(seed: int, stream: int, index: U64) -> U64:
    """One key per image: (B,) from its number `index` (B,) within a stream (a split) of a seed."""
    base = mix(np.array([seed & _MASK], dtype=np.uint64) + _GAMMA)
    base = mix(base + _GAMMA * np.array([stream + 1], dtype=np.uint64))
    return mix(base + _GAMMA * (index + np.uint64(1)))


def bits(keys: U64, field: int, count: int) -> U64:
    """`count` hashes per key for one use (`field`): (B, count)."""
    base = mix(keys ^ mix(_GAMMA * np.array([field + 1], dtype=np.uint64)))
    return mix(base[:, None] + _GAMMA * np.arange(1, count + 1, dtype=np.uint64))


def uniform(keys: U64, field: int, count: int) -> F32:
    """`count` numbers per key in [0, 1), multiples of 2⁻²⁴ and so exact: (B, count)."""
    return (bits(keys, field, count) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def below(keys: U64, field: int, count: int, limit: int) -> NDArray[np.int64]:
    """`count` integers per key in [0, limit): (B, count). The bias is below limit / 2³²."""
    high = bits(keys, field, count) >> np.uint64(32)
    return ((high * np.uint64(limit)) >> np.uint64(32)).astype(np.int64)
