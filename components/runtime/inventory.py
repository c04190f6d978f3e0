"""The inventory: what is in the data set now, kept up to date in proportion to what changes.

Events hint at keys, and a listing that goes round finds what no event told. What is recorded about
a key comes from S3 alone (HeadObject), so a hint may be doubled, late or forged. The entries are a
base of segments, and a delta (what has changed since) in the one head document, changed by
compare-and-swap: what is recorded was observed after the head was read, and is written only if the
head is still that one. So two writers lose nothing, and nothing older replaces what is newer.

JSON format of the head, at `state/inventory.json`: `{"version": 1, "bucket", "prefix", "origin",
"sequence", "product" (hexadecimal, see set_hash), "objects", "size", "counts": {"added", "changed",
"removed"}, "last_change", "base": [<segment>, ...], "delta": [<line of a segment>, ...], "marker",
"adopted"}`.
"""

import functools
import json
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from . import set_hash
from .document import S3, Conflict, Document, error_code
from .segment import Entries, Entry, Index, Segment, Segments, from_line, to_line
from .snapshot import Changes, Snapshot, manifest_key
from .wakeups import WAKE_UP

HEAD_KEY = "state/inventory.json"
FORMAT_VERSION = 1
LISTS_A_SWEEP = 10
"""So many ListObjectVersions requests, of 1000 versions each, are made by one sweep at most."""
STEP_KEYS = 1000
"""After so many observations the head is written, so that a death costs little."""
DELTA_ENTRIES = 10_000
"""The head holds so many changes (some 1.5 MB) before they are folded into the base."""
SEGMENT_ENTRIES = 16_384
"""A segment that grows beyond this is split; so many entries are in memory at once."""
RESERVE_SECONDS = 30
"""No further step of a listing is begun with less time than this."""
THREADS = 16
"""Requests of a kind at once; more cost processor time."""
CONNECTIONS = 2 * THREADS
"""What the S3 client needs: objects are asked for while their entries are looked up."""

# Most telling first. SHA-1 and shorter sums still tell an upload from another.
_CHECKSUMS = ("SHA256", "CRC64NVME", "SHA1", "CRC32C", "CRC32")
_NOT_FOUND = "404"  # an answer to HEAD has no body that could name the error
_KEY_BYTES = 1024  # Amazon S3 User Guide, "Naming Amazon S3 objects": at most this long in UTF-8

# Whose events say what has happened; that of a schedule is from aws.events.
_TELLING = ("aws.s3", "aws.sagemaker", "aws.cloudwatch")

_Item = TypeVar("_Item")
TimeLeft = Callable[[], float]
"""Seconds until the function is stopped."""


def plenty() -> float:
    """The time left where nobody counts it: the 15 minutes that Lambda gives at most."""
    return 900.0


@dataclass(frozen=True)
class Hints:
    """Keys that may have changed, and whether to list as well, for those that no event told."""

    keys: frozenset[str] = frozenset()
    sweep: bool = True

    @classmethod
    def of(cls, messages: Iterable[str], bucket: str, prefix: str) -> "Hints":
        """What the bodies of SQS messages hint at.

        EventBridge's S3 events name one key each, not URL-encoded (Amazon S3 User Guide,
        "EventBridge event message structure"). Events that say what has happened, and the wake-ups
        that a controller sends itself, are no sweep; the schedule is, and what a person sends.
        """
        keys, sweep = set(), False
        for message in messages:
            event = _event(message)
            key = _text(event, "detail", "object", "key")
            if _text(event, "detail", "bucket", "name") == bucket and _is_data(key, prefix):
                keys.add(key)
            told = _text(event, "source") in _TELLING or message.startswith(WAKE_UP)
            sweep = sweep or not told
        return cls(frozenset(keys), sweep)


SWEEP = Hints()
"""No event told anything: look around."""


@dataclass(frozen=True)
class Observation:
    """What HeadObject said about a key: its entry, and when that was uploaded (S3's clock)."""

    entry: Entry
    uploaded: datetime


