"""A snapshot: the training data at one moment, as a manifest pinned to S3 object versions.

Its id is a digest over keys, sizes and checksums, so the same content is the same snapshot whoever
uploaded it and however often. Nothing is copied: bucket versioning keeps the bytes, and readers
read by version id.

JSON format, at `snapshots/<id>.json`: `{"version": 1, "id", "bucket", "prefix", "entries": [{"key",
"version_id", "size", "checksum"}, ...]}`, entries sorted by key.
"""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from .document import S3, canonical, create_json, read_json

FORMAT_VERSION = 1

# Most telling first. SHA-1 and shorter sums still tell an upload from another.
_CHECKSUMS = ("SHA256", "CRC64NVME", "SHA1", "CRC32C", "CRC32")


@dataclass(frozen=True)
class Entry:
    """One object of a snapshot; `size` in bytes, `checksum` as `<algorithm>:<value>`."""

    key: str
    version_id: str
    size: int
    checksum: str


@dataclass(frozen=True)
class Changes:
    """How one snapshot differs from another, in objects."""

    added: int
    changed: int
    removed: int


@dataclass(frozen=True)
class Snapshot:
    """The objects under `prefix` of `bucket`, sorted by key."""

    bucket: str
    prefix: str
    entries: tuple[Entry, ...]

    @cached_property
    def id(self) -> str:
        """SHA-256 (64 hex digits) of the canonical JSON of `[[key, size, checksum], ...]`."""
        content = [[entry.key, entry.size, entry.checksum] for entry in self.entries]
        return hashlib.sha256(canonical(content).encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(entry.size for entry in self.entries)

    def since(self, earlier: "Snapshot") -> Changes:
        """What was added, changed and removed since `earlier`, judged by content."""
        before = {entry.key: (entry.size, entry.checksum) for entry in earlier.entries}
        now = {entry.key: (entry.size, entry.checksum) for entry in self.entries}
        return Changes(
            added=len(now.keys() - before.keys()),
            changed=sum(now[key] != before[key] for key in now.keys() & before.keys()),
            removed=len(before.keys() - now.keys()),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "version": FORMAT_VERSION,
            "id": self.id,
            "bucket": self.bucket,
            "prefix": self.prefix,
            "entries": [asdict(entry) for entry in self.entries],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Snapshot":
        """The snapshot in `data`. Raises ValueError if the content is not that of its id."""
        if data.get("version") != FORMAT_VERSION:
            raise ValueError(
                f"This manifest has format version {data.get('version')!r}, and this code reads "
                f"version {FORMAT_VERSION}. Use the code that wrote it."
            )
        entries = tuple(Entry(**entry) for entry in data["entries"])
        snapshot = cls(data["bucket"], data["prefix"], entries)
        if snapshot.id != data["id"]:
            raise ValueError(
                f"The manifest of snapshot {data['id']} holds the content of {snapshot.id}. "
                "It was changed after it was written: restore its first version in the bucket."
            )
        return snapshot


@dataclass(frozen=True)
class ObjectVersion:
    """The latest version of one object, as a listing tells it: without a checksum."""

    key: str
    version_id: str
    size: int
    etag: str


@dataclass(frozen=True)
class Listing:
    """The objects under the prefix now, and when the newest upload or deletion was (S3's clock)."""

    objects: tuple[ObjectVersion, ...]
    last_change: datetime | None

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(version.size for version in self.objects)


@dataclass(frozen=True)
class SnapshotStore:
    """Makes snapshots of the data bucket and keeps their manifests in the artifact bucket."""

    s3: S3
    data_bucket: str
    prefix: str
    artifact_bucket: str
    threads: int = 16

    def listing(self) -> Listing:
        """ListObjectVersions under the prefix: the latest versions that are not delete markers.

        Folder markers (keys that end with "/") hold no data and are left out.
        """
        objects: list[ObjectVersion] = []
        last_change: datetime | None = None
        pages = self.s3.get_paginator("list_object_versions").paginate(
            Bucket=self.data_bucket, Prefix=self.prefix
        )
        for page in pages:
            versions = page.get("Versions", [])
            for item in (*versions, *page.get("DeleteMarkers", [])):
                modified = item["LastModified"].astimezone(UTC)
                last_change = modified if last_change is None else max(last_change, modified)
            objects.extend(
                ObjectVersion(item["Key"], item["VersionId"], item["Size"], item["ETag"])
                for item in versions
                if item["IsLatest"] and not item["Key"].endswith("/")
            )
        return Listing(tuple(sorted(objects, key=lambda version: version.key)), last_change)

    def snapshot(self, listing: Listing, previous: Snapshot | None) -> Snapshot:
        """Pin `listing` with checksums; HeadObject only for versions that `previous` lacks."""
        known = {(e.key, e.version_id): e for e in previous.entries} if previous else {}
        with ThreadPoolExecutor(self.threads) as pool:
            entries = pool.map(
                lambda version: known.get((version.key, version.version_id)) or self._pin(version),
                listing.objects,
            )
        return Snapshot(self.data_bucket, self.prefix, tuple(entries))

    def save(self, snapshot: Snapshot) -> None:
        """Write the manifest. Already there is fine: the same id is the same content."""
        create_json(self.s3, self.artifact_bucket, _manifest_key(snapshot.id), snapshot.to_json())

    def load(self, snapshot_id: str) -> Snapshot | None:
        """The snapshot with this id; None if no manifest was ever written."""
        data = read_json(self.s3, self.artifact_bucket, _manifest_key(snapshot_id))
        return None if data is None else Snapshot.from_json(data)

    def _pin(self, version: ObjectVersion) -> Entry:
        head = self.s3.head_object(
            Bucket=self.data_bucket,
            Key=version.key,
            VersionId=version.version_id,
            ChecksumMode="ENABLED",
        )
        checksum = next(
            (
                f"{algorithm.lower()}:{head[f'Checksum{algorithm}']}"
                for algorithm in _CHECKSUMS
                if f"Checksum{algorithm}" in head
            ),
            # Objects from before S3 added a checksum to every upload have only their ETag.
            f"etag:{version.etag.strip(chr(34))}",
        )
        return Entry(version.key, version.version_id, version.size, checksum)


def _manifest_key(snapshot_id: str) -> str:
    return f"snapshots/{snapshot_id}.json"
