"""Which model version to serve: one pure function from the state of the world to the next step.

What is wanted is the newest approved version that has not failed to deploy. One step at a time:

1. A change under way is waited for.
2. An endpoint that came up with the wanted version is recorded as live.
3. An update that ended with another configuration than the wanted one was rolled back, whatever the
   endpoint's status says: the version has failed, with its reason, and is not tried again.
4. An endpoint that could not be created at all is deleted, and the next older version is tried.
5. A version that is no longer approved (a person rejected it) gives way to the newest other one; if
   there is none, it keeps serving, for no answer is worse than an old one.
6. What is left over from older versions is deleted, except the one before the live one.

"No approved version yet" is an ordinary state. The configuration in use is never deleted.

A pinned endpoint is moved to the configuration that the Pulumi program declares, whatever is
approved; if it comes back from there, it stays where it is until Pulumi asks again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What the controller does next."""

    CREATE = "create"
    UPDATE = "update"
    WAIT = "wait"
    CONFIRM = "confirm"
    MARK_FAILED = "mark failed"
    DELETE_ENDPOINT = "delete the failed endpoint"
    CLEAN_UP = "clean up"
    TEAR_DOWN = "tear down"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Endpoint:
    """The endpoint as DescribeEndpoint tells it. `version` is that of the configuration in use."""

    status: str
    version: int | None
    """None for a configuration that the controller did not make: a pinned one."""
    modified: datetime
    failure: str = ""
    config: str = ""


@dataclass(frozen=True)
class Attempt:
    """The deployment begun last, written down before it began."""

    version: int | None
    """None for the pinned configuration."""
    started_at: datetime
    endpoint_modified: datetime | None
    """LastModifiedTime of the endpoint before the attempt; None if there was no endpoint.

    SageMaker's own clock tells an update that was rolled back from one that it never received.
    """


@dataclass(frozen=True)
class Failure:
    """Why a version is not deployed again."""

    reason: str
    log_tail: tuple[str, ...]
    failed_at: datetime


