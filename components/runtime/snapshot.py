"""A snapshot: the training data at one moment, as a manifest pinned to S3 object versions.

Its id is a hash of the set of keys, sizes and checksums, so the same content is the same snapshot
whoever uploaded it, in whatever order, and however often. Nothing is copied: bucket versioning
keeps the bytes, and readers read by version id.

JSON format, at `snapshots/<id>.json`: `{"version": 2, "id", "bucket", "prefix", "origin",
"sequence", "objects", "size", "counts": {"added", "changed", "removed"}, "base": [<segment>, ...],
"delta": <segment> or null}`. The base is in the order of keys; what the delta has goes before it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from . import set_hash
from .document import S3, read_json
from .segment import Entry, Segment, Segments

FORMAT_VERSION = 2


@dataclass(frozen=True)
class Changes:
    """How often objects were seen added, changed and removed; by content, not by version."""

    added: int = 0
    changed: int = 0
    removed: int = 0

    def since(self, earlier: "Changes") -> "Changes":
        """What was counted since `earlier`."""
        return Changes(
            self.added - earlier.added,
            self.changed - earlier.changed,
            self.removed - earlier.removed,
        )


@dataclass(frozen=True)
class Snapshot:
    """The objects under `prefix` of `bucket` when the inventory was at `sequence`."""

    id: str
    bucket: str
    prefix: str
    origin: int
    """The sequence at which the inventory began: counts are of one origin only."""
    sequence: int
    """Later snapshots have greater ones."""
    objects: int
    size: int
    """Bytes in all."""
    counts: Changes
    """Since the origin."""
    base: tuple[Segment, ...]
    delta: Segment | None

    def entries(self, segments: Segments) -> Iterator[Entry]:
        """The entries, in the order of keys, one segment in memory at a time.

        Raises ValueError at the end if they are not the content that the id names.
        """
        delta = dict(segments.read(self.delta)) if self.delta else {}
        starts = [segment.first for segment in self.base[1:]]
        product = set_hash.EMPTY
        for segment, stop in zip(self.base or (None,), [*starts, None], strict=True):
            rows = dict(segments.read(segment)) if segment else {}
            rows |= {key: delta.pop(key) for key in list(delta) if stop is None or key < stop}
            for _, entry in sorted(rows.items()):
                if entry is not None:
                    product = set_hash.joined(product, [entry.content])
                    yield entry
        if (found := set_hash.digest(product)) != self.id:
            raise ValueError(
                f"The manifest of snapshot {self.id} holds the content of {found}. "
                "It was changed after it was written: restore its first version in the bucket."
            )

    def to_json(self) -> dict[str, Any]:
        return {"version": FORMAT_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Snapshot":
        """The snapshot in `data`. Raises ValueError if it has another format."""
        if data.get("version") != FORMAT_VERSION:
            raise ValueError(
                f"This manifest has format version {data.get('version')!r}, and this code reads "
                f"version {FORMAT_VERSION}. Use the code that wrote it."
            )
        values = {name: value for name, value in data.items() if name != "version"}
        return cls(
            **values
            | {
                "counts": Changes(**data["counts"]),
                "base": tuple(Segment.from_json(segment) for segment in data["base"]),
                "delta": data["delta"] and Segment.from_json(data["delta"]),
            }
        )

    @classmethod
    def load(cls, s3: S3, bucket: str, snapshot_id: str) -> "Snapshot | None":
        """The snapshot with this id; None if no manifest was ever written."""
        data = read_json(s3, bucket, manifest_key(snapshot_id))
        return None if data is None else cls.from_json(data)


def manifest_key(snapshot_id: str) -> str:
    return f"snapshots/{snapshot_id}.json"
