"""The hash of a set: of its members alone, and of each of them."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from components.runtime.set_hash import EMPTY, digest, joined, parted

members = st.lists(st.binary(max_size=8), max_size=8, unique=True)


def test_it_is_the_product_of_numbers_modulo_the_prime() -> None:
    """Computed a second time, in the plainest way."""
    prime = 2**3072 - 1103717
    product = 1
    for member in (b"a", b"b", b"c"):
        number = int.from_bytes(hashlib.shake_256(member).digest(384), "big")
        product = product * number % prime
    expected = hashlib.sha256(product.to_bytes(384, "big")).hexdigest()
    assert digest(joined(EMPTY, [b"a", b"b", b"c"])) == expected
    # SHA-256 of 384 bytes that stand for 1, computed with sha256sum.
    assert digest(EMPTY) == "ab1642a5fbec142ed166521affcb32a1018793ccff8a30ce6b951a790f5d56a5"


@given(members, st.randoms())
def test_the_order_does_not_matter(some: list[bytes], random: object) -> None:
    other = sorted(some, key=lambda _: random.random())  # type: ignore[attr-defined]  # hypothesis's
    assert digest(joined(EMPTY, some)) == digest(joined(EMPTY, other))


@given(members, members)
def test_sets_that_differ_have_hashes_that_differ(some: list[bytes], other: list[bytes]) -> None:
    same = digest(joined(EMPTY, some)) == digest(joined(EMPTY, other))
    assert same == (set(some) == set(other))


@given(members, members)
def test_what_has_left_leaves_no_trace(some: list[bytes], gone: list[bytes]) -> None:
    gone = [member for member in gone if member not in some]
    product = parted(joined(joined(EMPTY, gone), some), gone)
    assert digest(product) == digest(joined(EMPTY, some))


def test_a_product_stays_small_however_many_there_are() -> None:
    product = joined(EMPTY, (str(number).encode() for number in range(1000)))
    assert product.bit_length() <= 3073
