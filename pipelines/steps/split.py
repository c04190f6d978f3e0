"""Which rows are held out for the test: decided by each row's content alone.

The same row falls on the same side in every run, whatever is added around it, so that a champion
is never scored on rows that it was trained on. Equal rows fall on one side, so none leaks.
"""

import hashlib
from collections.abc import Sequence

TEST_SHARE = 0.25

# Separates fields in what is hashed; not in text that people write (ASCII unit separator).
_SEPARATOR = "\x1f"


def held_out(fields: Sequence[str], share: float = TEST_SHARE) -> bool:
    """Whether the row with these fields, in a fixed order of columns, belongs to the test set.

    `share` (0..1) is the part of all distinct rows that does: the first 64 bits of the SHA-256 of
    a row are taken as a fraction.
    """
    digest = hashlib.sha256(_SEPARATOR.join(fields).encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64
