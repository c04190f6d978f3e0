"""What the retrain decision is made of: data, code, drift episodes, runs, and what is remembered.

Values only, with their JSON. The rules are in `retrain_decision`, the reading in
`retrain_controller`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from .document import canonical
from .failure import Cause
from .orders import Pause, Request
from .snapshot import Changes


@dataclass(frozen=True)
class Limits:
    """What the user has set."""

    quiet_period: timedelta
    max_wait: timedelta
    """A stream of uploads that never goes quiet is run after this long."""
    cooldown: timedelta
    """How long a new model is given to show its effect before drift is judged."""
    claim_period: timedelta
    """At least the function's timeout and the difference of two clocks, so that a claim is taken
    over only from the dead."""
    runs_per_day: int
    hours_per_month: float | None
    """From start to end of the executions that ended in the calendar month (UTC); None: no
    ceiling. Waiting between steps counts, a second instance does not."""
    retries: int
    """So many times is a run repeated that failed for a cause of AWS's."""
    retry_wait: timedelta
    """Before the first retry; each further wait is four times as long."""


@dataclass(frozen=True)
class Data:
    """The data now. `snapshot_id` is None while uploads go on, for it would be outdated at once."""

    objects: int
    size: int
    last_change: datetime | None
    snapshot_id: str | None
    changes: Changes | None
    """Since the newest run's snapshot; None if there is none to compare with."""
    sequence: int = 0
    """Where this state of the data stands among all its states (see `inventory`): a later state
    never has a smaller number, whatever the clocks say, and the same state has the same one."""
    adopted: bool = True
    """False until the first listing of the data set is complete: what is known is a part of it."""


@dataclass(frozen=True)
class Code:
    """What `code/current.json` says. `pushed_at` is S3's Last-Modified of it: one clock for all."""

    version: str
    parameters: tuple[tuple[str, str], ...]
    """The values that the pipeline's parameters have in this environment, sorted by name."""
    pushed_at: datetime


JUDGED = "judged"


