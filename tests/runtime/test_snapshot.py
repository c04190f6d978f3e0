"""Snapshots: what is trained on, named by its content and pinned to object versions."""

import json
import random

import boto3
import moto
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.runtime.snapshot import Changes, Entry, Snapshot, SnapshotStore
from tests.runtime.fakes import S3, START, Clock

entries = st.builds(
    Entry,
    key=st.text(max_size=5),
    version_id=st.text(max_size=3),
    size=st.integers(0, 9),
    checksum=st.sampled_from(["sha256:a", "sha256:b", "etag:c"]),
)
snapshots = st.lists(entries, max_size=6, unique_by=lambda entry: entry.key).map(
    lambda some: Snapshot("data", "data/", tuple(sorted(some, key=lambda entry: entry.key)))
)


@pytest.fixture
def s3() -> S3:
    return S3(Clock())


@pytest.fixture
def store(s3: S3) -> SnapshotStore:
    return SnapshotStore(s3, "data", "data/", "artifacts")


def now(store: SnapshotStore, previous: Snapshot | None = None) -> Snapshot:
    return store.snapshot(store.listing(), previous)


# --- identity -----------------------------------------------------------------------------------


def test_the_id_is_a_digest_of_keys_sizes_and_checksums() -> None:
    snapshot = Snapshot("b", "data/", (Entry("data/a.csv", "v1", 3, "sha256:x"),))
    # sha256 of [["data/a.csv",3,"sha256:x"]], computed with sha256sum.
    assert snapshot.id == "b751248c1a81726f5382bb57c3efb5845617928994c5d5f56a6e18d32f5e74dc"


def test_the_same_content_uploaded_again_is_the_same_snapshot(s3: S3, store: SnapshotStore) -> None:
    s3.put("data", "data/a.csv", "x")
    before = now(store)
    s3.put("data", "data/a.csv", "x")
    after = now(store)
    assert after.id == before.id
    assert after.entries[0].version_id != before.entries[0].version_id


def test_the_order_of_uploads_does_not_matter(s3: S3, store: SnapshotStore) -> None:
    names = list("abcdefgh")
    for name in names:
        s3.put("data", f"data/{name}", name)
    one = now(store)
    other_s3 = S3(Clock())
    random.Random(1).shuffle(names)  # noqa: S311  # an order, not a secret
    for name in names:
        other_s3.put("data", f"data/{name}", name)
    assert now(SnapshotStore(other_s3, "data", "data/", "artifacts")).id == one.id


@pytest.mark.parametrize("change", ["overwrite", "add", "delete"])
def test_any_change_of_content_is_another_snapshot(
    s3: S3, store: SnapshotStore, change: str
) -> None:
    s3.put("data", "data/a.csv", "x")
    s3.put("data", "data/b.csv", "y")
    before = now(store)
    match change:
        case "overwrite":
            s3.put("data", "data/a.csv", "z")
        case "add":
            s3.put("data", "data/c.csv", "z")
        case "delete":
            s3.delete_object(Bucket="data", Key="data/a.csv")
    assert now(store).id != before.id


# --- listing ------------------------------------------------------------------------------------


def test_only_latest_versions_under_the_prefix_count(s3: S3, store: SnapshotStore) -> None:
    s3.put("data", "data/a.csv", "old")
    s3.put("data", "data/a.csv", "new!")
    s3.put("data", "data/gone.csv", "x")
    s3.delete_object(Bucket="data", Key="data/gone.csv")
    s3.put("data", "data/folder/", "")
    s3.put("data", "elsewhere/b.csv", "x")
    assert [(entry.key, entry.size) for entry in now(store).entries] == [("data/a.csv", 4)]


def test_an_empty_prefix_has_no_objects_and_no_last_change(store: SnapshotStore) -> None:
    listing = store.listing()
    assert (listing.objects, listing.last_change) == ((), None)


