"""Snapshots: what is trained on, named by its content and pinned to object versions."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.runtime import set_hash
from components.runtime.segment import Entry, Segments
from components.runtime.snapshot import Changes, Snapshot
from tests.runtime.fakes import S3, Clock

A, B, C = (Entry(f"data/{name}.csv", f"v-{name}", 3, f"sha256:{name}") for name in "abc")


@pytest.fixture
def segments() -> Segments:
    return Segments(S3(Clock()), "artifacts")


def snapshot(
    segments: Segments,
    base: list[list[Entry]],
    delta: dict[str, Entry | None],
    content: list[Entry],
) -> Snapshot:
    return Snapshot(
        id=set_hash.digest(set_hash.joined(set_hash.EMPTY, (entry.content for entry in content))),
        bucket="data",
        prefix="data/",
        origin=1,
        sequence=2,
        objects=len(content),
        size=sum(entry.size for entry in content),
        counts=Changes(added=len(content)),
        base=tuple(segments.write({entry.key: entry for entry in part}) for part in base),
        delta=segments.write(delta) if delta else None,
    )


def test_what_identifies_an_object_is_its_key_size_and_checksum_and_not_its_version() -> None:
    assert A.content == b'["data/a.csv",3,"sha256:a"]'
    assert replace(A, version_id="another").content == A.content


def test_the_delta_goes_before_the_base(segments: Segments) -> None:
    new = replace(A, version_id="v2", checksum="sha256:other")
    made = snapshot(segments, [[A], [B]], {A.key: new, B.key: None, C.key: C}, [new, C])
    assert list(made.entries(segments)) == [new, C]


def test_keys_before_and_between_the_segments_come_in_order(segments: Segments) -> None:
    made = snapshot(segments, [[B], [C]], {A.key: A, "data/bb": None}, [A, B, C])
    assert list(made.entries(segments)) == [A, B, C]


def test_a_small_data_set_is_a_delta_alone_and_an_empty_one_nothing(segments: Segments) -> None:
    assert list(snapshot(segments, [], {A.key: A}, [A]).entries(segments)) == [A]
    assert list(snapshot(segments, [], {}, []).entries(segments)) == []


def test_a_snapshot_that_was_changed_is_refused(segments: Segments) -> None:
    made = snapshot(segments, [[A, B]], {}, [A, B])
    short = replace(made, base=(segments.write({A.key: A}),))
    with pytest.raises(ValueError, match="It was changed after it was written"):
        list(short.entries(segments))


def test_a_manifest_of_another_format_is_refused(segments: Segments) -> None:
    manifest = snapshot(segments, [], {A.key: A}, [A]).to_json()
    with pytest.raises(ValueError, match="format version 1, and this code reads version 2"):
        Snapshot.from_json(manifest | {"version": 1})


def test_a_manifest_that_was_never_written_is_none(segments: Segments) -> None:
    assert Snapshot.load(segments.s3, "artifacts", "0" * 64) is None


@given(st.integers(0, 2), st.booleans())
def test_a_manifest_survives_json(parts: int, with_delta: bool) -> None:
    segments = Segments(S3(Clock()), "artifacts")
    base = [[A], [B]][:parts]
    made = snapshot(segments, base, {C.key: C} if with_delta else {}, [A])
    assert Snapshot.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_changes_are_counted_from_one_moment_to_another() -> None:
    assert Changes(5, 4, 3).since(Changes(1, 1, 1)) == Changes(4, 3, 2)