@dataclass(frozen=True)
class Episode:
    """One stay of a drift alarm in ALARM; `since` is when it went there, in UTC.

    `answer` is empty while the episode is open, then the token of the run that learns from it, and
    at last JUDGED: a person was told, or the alarm had gone.
    """

    alarm: str
    since: datetime
    over: bool = False
    answer: str = ""

    @property
    def id(self) -> str:
        """64 hex digits, the same however often the alarm is looked at while it stays."""
        return hashlib.sha256(f"{self.alarm} {self.since.isoformat()}".encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"since": self.since.isoformat()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Episode":
        return cls(**{**data, "since": datetime.fromisoformat(data["since"])})


def remember(known: Iterable[Episode], standing: Iterable[Episode]) -> tuple[Episode, ...]:
    """`known`, brought up to date with the alarms that are in ALARM now (`standing`).

    An episode stays until it has an answer and is over, however short it was. Of two episodes of
    one alarm the newer one is kept: one run answers both.
    """
    now = {episode.id: episode for episode in standing}
    kept = {
        episode.alarm: replace(episode, over=episode.id not in now)
        for episode in known
        if episode.id in now or not episode.answer
    }
    fresh = {e.alarm: e for e in now.values() if e.alarm not in kept or kept[e.alarm].id != e.id}
    return tuple(sorted((kept | fresh).values(), key=lambda episode: episode.alarm))


@dataclass(frozen=True)
class Inputs:
    """What a run learns from, and how."""

    snapshot_id: str
    code_version: str
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 (64 hex digits): where the runs on these inputs are on record."""
        return hashlib.sha256(canonical(asdict(self)).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"parameters": dict(self.parameters)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Inputs":
        parameters = tuple(sorted(data["parameters"].items()))
        return cls(data["snapshot_id"], data["code_version"], parameters)


@dataclass(frozen=True)
class Identity:
    """What a run is for; the same identity is never started twice."""

    inputs: Inputs
    episodes: tuple[str, ...] = ()
    attempt: int = 1
    """The how-manieth run on these inputs it is."""

    @property
    def parameters(self) -> dict[str, str]:
        """The pipeline's parameters for this run."""
        return {
            **dict(self.inputs.parameters),
            "SnapshotId": self.inputs.snapshot_id,
            "CodeVersion": self.inputs.code_version,
        }

    def token(self, pipeline: str) -> str:
        """SHA-256 (64 hex digits), the ClientRequestToken of StartPipelineExecution.

        Made of what is run, never of a clock or an event, so that every controller that decides on
        the same world asks for the same execution.
        """
        content = [pipeline, self.parameters, sorted(self.episodes), self.attempt]
        return hashlib.sha256(canonical(content).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return {
            "inputs": self.inputs.to_json(),
            "episodes": list(self.episodes),
            "attempt": self.attempt,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Identity":
        return cls(Inputs.from_json(data["inputs"]), tuple(data["episodes"]), data["attempt"])


@dataclass(frozen=True)
class Claim:
    """The intention to start a run, written down before the start."""

    identity: Identity
    token: str
    rule: str
    reason: str
    sequence: int
    """Of the data that is run, as in Data."""
    pushed_at: datetime
    """Of the code that is run, as in Code."""
    claimed_at: datetime
    deadline: datetime
    owner: str = ""
    """Who claims it: no two controllers, nor two wake-ups of one, have the same name."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "identity": self.identity.to_json(),
            "pushed_at": self.pushed_at.isoformat(),
            "claimed_at": self.claimed_at.isoformat(),
            "deadline": self.deadline.isoformat(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Claim":
        times = {key: _time(data[key]) for key in ("pushed_at", "claimed_at", "deadline")}
        return cls(**{**data, **times, "identity": Identity.from_json(data["identity"])})


@dataclass(frozen=True)
class Run:
    """A pipeline execution that this controller started. `failure` is why it did not succeed."""

    execution_arn: str
    """Empty if SageMaker refused to start it."""
    identity: Identity
    token: str
    rule: str
    reason: str
    sequence: int
    pushed_at: datetime
    started_at: datetime
    status: str = "Executing"
    """As DescribePipelineExecution says: Executing, Stopping, Stopped, Failed or Succeeded."""
    ended_at: datetime | None = None
    failure: str = ""
    cause: Cause = Cause.NONE
    model_version: int | None = None
    """Of the model package that it registered."""

    @property
    def name(self) -> str:
        """The execution id, the last part of the ARN."""
        return self.execution_arn.rpartition("/")[2] or f"attempt {self.identity.attempt}"

    @property
    def active(self) -> bool:
        return self.status in ("Executing", "Stopping")

    @property
    def outcome(self) -> str:
        """The status and, unless it succeeded, why."""
        return f"{self.status}: {self.failure}" if self.failure else self.status

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "identity": self.identity.to_json(),
            "pushed_at": self.pushed_at.isoformat(),
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at and self.ended_at.isoformat(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Run":
        times = {key: _time(data[key]) for key in ("pushed_at", "started_at")}
        return cls(
            **{
                **data,
                **times,
                "identity": Identity.from_json(data["identity"]),
                "ended_at": data["ended_at"] and _time(data["ended_at"]),
                "cause": Cause(data["cause"]),
            }
        )


@dataclass(frozen=True)
class Live:
    """The model version that the deploy controller has recorded as live, and since when."""

    version: int
    since: datetime


@dataclass(frozen=True)
class Spent:
    """Seconds of training in a calendar month (`yyyy-mm`, UTC)."""

    month: str = ""
    seconds: float = 0.0

    def plus(self, run: Run, began: datetime, ended: datetime) -> "Spent":
        """With `run` counted in the month in which it ended; an earlier month is over."""
        seconds = (ended - began).total_seconds() if run.execution_arn else 0.0
        month = f"{ended:%Y-%m}"
        if month < self.month:
            return self
        return Spent(month, seconds + (self.seconds if month == self.month else 0.0))


NOTHING_SPENT = Spent()


@dataclass(frozen=True)
class World:
    """All that the decision depends on."""

    pipeline: str
    data: Data
    code: Code | None
    limits: Limits
    runs: tuple[Run, ...] = ()
    """The newest runs on record, oldest first: at least those of the last 24 hours."""
    past: tuple[Run, ...] = ()
    """All runs ever on the inputs of now, oldest first; empty while there is no snapshot."""
    claim: Claim | None = None
    episodes: tuple[Episode, ...] = ()
    """The drift episodes that are remembered, at most one for an alarm."""
    burst_since: datetime | None = None
    """Since when uploads have been going on without a quiet period."""
    live: Live | None = None
    spent: Spent = NOTHING_SPENT
    told: tuple[str, ...] = ()
    """Tokens of the failed runs of which a person was told."""
    pause: Pause | None = None
    request: Request | None = None
    """The person's request that no run has answered yet."""

    @property
    def inputs(self) -> Inputs | None:
        """What a run would learn from now; None while there is nothing that can be run."""
        if self.data.snapshot_id is None or self.code is None:
            return None
        return Inputs(self.data.snapshot_id, self.code.version, self.code.parameters)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