def test_the_last_change_is_the_newest_upload_or_deletion(s3: S3, store: SnapshotStore) -> None:
    s3.put("data", "data/a.csv", "x")
    s3.clock.forward(minutes=1)
    s3.put("data", "data/b.csv", "x")
    assert store.listing().last_change == s3.clock.now
    s3.clock.forward(minutes=1)
    s3.delete_object(Bucket="data", Key="data/a.csv")
    assert store.listing().last_change == s3.clock.now > START


# --- checksums ----------------------------------------------------------------------------------


def test_only_versions_that_the_previous_snapshot_lacks_are_asked_for(
    s3: S3, store: SnapshotStore
) -> None:
    for name in "abc":
        s3.put("data", f"data/{name}", name)
    first = now(store)
    s3.heads.clear()
    s3.put("data", "data/b", "B")
    s3.put("data", "data/d", "d")
    second = now(store, first)
    assert sorted(s3.heads) == ["data/b", "data/d"]
    assert second == now(store)


def test_an_object_without_a_checksum_is_told_by_its_etag(s3: S3, store: SnapshotStore) -> None:
    s3.put_object(Bucket="data", Key="data/old", Body=b"x", checksummed=False)
    s3.put("data", "data/new", "x")
    new, old = now(store).entries
    assert new.checksum.startswith("sha256:")
    assert old.checksum == "etag:9dd4e461268c8034f5c8564e155c67a6"


# --- manifests ----------------------------------------------------------------------------------


def test_a_manifest_is_kept_under_its_id_and_found_again(s3: S3, store: SnapshotStore) -> None:
    s3.put("data", "data/a.csv", "x")
    snapshot = now(store)
    store.save(snapshot)
    store.save(snapshot)
    assert store.load(snapshot.id) == snapshot
    assert store.load("0" * 64) is None
    manifest = s3.json("artifacts", f"snapshots/{snapshot.id}.json")
    assert manifest == {
        "version": 1,
        "id": snapshot.id,
        "bucket": "data",
        "prefix": "data/",
        "entries": [
            {
                "key": "data/a.csv",
                "version_id": "v1",
                "size": 1,
                "checksum": snapshot.entries[0].checksum,
            }
        ],
    }


@given(snapshots)
def test_snapshots_survive_json(snapshot: Snapshot) -> None:
    assert Snapshot.from_json(json.loads(json.dumps(snapshot.to_json()))) == snapshot


def test_a_manifest_that_was_changed_is_refused() -> None:
    manifest = Snapshot("b", "p", (Entry("k", "v", 1, "etag:x"),)).to_json()
    manifest["entries"][0]["size"] = 2
    with pytest.raises(ValueError, match="It was changed after it was written"):
        Snapshot.from_json(manifest)
    with pytest.raises(ValueError, match="format version 2"):
        Snapshot.from_json(manifest | {"version": 2})


@given(snapshots, snapshots)
def test_changes_account_for_every_object(earlier: Snapshot, later: Snapshot) -> None:
    changes = later.since(earlier)
    assert len(later.entries) == len(earlier.entries) + changes.added - changes.removed
    assert (changes == Changes(0, 0, 0)) == (later.id == earlier.id)


# --- boto3 --------------------------------------------------------------------------------------


def test_it_works_with_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with moto.mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        for bucket in ("data", "artifacts"):
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
        for body in (b"old", b"new"):
            s3.put_object(Bucket="data", Key="data/a.csv", Body=body, ChecksumAlgorithm="SHA256")
        s3.put_object(Bucket="data", Key="data/b.csv", Body=b"x")
        s3.delete_object(Bucket="data", Key="data/b.csv")
        store = SnapshotStore(s3, "data", "data/", "artifacts")
        snapshot = now(store)
        store.save(snapshot)
        (entry,) = snapshot.entries
        body = s3.get_object(Bucket="data", Key=entry.key, VersionId=entry.version_id)["Body"]
        assert body.read() == b"new"
        assert entry.checksum.startswith("sha256:")
        assert store.load(snapshot.id) == snapshot
