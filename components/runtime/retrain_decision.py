"""When to retrain: one pure function from the state of the world to a decision with its reason.

What is wanted is one run for (the data now, the code now, the drift episodes that no run has
answered yet). The rules, in the order in which they are asked:

1. claim: a start under way is waited for; past its deadline it is completed with its own token.
2. no data yet, no code yet: ordinary states of a young loop.
3. single flight: one run at a time; what has changed meanwhile is pending, and said.
4. quiet period: a burst of uploads is one run.
5. no change, no run: data and code that a run has already seen are not run again. If that run
   failed it would fail again, until a person changes the data or the code.
6. drift: one run for an episode, and none within the cool-down after the last run for drift.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from .document import canonical
from .snapshot import Changes


class Kind(StrEnum):
    """What the controller does next."""

    START = "start"
    COMPLETE = "complete the claim"
    WAIT = "wait"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Rules:
    """What the user has set."""

    quiet_period: timedelta
    cooldown: timedelta
    claim_period: timedelta


@dataclass(frozen=True)
class Data:
    """The data now. `snapshot_id` is None while uploads go on, for it would be outdated at once."""

    objects: int
    size: int
    last_change: datetime | None
    snapshot_id: str | None
    changes: Changes | None
    """Since the newest run's snapshot; None if there is none to compare with."""


@dataclass(frozen=True)
class Episode:
    """One stay of a drift alarm in ALARM; `since` is when it went there, in UTC."""

    alarm: str
    since: datetime

    @property
    def id(self) -> str:
        """64 hex digits, the same however often the alarm is looked at while it stays."""
        return hashlib.sha256(f"{self.alarm} {self.since.isoformat()}".encode()).hexdigest()


@dataclass(frozen=True)
class Identity:
    """What a run is for; the same identity is never started twice."""

    snapshot_id: str
    code_version: str
    episodes: tuple[str, ...] = ()

    @property
    def parameters(self) -> dict[str, str]:
        """The pipeline's parameters for this run."""
        return {"SnapshotId": self.snapshot_id, "CodeVersion": self.code_version}

    def token(self, pipeline: str) -> str:
        """SHA-256 (64 hex digits), the ClientRequestToken of StartPipelineExecution.

        Made of what is run, never of a clock or an event, so that every controller that decides on
        the same world asks for the same execution.
        """
        content = [pipeline, self.parameters, sorted(self.episodes)]
        return hashlib.sha256(canonical(content).encode()).hexdigest()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Identity":
        return cls(data["snapshot_id"], data["code_version"], tuple(data["episodes"]))


