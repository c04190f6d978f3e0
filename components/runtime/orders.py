"""What people tell the retrain controller: to pause, and to train although nothing has changed.

Two JSON documents in the artifact bucket, which people write (with `If-Match`, so that two of them
do not overwrite each other) and the controller only reads. Bucket versioning and the ledger keep
what they said before.

- `state/pause.json`: `{"version": 1, "paused": true, "who", "at", "reason", "until"}`; `until` is
  null for a pause without an end; `"paused": false` resumes.
- `state/request.json`: `{"version": 1, "id", "who", "at", "reason"}`; a request has been answered
  once `answered_request` in `state/retrain.json` is its id. One run answers a request and those
  that it replaced.

Times are ISO 8601 with a time zone. Either object wakes the controller when it is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

PAUSE_KEY = "state/pause.json"
REQUEST_KEY = "state/request.json"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Pause:
    """No run starts before `until`, or before somebody resumes."""

    who: str
    at: datetime
    reason: str
    until: datetime | None = None
    paused: bool = True

    def holds(self, now: datetime) -> bool:
        return self.paused and (self.until is None or now < self.until)

    def to_json(self) -> dict[str, Any]:
        return {
            "version": FORMAT_VERSION,
            "paused": self.paused,
            "who": self.who,
            "at": self.at.isoformat(),
            "reason": self.reason,
            "until": self.until and self.until.isoformat(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Pause":
        """Raises ValueError with one sentence if `data` is not a pause."""
        try:
            until = data["until"]
            return cls(
                who=str(data["who"]),
                at=_moment(data["at"]),
                reason=str(data["reason"]),
                until=None if until is None else _moment(until),
                paused=bool(data["paused"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _malformed(PAUSE_KEY, error) from error


@dataclass(frozen=True)
class Request:
    """A person wants a run on the data and the code as they are, whatever was run before."""

    id: str
    who: str
    at: datetime
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {
            "version": FORMAT_VERSION,
            "id": self.id,
            "who": self.who,
            "at": self.at.isoformat(),
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Request":
        """Raises ValueError with one sentence if `data` is not a request."""
        try:
            return cls(str(data["id"]), str(data["who"]), _moment(data["at"]), str(data["reason"]))
        except (KeyError, TypeError, ValueError) as error:
            raise _malformed(REQUEST_KEY, error) from error


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment


def _malformed(key: str, error: Exception) -> ValueError:
    return ValueError(
        f"{key} is not what the controller reads ({type(error).__name__}: {error}), and it starts "
        "nothing until it is: write it again, in the format of components/runtime/orders.py."
    )
