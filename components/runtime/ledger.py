"""The ledger: every decision of the controllers with its inputs, rule and reason, append-only.

One object a decision at `state/ledger/<yyyy-mm-dd>/<timestamp>-<controller>-<8 hex>.json`, so that
keys sort by time and two writers never meet. JSON format: `{"version": 1, "time", "loop",
"controller", "decision", "rule", "reason", "inputs": {...}}`; time is ISO 8601 in UTC.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from .document import S3, canonical, create_json, read_json

FORMAT_VERSION = 1
PREFIX = "state/ledger/"


@dataclass(frozen=True)
class Ledger:
    """The entries of one loop's controllers in its artifact bucket."""

    s3: S3
    bucket: str
    loop: str

    def append(
        self,
        time: datetime,
        controller: str,
        *,
        decision: str,
        rule: str,
        reason: str,
        inputs: Mapping[str, Any],
    ) -> str:
        """Write one entry and return its key. The same entry twice is one object."""
        time = time.astimezone(UTC)
        entry = {
            "version": FORMAT_VERSION,
            "time": time.isoformat(),
            "loop": self.loop,
            "controller": controller,
            "decision": decision,
            "rule": rule,
            "reason": reason,
            "inputs": dict(inputs),
        }
        digest = hashlib.sha256(canonical(entry).encode()).hexdigest()[:8]
        key = f"{PREFIX}{time:%Y-%m-%d}/{time:%Y%m%dT%H%M%S.%fZ}-{controller}-{digest}.json"
        create_json(self.s3, self.bucket, key, entry)
        return key

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

    def read(self, since: date = date.min) -> Iterator[dict[str, Any]]:
        """The entries of the UTC day `since` and later, oldest first."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=PREFIX, StartAfter=f"{PREFIX}{since:%Y-%m-%d}"
        )
        for page in pages:
            for item in page.get("Contents", []):
                entry = read_json(self.s3, self.bucket, item["Key"])
                if entry is not None:
                    yield entry