@dataclass(frozen=True)
class Claim:
    """The intention to start a run, written down before the start."""

    identity: Identity
    token: str
    claimed_at: datetime
    deadline: datetime
    reason: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "claimed_at": self.claimed_at.isoformat(),
            "deadline": self.deadline.isoformat(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Claim":
        return cls(
            Identity.from_json(data["identity"]),
            data["token"],
            datetime.fromisoformat(data["claimed_at"]),
            datetime.fromisoformat(data["deadline"]),
            data["reason"],
        )


@dataclass(frozen=True)
class Run:
    """A pipeline execution that this controller started. `failure` is why it did not succeed."""

    execution_arn: str
    identity: Identity
    token: str
    reason: str
    started_at: datetime
    status: str = "Executing"
    """As DescribePipelineExecution says: Executing, Stopping, Stopped, Failed or Succeeded."""
    ended_at: datetime | None = None
    failure: str = ""

    @property
    def name(self) -> str:
        """The execution id, the last part of the ARN."""
        return self.execution_arn.rpartition("/")[2]

    @property
    def active(self) -> bool:
        return self.status in ("Executing", "Stopping")

    @property
    def outcome(self) -> str:
        """The status and, unless it succeeded, why."""
        return f"{self.status}: {self.failure}" if self.failure else self.status

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at and self.ended_at.isoformat(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Run":
        return cls(
            **{
                **data,
                "identity": Identity.from_json(data["identity"]),
                "started_at": datetime.fromisoformat(data["started_at"]),
                "ended_at": data["ended_at"] and datetime.fromisoformat(data["ended_at"]),
            }
        )


@dataclass(frozen=True)
class World:
    """All that the decision depends on. `runs` are those on record, oldest first."""

    pipeline: str
    data: Data
    code_version: str | None
    episodes: tuple[Episode, ...]
    runs: tuple[Run, ...]
    claim: Claim | None
    rules: Rules


@dataclass(frozen=True)
class Decision:
    """What to do, by which rule, and why. `until` is when to look again; None: at an event."""

    kind: Kind
    rule: str
    reason: str
    until: datetime | None = None
    claim: Claim | None = None
    """For START and COMPLETE: what to start."""


def quiet_from(data: Data, rules: Rules) -> datetime | None:
    """When the quiet period after the last change of the data ends; None if there is no data."""
    return None if data.last_change is None else data.last_change + rules.quiet_period


def decide(world: World, now: datetime) -> Decision:
    """The next step towards a model trained on the data and the code as they are now."""
    if world.claim:
        return _decide_on_claim(world.claim, world.rules, now)
    if not world.data.objects:
        return Decision(Kind.NOTHING, "no data yet", "There is no data yet.")
    if world.code_version is None:
        return Decision(Kind.NOTHING, "no code yet", "There is no code yet.")
    active = [run for run in world.runs if run.active]
    if active:
        pending = _pending(world, now)
        reason = f"Run {active[-1].name} is {active[-1].status}. Pending after it: {pending}."
        return Decision(Kind.WAIT, "single flight", reason)
    if world.data.snapshot_id is None or _uploads_go_on(world, now):
        seconds = world.rules.quiet_period.total_seconds()
        reason = f"data: uploads go on; a run starts {seconds:g} s after the last."
        until = quiet_from(world.data, world.rules)
        return Decision(Kind.WAIT, "quiet period", reason, until=until)
    return _decide_on_change(world, world.data.snapshot_id, world.code_version, now)


def _decide_on_claim(claim: Claim, rules: Rules, now: datetime) -> Decision:
    if now < claim.deadline:
        reason = f"A run is being started: {claim.reason}"
        return Decision(Kind.WAIT, "claim", reason, until=claim.deadline)
    renewed = replace(claim, deadline=now + rules.claim_period)
    reason = f"The controller that claimed this start did not finish it: {claim.reason}"
    return Decision(Kind.COMPLETE, "claim", reason, claim=renewed)


def _decide_on_change(world: World, snapshot_id: str, code_version: str, now: datetime) -> Decision:
    same = [
        run
        for run in world.runs
        if (run.identity.snapshot_id, run.identity.code_version) == (snapshot_id, code_version)
    ]
    drift = _unanswered(world)
    alarm = "".join(f"{_drift_text(episode)}. " for episode in drift)
    if same and (not drift or same[-1].status != "Succeeded"):
        reason = f"{alarm}This data and this code were run in {same[-1].name}: {same[-1].outcome}."
        rule = "no change, no run" if same[-1].status == "Succeeded" else "failed before"
        return Decision(Kind.NOTHING, rule, reason)
    if same and (cool := _cool_from(world)) and now < cool:
        reason = f"{alarm}The cool-down after the last run for drift ends at {cool.isoformat()}."
        return Decision(Kind.WAIT, "cool-down", reason, until=cool)
    identity = Identity(snapshot_id, code_version, tuple(episode.id for episode in drift))
    reason = "; ".join(_changes(world)) + "."
    claim = Claim(
        identity, identity.token(world.pipeline), now, now + world.rules.claim_period, reason
    )
    return Decision(Kind.START, "drift" if same else "change", reason, claim=claim)


def _unanswered(world: World) -> list[Episode]:
    """The drift episodes for which no run was started yet."""
    answered = {episode for run in world.runs for episode in run.identity.episodes}
    return sorted(
        (episode for episode in world.episodes if episode.id not in answered),
        key=lambda episode: episode.alarm,
    )


def _cool_from(world: World) -> datetime | None:
    """When the cool-down after the last run for drift ends."""
    ends = [run.ended_at for run in world.runs if run.identity.episodes and run.ended_at]
    return max(ends) + world.rules.cooldown if ends else None


def _uploads_go_on(world: World, now: datetime) -> bool:
    quiet = quiet_from(world.data, world.rules)
    return world.data.snapshot_id is None or (quiet is not None and now < quiet)


def _pending(world: World, now: datetime) -> str:
    if _uploads_go_on(world, now):
        return "data: uploads go on"
    return "; ".join(_changes(world)) or "nothing"


def _changes(world: World) -> list[str]:
    """What speaks for a run, in words."""
    data = world.data
    drift = [_drift_text(episode) for episode in _unanswered(world)]
    if not world.runs:
        size = f"{_objects(data.objects)}, {data.size} bytes"
        return [f"first run: {size}, code {_short(world.code_version)}", *drift]
    last = world.runs[-1]
    words = []
    if data.snapshot_id != last.identity.snapshot_id:
        words.append(f"data: {_changes_text(data.changes)} since run {last.name}")
    if world.code_version != last.identity.code_version:
        words.append(f"code: {_short(last.identity.code_version)} -> {_short(world.code_version)}")
    return words + drift


def _changes_text(changes: Changes | None) -> str:
    if changes is None:
        return "another snapshot"
    return ", ".join(f"{_objects(n)} {what}" for what, n in asdict(changes).items() if n)


def _objects(n: int) -> str:
    return "1 object" if n == 1 else f"{n} objects"


def _drift_text(episode: Episode) -> str:
    return f"drift: alarm {episode.alarm} in ALARM since {episode.since.isoformat()}"


def _short(version: str | None) -> str:
    return (version or "none")[:12]
