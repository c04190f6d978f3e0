"""The ledger: every decision of the controllers with its inputs, rule and reason, append-only.

Entries are lines of JSON in segments of at most ENTRIES_A_SEGMENT, at
`state/ledger/<yyyy-mm>/<controller>-<number>.jsonl.gz` (gzip; `zcat` shows them). An entry goes
into the month of its time (UTC), at the end of the newest segment, by compare-and-swap: a lost race
is tried again, a line that was written is never changed, and the same entry twice is one. So a year
of 100,000 entries is a few hundred objects to read, and one entry is three requests to write.

JSON format: `{"version": 1, "time", "loop", "controller", "decision", "rule", "reason",
"inputs": {...}}`; time is ISO 8601 in UTC. Keys are sorted and nothing stands between them, so that
a reader finds the time of a line without parsing it.
"""

import contextlib
import gc
import gzip
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from .document import S3, Conflict, canonical, read_bytes, write_bytes

FORMAT_VERSION = 1
PREFIX = "state/ledger/"
ENTRIES_A_SEGMENT = 500
"""Some 20 KB compressed, which is what an append reads and writes again."""

THREADS = 10  # as many connections as a boto3 client keeps
_ATTEMPTS = 20  # lambdas that append at once: two for each controller, and a few more of deploy
_SUFFIX = ".jsonl.gz"
_TIME = '"time":"'

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Ledger:
    """The entries of one loop's controllers in its artifact bucket."""

    s3: S3
    bucket: str
    loop: str

    def entry(
        self,
        time: datetime,
        controller: str,
        *,
        decision: str,
        rule: str,
        reason: str,
        inputs: Mapping[str, Any],
    ) -> dict[str, Any]:
        """An entry as it is written, for who writes it down elsewhere first."""
        return {
            "version": FORMAT_VERSION,
            "time": time.astimezone(UTC).isoformat(),
            "loop": self.loop,
            "controller": controller,
            "decision": decision,
            "rule": rule,
            "reason": reason,
            "inputs": dict(inputs),
        }

    def append(self, time: datetime, controller: str, **what: Any) -> str:
        """Write one entry (the arguments are those of `entry`) and return its segment's key."""
        return self.add(self.entry(time, controller, **what))

    def add(self, entry: Entry) -> str:
        """Write one entry unless it is there, and return its segment's key.

        Raises Conflict if others write all the time.
        """
        line = canonical(entry)
        folder = f"{PREFIX}{entry['time'][:7]}/{entry['controller']}-"
        for _ in range(_ATTEMPTS):
            numbers = [int(_stem(key)) for key in self._keys(folder)]
            number = max(numbers, default=1)
            key = _key(folder, number)
            lines, etag = self._segment(key) if numbers else ([], None)
            if line in lines:
                return key
            if len(lines) >= ENTRIES_A_SEGMENT:
                key, lines, etag = _key(folder, number + 1), [], None
            body = "".join(f"{each}\n" for each in (*lines, line)).encode()
            try:
                write_bytes(self.s3, self.bucket, key, gzip.compress(body, mtime=0), etag)
            except Conflict:
                continue
            return key
        raise Conflict(f"s3://{self.bucket}/{folder}* is written by others all the time.")

    def tell(self, controller: str, decision: str, rule: str, reason: str) -> None:
        """One line of JSON in the function's log, for who looks there first."""
        entry = {
            "loop": self.loop,
            "controller": controller,
            "decision": decision,
            "rule": rule,
            "reason": reason,
        }
        print(json.dumps(entry))

    def read(self, since: datetime | None = None) -> list[dict[str, Any]]:
        """The entries of `since` and later, oldest first; all of them by default."""
        lines = self.lines(since)
        with _no_garbage():
            return [json.loads(line) for line in lines]

    def lines(self, since: datetime | None = None) -> list[str]:
        """What `read` gives, each entry as the JSON that was written."""
        start = "" if since is None else since.astimezone(UTC).isoformat()
        keys = self._keys(PREFIX, after=f"{PREFIX}{start[:7]}")
        with ThreadPoolExecutor(THREADS) as pool:
            segments = pool.map(lambda key: self._segment(key)[0], keys)
        # A repeated append may have met a new segment: the same line twice is one entry.
        lines = dict.fromkeys(line for lines in segments for line in lines)
        timed = [(time, line) for line in lines if (time := time_of(line)) >= start]
        return [line for _, line in sorted(timed, key=itemgetter(0))]

    def newest(self) -> dict[str, Entry]:
        """By controller, the last entry of its newest segment; those that wrote none are missing.

        It was written last. Its time may be before another's, for a run's end has SageMaker's time.
        """
        last = {_controller(key): key for key in self._keys(PREFIX)}
        return {name: json.loads(self._segment(key)[0][-1]) for name, key in last.items()}

    def _keys(self, prefix: str, after: str = PREFIX) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, StartAfter=after
        )
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def _segment(self, key: str) -> tuple[list[str], str | None]:
        body, etag = read_bytes(self.s3, self.bucket, key)
        return ([] if body is None else gzip.decompress(body).decode().split("\n")[:-1]), etag


@contextlib.contextmanager
def _no_garbage() -> Iterator[None]:
    """Parsing makes no garbage, and looking for it takes longer than the parsing of a year."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def time_of(line: str) -> str:
    """The time of an entry as it is written.

    Inside of a string the quotes would be escaped, and behind this key comes no other of its name.
    """
    start = line.rindex(_TIME) + len(_TIME)
    return line[start : line.index('"', start)]


def _key(folder: str, number: int) -> str:
    return f"{folder}{number:04}{_SUFFIX}"


def _controller(key: str) -> str:
    return key.rpartition("/")[2].rpartition("-")[0]


def _stem(key: str) -> str:
    return key.removesuffix(_SUFFIX).rpartition("-")[2]
