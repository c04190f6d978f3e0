"""A segment: entries of a data set in the order of their keys, in one S3 object that never changes.

Format, at `snapshots/segments/<sha256 of the content>.jsonl`: a line of JSON for each entry,
`["<key>","<version id>",<bytes>,"<checksum>"]`, or `["<key>"]` for an object that is gone; then the
index, from byte `index_at` on: a line `["<key>",<offset>]` for the first line of each block.
"""

import hashlib
import itertools
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .document import S3, canonical

BLOCK_ENTRIES = 64
"""To find one entry, so many are read: some 10 KB."""
GAP_BYTES = 64 * 1024
"""Two blocks that are so close are read with one request: it costs more than what lies between."""

_FOLDER = "snapshots/segments/"


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a data set; `size` in bytes, `checksum` as `<algorithm>:<value>`."""

    key: str
    version_id: str
    size: int
    checksum: str

    @property
    def content(self) -> bytes:
        """What the object is, whichever version holds it: the canonical `[key, size, checksum]`."""
        return canonical([self.key, self.size, self.checksum]).encode()


Entries = Mapping[str, Entry | None]
"""Entries by key; None for an object that is gone."""


def to_line(key: str, entry: Entry | None) -> str:
    """One entry, or the absence of one, as a line without its end."""
    if entry is None:
        return canonical([key])
    return canonical([key, entry.version_id, entry.size, entry.checksum])


def from_line(line: str | bytes) -> tuple[str, Entry | None]:
    """The key and the entry of a line; None for an object that is gone."""
    values = json.loads(line)
    return values[0], Entry(*values) if len(values) > 1 else None


@dataclass(frozen=True)
class Segment:
    """Where a segment is. `first` is its first key, `objects` how many lines it has."""

    key: str
    first: str
    objects: int
    index_at: int
    """Where the index begins, in bytes."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Segment":
        return cls(**data)


@dataclass(frozen=True)
class Index:
    """The blocks of a segment: their first keys, and their offsets with the end of the last."""

    keys: Sequence[str]
    offsets: Sequence[int]

    def block(self, key: str) -> int:
        """The block that would hold `key`."""
        return max(0, bisect_right(self.keys, key) - 1)

    def spans(self, blocks: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Half-open ranges of blocks that cover `blocks` (sorted), one for each request."""
        first = last = None
        for block in blocks:
            if first is None or last is None:
                first = block
            elif self.offsets[block] - self.offsets[last + 1] > GAP_BYTES:
                yield first, last + 1
                first = block
            last = block
        if first is not None and last is not None:
            yield first, last + 1


@dataclass(frozen=True)
class Segments:
    """Segments in an S3 bucket."""

    s3: S3
    bucket: str

    def write(self, entries: Entries) -> Segment:
        """Keep `entries`, of which there is one at least and whose keys are in order."""
        lines = [f"{to_line(key, entry)}\n".encode() for key, entry in entries.items()]
        keys = list(entries)
        offsets = [0, *itertools.accumulate(map(len, lines))]
        index = [
            f"{canonical([keys[number], offsets[number]])}\n".encode()
            for number in range(0, len(keys), BLOCK_ENTRIES)
        ]
        body = b"".join([*lines, *index])
        key = f"{_FOLDER}{hashlib.sha256(body).hexdigest()}.jsonl"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return Segment(key, keys[0], len(keys), offsets[-1])

    def read(self, segment: Segment) -> Iterator[tuple[str, Entry | None]]:
        """All entries of a segment, in order."""
        return map(from_line, self._bytes(segment, 0, segment.index_at).splitlines())

    def index(self, segment: Segment) -> Index:
        """Where the segment's blocks are."""
        rows = list(map(json.loads, self._bytes(segment, segment.index_at).splitlines()))
        return Index([row[0] for row in rows], [*(row[1] for row in rows), segment.index_at])

    def find(
        self, segment: Segment, index: Index, blocks: tuple[int, int], keys: Iterable[str]
    ) -> dict[str, Entry | None]:
        """The entries of those `keys` that are in these blocks."""
        start = index.offsets[blocks[0]]
        data = b"\n" + self._bytes(segment, start, index.offsets[blocks[1]])
        found = {}
        for key in keys:
            block = index.block(key)
            low, high = index.offsets[block] - start, index.offsets[block + 1] - start
            at = data.find(f"\n[{canonical(key)}".encode(), low, high)
            if at >= 0:
                found[key] = from_line(data[at + 1 : data.index(b"\n", at + 1)])[1]
        return found

    def between(
        self, segment: Segment, index: Index, after: str, upto: str | None
    ) -> dict[str, Entry | None]:
        """The entries whose keys are greater than `after`, and at most `upto` (None: no end)."""
        first = index.block(after)
        last = len(index.keys) - 1 if upto is None else index.block(upto)
        data = self._bytes(segment, index.offsets[first], index.offsets[last + 1])
        rows = map(from_line, data.splitlines())
        return {key: entry for key, entry in rows if key > after and (upto is None or key <= upto)}

    def _bytes(self, segment: Segment, start: int, stop: int | None = None) -> bytes:
        """The bytes from `start` up to `stop`, which are not none."""
        last = "" if stop is None else stop - 1
        answer = self.s3.get_object(
            Bucket=self.bucket, Key=segment.key, Range=f"bytes={start}-{last}"
        )
        body: bytes = answer["Body"].read()
        return body