@dataclass(frozen=True)
class Inventory:
    """What is known of the data set: a value. `sequence` grows with each change that is seen."""

    bucket: str
    prefix: str
    origin: int
    """The sequence that it began with: the milliseconds of the first look, so that an inventory
    that was lost and made anew comes after all that the lost one had named."""
    sequence: int
    product: int = set_hash.EMPTY
    objects: int = 0
    size: int = 0
    """Bytes in all."""
    counts: Changes = field(default_factory=Changes)
    last_change: datetime | None = None
    """The newest upload (S3's clock) or the moment when a deletion was noticed (ours)."""
    base: tuple[Segment, ...] = ()
    delta: Entries = field(default_factory=dict)
    marker: str = ""
    """The key after which the listing goes on."""
    adopted: bool = False
    """The listing has been round once; before that the data set is not known."""

    @property
    def snapshot_id(self) -> str:
        """The identity of the content (64 hex digits)."""
        return set_hash.digest(self.product)

    def segment_number(self, key: str) -> int:
        """The segment of the base that would hold `key`."""
        return max(0, bisect_right(self.base, key, key=lambda segment: segment.first) - 1)

    def recorded(
        self, before: Entries, seen: Mapping[str, Observation | None], now: datetime
    ) -> "Inventory":
        """With what was `seen` of some keys, of which `before` has the entries on record."""
        entries = {key: each.entry if each else None for key, each in seen.items()}
        news = {key: new for key, new in entries.items() if before.get(key) != new}
        if not news:
            return self
        moved = [
            (old, new)
            for key, new in news.items()
            if not ((old := before.get(key)) and new and old.content == new.content)
        ]
        product = set_hash.joined(self.product, (new.content for _, new in moved if new))
        product = set_hash.parted(product, (old.content for old, _ in moved if old))
        times = [each.uploaded if (each := seen[key]) else now for key in news]
        added = sum(old is None for old, _ in moved)
        removed = sum(new is None for _, new in moved)
        return replace(
            self,
            sequence=self.sequence + 1,
            product=product,
            objects=self.objects + added - removed,
            size=self.size
            + sum(new.size for _, new in moved if new)
            - sum(old.size for old, _ in moved if old),
            counts=Changes(
                self.counts.added + added,
                self.counts.changed + len(moved) - added - removed,
                self.counts.removed + removed,
            ),
            last_change=max([*times, *([self.last_change] if self.last_change else [])]),
            delta={**self.delta, **news},
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "version": FORMAT_VERSION,
            **{name: getattr(self, name) for name in _PLAIN},
            "product": f"{self.product:x}",
            "counts": asdict(self.counts),
            "last_change": self.last_change and self.last_change.isoformat(),
            "base": [asdict(segment) for segment in self.base],
            "delta": [to_line(key, entry) for key, entry in self.delta.items()],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Inventory":
        """The inventory in `data`. Raises ValueError if it has another format."""
        if data["version"] != FORMAT_VERSION:
            raise ValueError(
                f"{HEAD_KEY} has format version {data['version']!r}, and this code reads version "
                f"{FORMAT_VERSION}. Use the code that wrote it, or delete the document: the data "
                "set is then adopted anew."
            )
        return cls(
            **{name: data[name] for name in _PLAIN},
            product=int(data["product"], 16),
            counts=Changes(**data["counts"]),
            last_change=data["last_change"] and datetime.fromisoformat(data["last_change"]),
            base=tuple(Segment.from_json(segment) for segment in data["base"]),
            delta=dict(map(from_line, data["delta"])),
        )


_PLAIN = ("bucket", "prefix", "origin", "sequence", "objects", "size", "marker", "adopted")


@dataclass(frozen=True)
class _Head:
    """The inventory as it was read, and the ETag that the next write must name."""

    inventory: Inventory
    etag: str | None


@dataclass(frozen=True)
class _Page:
    """One answer of ListObjectVersions: the latest versions of the keys in (after, upto]."""

    after: str
    upto: str | None
    """None: the listing is at its end."""
    latest: Mapping[str, str]
    """Version ids by key."""


class InventoryStore:
    """The inventory of `prefix` in the data bucket, kept in the artifact bucket."""

    def __init__(self, s3: S3, data_bucket: str, prefix: str, artifact_bucket: str) -> None:
        self.s3 = s3
        self.data_bucket = data_bucket
        self.prefix = prefix
        self.artifact_bucket = artifact_bucket
        self.segments = Segments(s3, artifact_bucket)
        self.document = Document(s3, artifact_bucket, HEAD_KEY)
        self._indexes: dict[str, Index] = {}

    # --- what the controller calls -------------------------------------------------------------

    def read(self, now: datetime) -> Inventory:
        """The inventory as it was recorded last; a new one, not adopted, if there is none."""
        return self._read(now).inventory

    def look(self, hints: Hints, now: datetime, time_left: TimeLeft) -> Inventory:
        """Record what has changed, as far as hints and this sweep's share of the listing tell.

        Until the inventory is adopted it goes on listing until its time is used up. Raises Conflict
        if others wrote in between until then: do not acknowledge the hints, so that they come back.
        """
        head = self._read(now)
        for some in _parts(sorted(hints.keys), STEP_KEYS):
            see = functools.partial(self._see, keys=some, now=now)
            head = self._change(head, now, time_left, see)
        lists = LISTS_A_SWEEP if hints.sweep else 0
        round_over = False

        def go_on(inventory: Inventory) -> Inventory:
            nonlocal lists, round_over
            suspects: set[str] = set()
            marker: str | None = inventory.marker
            while marker is not None and len(suspects) < STEP_KEYS:
                page = self._page(marker)
                suspects |= self._suspects(inventory, page)
                marker = page.upto
                lists -= 1
                if lists <= 0:
                    break
            round_over = marker is None
            seen = self._see(inventory, suspects, now)
            return replace(seen, marker=marker or "", adopted=seen.adopted or round_over)

        while lists > 0 or not head.inventory.adopted:
            head = self._change(head, now, time_left, go_on)
            if round_over or time_left() < RESERVE_SECONDS:
                break
            if not head.inventory.adopted:
                head = self._folded(head)
        return head.inventory

    def changes(self, inventory: Inventory, snapshot_id: str) -> Changes | None:
        """What was seen to change since a snapshot was saved; None if that cannot be told."""
        snapshot = Snapshot.load(self.s3, self.artifact_bucket, snapshot_id)
        if snapshot is None or snapshot.origin != inventory.origin:
            return None
        return inventory.counts.since(snapshot.counts)

    def save(self, inventory: Inventory) -> Snapshot:
        """Write the manifest of what is in the inventory, and return it.

        A manifest of the same content is replaced: the versions that it names are older, and may be
        removed earlier.
        """
        delta = dict(sorted(inventory.delta.items()))
        snapshot = Snapshot(
            id=inventory.snapshot_id,
            bucket=inventory.bucket,
            prefix=inventory.prefix,
            origin=inventory.origin,
            sequence=inventory.sequence,
            objects=inventory.objects,
            size=inventory.size,
            counts=inventory.counts,
            base=inventory.base,
            delta=self.segments.write(delta) if delta else None,
        )
        self.s3.put_object(
            Bucket=self.artifact_bucket,
            Key=manifest_key(snapshot.id),
            Body=json.dumps(snapshot.to_json(), indent=1, sort_keys=True).encode(),
            ContentType="application/json",
        )
        return snapshot

    def tidy(self, now: datetime, time_left: TimeLeft) -> None:
        """Fold a delta that is full into the base. The content, and so its id, stays the same."""
        head = self._read(now)
        while len(head.inventory.delta) > DELTA_ENTRIES and time_left() > RESERVE_SECONDS:
            folded = self._folded(head)
            if folded is head:
                return
            head = folded

    # --- the head ------------------------------------------------------------------------------

    def _read(self, now: datetime) -> _Head:
        data, etag = self.document.read()
        if data is not None:
            inventory = Inventory.from_json(data)
            if (inventory.bucket, inventory.prefix) == (self.data_bucket, self.prefix):
                return _Head(inventory, etag)
        first = int(now.timestamp() * 1000)
        return _Head(Inventory(self.data_bucket, self.prefix, first, first), etag)

    def _change(
        self,
        head: _Head,
        now: datetime,
        time_left: TimeLeft,
        step: Callable[[Inventory], Inventory],
    ) -> _Head:
        """Write what `step` makes of the inventory; begin again if another wrote in between."""
        while (inventory := step(head.inventory)) != head.inventory:
            try:
                return _Head(inventory, self.document.write(inventory.to_json(), head.etag))
            except Conflict:
                if time_left() < RESERVE_SECONDS:
                    raise
                head = self._read(now)
        return head

    # --- observing -----------------------------------------------------------------------------

    def _see(self, inventory: Inventory, keys: Collection[str], now: datetime) -> Inventory:
        """The inventory with what S3 says about `keys` now."""
        if not keys:
            return inventory
        with ThreadPoolExecutor(THREADS) as pool:
            observations = pool.map(self._observe, keys)
            before = self._find(inventory, keys)
            seen = dict(zip(keys, observations, strict=True))
        return inventory.recorded(before, seen, now)

    def _observe(self, key: str) -> Observation | None:
        """The latest version of an object; None if there is none, or it is a delete marker."""
        try:
            head = self.s3.head_object(Bucket=self.data_bucket, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if error_code(error) != _NOT_FOUND:
                raise
            return None
        checksum = next(
            (
                f"{algorithm.lower()}:{head[f'Checksum{algorithm}']}"
                for algorithm in _CHECKSUMS
                if f"Checksum{algorithm}" in head
            ),
            # Objects from before S3 added a checksum to every upload have only their ETag.
            f"etag:{head['ETag'].strip(chr(34))}",
        )
        entry = Entry(key, head.get("VersionId", "null"), head["ContentLength"], checksum)
        return Observation(entry, head["LastModified"].astimezone(UTC))

    def _page(self, after: str) -> _Page:
        """One page of ListObjectVersions, of the keys that come after `after`.

        Folder markers (keys that end with "/") hold no data and are left out.
        """
        answer = self.s3.list_object_versions(
            Bucket=self.data_bucket, Prefix=self.prefix, **({"KeyMarker": after} if after else {})
        )
        versions = answer.get("Versions", [])
        keys = [item["Key"] for item in (*versions, *answer.get("DeleteMarkers", []))]
        # A page may end amid the versions of a key, but it has begun with the latest.
        upto = max(keys, default=answer.get("NextKeyMarker"))
        latest = {
            item["Key"]: item.get("VersionId", "null")
            for item in versions
            if item["IsLatest"] and item["Key"] > after and _is_data(item["Key"], self.prefix)
        }
        return _Page(after, upto if answer.get("IsTruncated") else None, latest)

    def _suspects(self, inventory: Inventory, page: _Page) -> set[str]:
        """The keys of a page, and of the inventory in its range, that do not agree."""
        known = self._between(inventory, page.after, page.upto)
        return {
            key
            for key in page.latest.keys() | known.keys()
            if page.latest.get(key) != ((entry := known.get(key)) and entry.version_id)
        }

    # --- the entries on record -----------------------------------------------------------------

    def _find(self, inventory: Inventory, keys: Collection[str]) -> Entries:
        """The entries of `keys`, as far as there are any."""
        found = {key: inventory.delta[key] for key in keys if key in inventory.delta}
        if not inventory.base:
            return found
        wanted: dict[int, list[str]] = {}
        for key in sorted(key for key in keys if key not in found):
            wanted.setdefault(inventory.segment_number(key), []).append(key)
        with ThreadPoolExecutor(THREADS) as pool:
            segments = [inventory.base[number] for number in wanted]
            indexes = list(pool.map(self._index, segments))
            requests = [
                (segment, index, span, [key for key in some if index.block(key) in range(*span)])
                for segment, index, some in zip(segments, indexes, wanted.values(), strict=True)
                for span in index.spans(map(index.block, some))
            ]
            for part in pool.map(lambda request: self.segments.find(*request), requests):
                found |= part
        return found

    def _between(self, inventory: Inventory, after: str, upto: str | None) -> Entries:
        """The entries whose keys are greater than `after`, and at most `upto` (None: no end)."""
        known: dict[str, Entry | None] = {}
        last = len(inventory.base) - 1 if upto is None else inventory.segment_number(upto)
        for segment in inventory.base[inventory.segment_number(after) : last + 1]:
            known |= self.segments.between(segment, self._index(segment), after, upto)
        return known | {
            key: entry
            for key, entry in inventory.delta.items()
            if key > after and (upto is None or key <= upto)
        }

    def _index(self, segment: Segment) -> Index:
        if segment.key not in self._indexes:
            self._indexes[segment.key] = self.segments.index(segment)
        return self._indexes[segment.key]

    def _folded(self, head: _Head) -> _Head:
        """The head after the segment that the delta touches most was written anew, if it is full.

        The same head if there is nothing to do, or another writer came between.
        """
        inventory = head.inventory
        if len(inventory.delta) <= DELTA_ENTRIES:
            return head
        numbers = {key: inventory.segment_number(key) for key in inventory.delta}
        ((number, _),) = Counter(numbers.values()).most_common(1)
        segments = inventory.base[number : number + 1]
        rows = {key: entry for segment in segments for key, entry in self.segments.read(segment)}
        rows |= {key: inventory.delta[key] for key in numbers if numbers[key] == number}
        present = [(key, entry) for key, entry in sorted(rows.items()) if entry is not None]
        # Equal parts, none of which is full: the next change must not split it again.
        most = math.ceil(len(present) / math.ceil(len(present) / SEGMENT_ENTRIES)) if present else 1
        made = [self.segments.write(dict(part)) for part in _parts(present, most)]
        folded = replace(
            inventory,
            base=(*inventory.base[:number], *made, *inventory.base[number + 1 :]),
            delta={key: entry for key, entry in inventory.delta.items() if numbers[key] != number},
        )
        try:
            return _Head(folded, self.document.write(folded.to_json(), head.etag))
        except Conflict:
            return head


def _parts(items: Sequence[_Item], most: int) -> list[Sequence[_Item]]:
    """`items` in parts of `most`."""
    return [items[start : start + most] for start in range(0, len(items), most)]


def _is_data(key: str, prefix: str) -> bool:
    """Whether S3 could have an object of the data set at `key`."""
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        return False
    return key.startswith(prefix) and not key.endswith("/") and 0 < length <= _KEY_BYTES


def _event(message: str) -> Mapping[str, Any]:
    """The event of EventBridge in a message; nothing if it is something else."""
    try:
        event = json.loads(message)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _text(value: Any, *path: str) -> str:
    """The text at a path of nested objects, "" if there is none: a message may hold anything."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