@dataclass(frozen=True)
class History:
    """What the controller remembers: `state/deploy.json`."""

    live: int | None = None
    previous: int | None = None
    attempt: Attempt | None = None
    failed: Mapping[int, Failure] = field(default_factory=dict)
    torn_down: bool = False
    last_decision: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        attempt = self.attempt
        return {
            "version": 1,
            "live": self.live,
            "previous": self.previous,
            "attempt": attempt
            and {
                "version": attempt.version,
                "started_at": attempt.started_at.isoformat(),
                "endpoint_modified": attempt.endpoint_modified
                and attempt.endpoint_modified.isoformat(),
            },
            "failed": {
                str(version): asdict(failure) | {"failed_at": failure.failed_at.isoformat()}
                for version, failure in sorted(self.failed.items())
            },
            "torn_down": self.torn_down,
            "last_decision": list(self.last_decision),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "History":
        attempt = data["attempt"]
        return cls(
            live=data["live"],
            previous=data["previous"],
            attempt=attempt
            and Attempt(
                attempt["version"],
                datetime.fromisoformat(attempt["started_at"]),
                attempt["endpoint_modified"]
                and datetime.fromisoformat(attempt["endpoint_modified"]),
            ),
            failed={
                int(version): Failure(
                    failure["reason"],
                    tuple(failure["log_tail"]),
                    datetime.fromisoformat(failure["failed_at"]),
                )
                for version, failure in data["failed"].items()
            },
            torn_down=data["torn_down"],
            last_decision=tuple(data["last_decision"]),
        )


@dataclass(frozen=True)
class World:
    """All that the decision depends on; versions are numbers of the model package group."""

    approved: Mapping[int, str]
    """The ARNs of their model packages."""
    endpoint: Endpoint | None
    history: History
    deployed: frozenset[int] = frozenset()
    """Versions of which a model or an endpoint configuration exists."""
    pinned: str = ""
    """The configuration that Pulumi declares; empty when the endpoint follows the registry."""


@dataclass(frozen=True)
class Decision:
    """What to do, by which rule, and why; `version` is which one, `leftovers` what to clean up."""

    kind: Kind
    rule: str
    reason: str
    version: int | None = None
    leftovers: tuple[int, ...] = ()


def decide(world: World) -> Decision:
    """The next step towards an endpoint that serves the wanted version."""
    endpoint = world.endpoint
    if world.history.torn_down:
        return Decision(Kind.NOTHING, "torn down", "The endpoint is being or has been destroyed.")
    if endpoint is None:
        return _create(world)
    if world.pinned and endpoint.status in ("InService", "Failed", "UpdateRollbackFailed"):
        return _pin(world, endpoint)
    match endpoint.status:
        case "InService":
            return _in_service(world, endpoint)
        case "Failed":
            return _creation_failed(world, endpoint)
        case "UpdateRollbackFailed":
            # Served by a mix of two configurations (DescribeEndpoint); an update gets it out of it.
            return _attempt_failed(world, endpoint) or _serve(world, endpoint)
        case status:
            reason = f"The endpoint is {status}."
            return Decision(Kind.WAIT, "one step at a time", reason, endpoint.version)


def _wanted(world: World) -> int | None:
    """The newest approved version that has not failed."""
    return max(world.approved.keys() - world.history.failed.keys(), default=None)


def _create(world: World) -> Decision:
    if world.pinned:
        reason = f"{world.pinned} is pinned, and there is no endpoint."
        return Decision(Kind.CREATE, "pinned", reason)
    wanted = _wanted(world)
    if wanted is None:
        return Decision(Kind.NOTHING, "no version yet", _no_version(world))
    reason = f"Version {wanted} is approved, and there is no endpoint yet."
    return Decision(Kind.CREATE, "newest approved", reason, wanted)


def _no_version(world: World) -> str:
    if world.approved:
        return f"No version to serve: all approved ones failed ({_names(world.approved)})."
    return "No version is approved yet."


def _pin(world: World, endpoint: Endpoint) -> Decision:
    """Towards the configuration that is pinned, which is tried once for each time it is asked."""
    attempt, arrived = world.history.attempt, f"{world.pinned} is live, as pinned."
    if endpoint.config == world.pinned and endpoint.status == "InService":
        if attempt is not None or world.history.live is not None:
            return Decision(Kind.CONFIRM, "in service", arrived)
        if leftovers := tuple(sorted(world.deployed)):
            reason = f"Models and configurations of versions {_names(leftovers)} are not used."
            return Decision(Kind.CLEAN_UP, "leftovers", reason, leftovers=leftovers)
        return Decision(Kind.NOTHING, "as wanted", arrived)
    if attempt and attempt.version is None and attempt.endpoint_modified != endpoint.modified:
        reason = f"{world.pinned} is pinned and did not come up: {_why(endpoint)}"
        return Decision(Kind.NOTHING, "pinned once", reason)
    if endpoint.status == "Failed":
        reason = "An endpoint whose creation failed can only be deleted."
        return Decision(Kind.DELETE_ENDPOINT, "creation failed", reason)
    reason = f"{world.pinned} is pinned; {endpoint.config} is live."
    return Decision(Kind.UPDATE, "pinned", reason)


def _creation_failed(world: World, endpoint: Endpoint) -> Decision:
    version = endpoint.version
    if version is not None and version not in world.history.failed:
        reason = f"Version {version} did not come up: {_why(endpoint)}"
        return Decision(Kind.MARK_FAILED, "creation failed", reason, version)
    reason = "An endpoint whose creation failed can only be deleted."
    return Decision(Kind.DELETE_ENDPOINT, "creation failed", reason, version)


def _attempt_failed(world: World, endpoint: Endpoint) -> Decision | None:
    attempt = world.history.attempt
    if attempt is None or attempt.version is None or attempt.version in world.history.failed:
        return None
    if endpoint.version == attempt.version and endpoint.status == "InService":
        return None
    if endpoint.modified == attempt.endpoint_modified:
        return None
    reason = f"Version {attempt.version} was rolled back: {_why(endpoint)}"
    return Decision(Kind.MARK_FAILED, "rolled back", reason, attempt.version)


def _in_service(world: World, endpoint: Endpoint) -> Decision:
    if failed := _attempt_failed(world, endpoint):
        return failed
    if endpoint.version is not None and endpoint.version != world.history.live:
        reason = f"Version {endpoint.version} is live."
        return Decision(Kind.CONFIRM, "in service", reason, endpoint.version)
    return _serve(world, endpoint)


def _serve(world: World, endpoint: Endpoint) -> Decision:
    wanted, live = _wanted(world), endpoint.version
    if wanted is None:
        reason = f"{_title(live)} keeps serving although it is not approved. {_no_version(world)}"
        return Decision(Kind.NOTHING, "keep serving", reason, live)
    if wanted != live or endpoint.status != "InService":
        why = "is the newest approved" if live in world.approved else "is approved, unlike the live"
        served = _title(live)[0].lower() + _title(live)[1:]
        reason = f"Version {wanted} {why} version; {served} is live."
        return Decision(Kind.UPDATE, "newest approved", reason, wanted)
    kept = {live, world.history.previous}
    leftovers = tuple(sorted(world.deployed - kept))
    if leftovers:
        reason = f"Models and configurations of versions {_names(leftovers)} are not used any more."
        return Decision(Kind.CLEAN_UP, "leftovers", reason, leftovers=leftovers)
    return Decision(Kind.NOTHING, "as wanted", f"Version {live} is live, as wanted.", live)


def _title(version: int | None) -> str:
    return "What was pinned" if version is None else f"Version {version}"


def _why(endpoint: Endpoint) -> str:
    return endpoint.failure or "SageMaker gave no reason."


def _names(versions: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(versions)))
