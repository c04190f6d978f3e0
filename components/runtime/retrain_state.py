"""What the retrain controller remembers between two looks, in one document of the artifact bucket.

JSON format: the members of `State`, and `"version": 1`, as the records in `state/runs/` have it;
times are ISO 8601. Written by compare-and-swap only.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from .retrain_world import NOTHING_SPENT, Claim, Episode, Live, Run, Spent

STATE_KEY = "state/retrain.json"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class State:
    """What the controller remembers."""

    runs: tuple[Run, ...] = ()
    claim: Claim | None = None
    episodes: tuple[Episode, ...] = ()
    burst_since: datetime | None = None
    live: Live | None = None
    spent: Spent = NOTHING_SPENT
    told: tuple[str, ...] = ()
    answered_request: str = ""
    last_decision: tuple[str, ...] = ()
    """The kind, rule and reason last recorded, so that the same is not recorded again."""
    unrecorded: tuple[Mapping[str, Any], ...] = ()
    """Entries that may not be in the ledger yet."""
    wake_at: datetime | None = None
    """When the wake-up that was sent last arrives."""

    def to_json(self) -> dict[str, Any]:
        return {
            "version": FORMAT_VERSION,
            "runs": [run.to_json() for run in self.runs],
            "claim": self.claim and self.claim.to_json(),
            "episodes": [episode.to_json() for episode in self.episodes],
            "burst_since": self.burst_since and self.burst_since.isoformat(),
            "live": self.live and {**asdict(self.live), "since": self.live.since.isoformat()},
            "spent": asdict(self.spent),
            "told": list(self.told),
            "answered_request": self.answered_request,
            "last_decision": list(self.last_decision),
            "unrecorded": list(self.unrecorded),
            "wake_at": self.wake_at and self.wake_at.isoformat(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "State":
        def time(text: str | None) -> datetime | None:
            return None if text is None else datetime.fromisoformat(text)

        live = data["live"]
        return cls(
            runs=tuple(Run.from_json(run) for run in data["runs"]),
            claim=data["claim"] and Claim.from_json(data["claim"]),
            episodes=tuple(Episode.from_json(episode) for episode in data["episodes"]),
            burst_since=time(data["burst_since"]),
            live=live and Live(live["version"], datetime.fromisoformat(live["since"])),
            spent=Spent(**data["spent"]),
            told=tuple(data["told"]),
            answered_request=data["answered_request"],
            last_decision=tuple(data["last_decision"]),
            unrecorded=tuple(data["unrecorded"]),
            wake_at=time(data["wake_at"]),
        )


@dataclass(frozen=True)
class Held:
    """The state as it is in S3, and the ETag that proves it."""

    state: State
    etag: str | None
