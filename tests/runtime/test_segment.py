"""Segments: entries in order, any of which is found without reading the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.runtime import segment as module
from components.runtime.segment import Entry, Index, Segments, from_line, to_line
from tests.runtime.fakes import S3, Clock

keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
entries = st.builds(
    Entry,
    key=keys,
    version_id=st.text(max_size=3),
    size=st.integers(0, 9),
    checksum=st.sampled_from(["sha256:a", "etag:c"]),
)
contents = st.dictionaries(keys, st.none() | entries, min_size=1, max_size=12).map(
    lambda some: {
        key: entry and Entry(key, entry.version_id, entry.size, entry.checksum)
        for key, entry in sorted(some.items())
    }
)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_ENTRIES", 2)
    monkeypatch.setattr(module, "GAP_BYTES", 40)


def segments() -> Segments:
    return Segments(S3(Clock()), "artifacts")


def test_the_format_is_lines_of_json_and_an_index() -> None:
    store = segments()
    made = store.write(
        {
            "a": Entry("a", "v1", 3, "sha256:x"),
            "b\n": None,
            "c": Entry("c", "v2", 0, "etag:y"),
        }
    )
    body = store.s3.get_object(Bucket="artifacts", Key=made.key)["Body"].read()
    assert body == (
        b'["a","v1",3,"sha256:x"]\n["b\\n"]\n["c","v2",0,"etag:y"]\n'  # the entries
        b'["a",0]\n["c",32]\n'  # where blocks of two begin
    )
    assert (made.first, made.objects, made.index_at) == ("a", 3, 54)


@given(entries)
def test_an_entry_survives_its_line(entry: Entry) -> None:
    assert from_line(to_line(entry.key, entry)) == (entry.key, entry)
    assert from_line(to_line(entry.key, None)) == (entry.key, None)
    assert "\n" not in to_line(entry.key, entry)


@given(contents)
def test_a_segment_gives_back_what_was_written(some: dict[str, Entry | None]) -> None:
    store = segments()
    assert dict(store.read(store.write(some))) == some


@given(contents, st.lists(keys))
def test_any_entry_is_found_and_no_other(some: dict[str, Entry | None], others: list[str]) -> None:
    store = segments()
    made = store.write(some)
    index = store.index(made)
    wanted = sorted({*list(some)[::2], *others})
    found: dict[str, Entry | None] = {}
    for span in index.spans(map(index.block, wanted)):
        inside = [key for key in wanted if index.block(key) in range(*span)]
        found |= store.find(made, index, span, inside)
    assert found == {key: some[key] for key in wanted if key in some}


@given(contents, st.lists(keys, min_size=2, max_size=2), st.booleans())
def test_a_range_is_what_lies_in_it(
    some: dict[str, Entry | None], ends: list[str], to_the_end: bool
) -> None:
    after, last = sorted(ends)
    upto = None if to_the_end else last
    store = segments()
    made = store.write(some)
    expected = {k: e for k, e in some.items() if k > after and (upto is None or k <= upto)}
    assert store.between(made, store.index(made), after, upto) == expected


def test_blocks_that_are_close_are_one_request() -> None:
    index = Index(list("abcdef"), [0, 20, 40, 60, 80, 100, 120])
    assert list(index.spans([0, 0, 1, 3])) == [(0, 4)]
    assert list(index.spans([0, 3, 5])) == [(0, 6)]
    assert list(index.spans([0, 4])) == [(0, 1), (4, 5)]
    assert list(index.spans([])) == []


def test_a_key_that_looks_like_a_line_is_not_taken_for_one() -> None:
    store = segments()
    evil = '\n["b","v9",9,"etag:evil"]'
    some = {key: Entry(key, "v1", 1, "etag:good") for key in sorted([evil, "a", "b"])}
    made = store.write(some)
    index = store.index(made)
    assert store.find(made, index, (0, 2), ["b"]) == {"b": some["b"]}
