"""AWS as a value: one loop's corner of it, as small as its controller can tell, and never changed.

A call takes a world and gives another, so a checker can keep a million worlds, compare them and go
back to any of them. What decides between right and wrong is exact: conditional writes by ETag,
one execution for one ClientRequestToken, consistent listings. The clock moves only when told.
"""

# ruff: noqa: N803  # arguments are named as boto3 names them

import functools
import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
DATA, ARTIFACTS = "data", "artifacts"
PIPELINE, ALARM = "churn", "churn-drift"
CODE_KEY, DEPLOY_KEY = "code/current.json", "state/deploy.json"
STATE_KEY = "state/retrain.json"
PAUSE_KEY, REQUEST_KEY = "state/pause.json", "state/request.json"
LEDGER, SNAPSHOTS = "state/ledger/", "snapshots/"
TOKEN_IS_KNOWN = timedelta(minutes=10)
"""How long SageMaker knows a ClientRequestToken is not documented: no longer than a claim holds."""
_ARN = "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/churn/execution/run"
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)


class Refused(Exception):  # noqa: N818  # AWS's answer, not a fault of this code
    """AWS refuses a call, with its error code."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code)
        self.code, self.message = code, message


@dataclass(frozen=True)
class Version:
    """One version of an object."""

    body: bytes
    modified: datetime
    deleted: bool = False

    @property
    def etag(self) -> str:
        return _etag(self.body)


@functools.lru_cache(100_000)
def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


@dataclass(frozen=True)
class Execution:
    """One pipeline execution."""

    number: int
    token: str
    name: str
    parameters: tuple[tuple[str, str], ...]
    started_at: datetime
    changes: int
    """How many changes of the data there had been, and how many pushes, when it started."""
    pushes: int
    status: str = "Executing"
    ended_at: datetime | None = None
    cause: str = ""
    """Of its failure: `aws` or `ours`."""

    @property
    def arn(self) -> str:
        return f"{_ARN}{self.number}"

    @property
    def active(self) -> bool:
        return self.status == "Executing"


Content = frozenset[tuple[str, bytes]]
"""The data at one moment: keys and bodies."""


@dataclass(frozen=True)
class World:
    """All that a controller can see of AWS, and the history that the promises are judged by."""

    now: datetime = START
    skew: timedelta = timedelta(0)
    """So far may two clocks differ."""
    objects: Mapping[tuple[str, str], tuple[Version, ...]] = field(default_factory=dict)
    """Every version of the data, the newest of anything else."""
    ledger: Mapping[str, bytes] = field(default_factory=dict)
    executions: tuple[Execution, ...] = ()
    alarm: tuple[str, datetime] = ("OK", _NEVER)
    sent: int = 0
    """Messages to the controller's own queue."""
    contents: tuple[tuple[datetime, Content], ...] = ()
    """What the data were, and since when."""
    pushes: tuple[tuple[datetime, str], ...] = ()
    """Which code was pushed, and when."""
    raised: tuple[datetime, ...] = ()
    """When the alarm went to ALARM."""
    asked: tuple[datetime, ...] = ()
    """When a person asked for a run."""
    paused_at: datetime | None = None
    told: bool = False
    """A wake-up came of an event about one object: it does not look at the others."""

    @functools.cached_property
    def key(self) -> int:
        """Equal for two worlds that no controller and no promise can tell apart."""
        objects = hash(frozenset(self.objects.items()))
        ledger = hash(frozenset(self.records))
        history = (self.contents, self.pushes, self.raised, self.asked, self.told)
        rest = (self.executions, self.alarm, *history)
        return hash((self.now, objects, ledger, *rest))

    @functools.cached_property
    def records(self) -> tuple["Record", ...]:
        """Of every entry of the ledger, what the promises ask about; in no order that matters."""
        return tuple(sorted(record for body in self.ledger.values() for record in _records(body)))

    @property
    def active(self) -> tuple[Execution, ...]:
        return tuple(each for each in self.executions if each.active)

    # --- what happens to the loop from outside -------------------------------------------------

    def later(self, delay: timedelta) -> "World":
        return replace(self, now=self.now + delay) if delay else self

    def skewed(self, skew: timedelta) -> "World":
        return replace(self, skew=skew)

    def upload(self, key: str, body: bytes) -> "World":
        return self._data(f"data/{key}", Version(body, self.now))

    def delete(self, key: str) -> "World":
        return self._data(f"data/{key}", Version(b"", self.now, deleted=True))

    def _data(self, key: str, version: Version) -> "World":
        world = self._with(DATA, key, (*self.objects.get((DATA, key), ()), version))
        current = frozenset(
            (name, versions[-1].body)
            for (bucket, name), versions in world.objects.items()
            if bucket == DATA and not versions[-1].deleted
        )
        return replace(world, contents=(*world.contents, (self.now, current)))

    def push(self, version: str) -> "World":
        world = self._document(CODE_KEY, {"code_version": version, "parameters": {}})
        return replace(world, pushes=(*self.pushes, (self.now, version)))

    def alarmed(self, state: str) -> "World":
        raised = (*self.raised, self.now) if state == "ALARM" else self.raised
        return replace(self, alarm=(state, self.now), raised=raised)

    def ask(self) -> "World":
        request = {
            "version": 1,
            "id": f"request{len(self.asked) + 1}",
            "who": "a person",
            "at": self.now.isoformat(),
            "reason": "why not",
        }
        return replace(self._document(REQUEST_KEY, request), asked=(*self.asked, self.now))

    def pause(self, paused: bool) -> "World":
        pause = {
            "version": 1,
            "paused": paused,
            "who": "a person",
            "at": self.now.isoformat(),
            "reason": "a freeze",
            "until": None,
        }
        return replace(self._document(PAUSE_KEY, pause), paused_at=self.now if paused else None)

    def live(self, version: int) -> "World":
        """The deploy controller has made this model version live."""
        return self._document(DEPLOY_KEY, {"live": version})

    def end(self, status: str, cause: str = "") -> "World":
        """End the oldest active execution."""
        ended = replace(self.active[0], status=status, ended_at=self.now, cause=cause)
        return replace(
            self,
            executions=tuple(
                ended if each.number == ended.number else each for each in self.executions
            ),
        )

    def without(self, key: str) -> "World":
        """A person has removed an object from the artifact bucket."""
        objects = {name: each for name, each in self.objects.items() if name[1] != key}
        return replace(self, objects=objects)

    def _document(self, key: str, value: object) -> "World":
        return self._with(ARTIFACTS, key, (Version(json.dumps(value).encode(), self.now),))

    def _with(self, bucket: str, key: str, versions: tuple[Version, ...]) -> "World":
        return replace(self, objects={**self.objects, (bucket, key): versions})

    def document(self, key: str) -> Any:
        """The JSON value in the artifact bucket; None if there is no such object."""
        versions = self.objects.get((ARTIFACTS, key))
        return json.loads(versions[-1].body) if versions else None


class Record(NamedTuple):
    """What the promises ask about an entry of the ledger."""

    time: str
    decision: str
    rule: str
    token: str
    reason: str


@functools.lru_cache(100_000)
def _records(segment: bytes) -> tuple[Record, ...]:
    entries = map(json.loads, gzip.decompress(segment).splitlines())
    return tuple(
        Record(
            entry["time"],
            entry["decision"],
            entry["rule"],
            entry["inputs"].get("token") or "",
            entry["reason"],
        )
        for entry in entries
    )


# --- the calls ----------------------------------------------------------------------------------

Answer = tuple[World, Any]


def call(world: World, operation: str, request: Mapping[str, Any]) -> Answer:
    """The world after one AWS call, and its answer. Raises Refused; the world then stays."""
    return OPERATIONS[operation](world, **request)


def _get_object(world: World, *, Bucket: str, Key: str, **more: Any) -> Answer:
    body = world.ledger.get(Key)
    if body is None:
        versions = world.objects.get((Bucket, Key))
        if not versions or versions[-1].deleted:
            raise Refused("NoSuchKey")
        version = versions[int(more["VersionId"])] if "VersionId" in more else versions[-1]
        body, modified = version.body, version.modified
    else:
        modified = world.now
    etag = _etag(body)
    if "Range" in more:
        first, _, last = more["Range"].removeprefix("bytes=").partition("-")
        body = body[int(first) : int(last) + 1]
    return world, {"Body": body, "ETag": etag, "LastModified": modified}


def _put_object(world: World, *, Bucket: str, Key: str, Body: bytes, **headers: str) -> Answer:
    current = world.ledger.get(Key)
    if current is None and (versions := world.objects.get((Bucket, Key))):
        current = versions[-1].body
    if headers.get("IfNoneMatch") == "*" and current is not None:
        raise Refused("PreconditionFailed")
    if "IfMatch" in headers and current is None:
        raise Refused("NoSuchKey")
    if "IfMatch" in headers and current is not None and _etag(current) != headers["IfMatch"]:
        raise Refused("PreconditionFailed")
    if Key.startswith(LEDGER):
        after = replace(world, ledger={**world.ledger, Key: Body})
    else:
        after = world._with(Bucket, Key, (Version(Body, world.now),))
    return after, {"ETag": _etag(Body)}


def _head_object(world: World, *, Bucket: str, Key: str, **more: Any) -> Answer:
    versions = world.objects.get((Bucket, Key), ())
    number = int(more.get("VersionId", len(versions) - 1))
    if not versions or versions[number].deleted:
        raise Refused("404")
    version = versions[number]
    return world, {
        "ETag": version.etag,
        "VersionId": str(number),
        "LastModified": version.modified,
        "ChecksumSHA256": hashlib.sha256(version.body).hexdigest(),
        "ContentLength": len(version.body),
    }


def _list_object_versions(world: World, *, Bucket: str, Prefix: str, **more: Any) -> Answer:
    page: dict[str, list[Any]] = {}
    for (bucket, key), versions in sorted(world.objects.items()):
        if bucket == Bucket and key.startswith(Prefix) and key > more.get("KeyMarker", ""):
            for number, version in reversed(list(enumerate(versions))):
                item = {
                    "Key": key,
                    "VersionId": str(number),
                    "IsLatest": number == len(versions) - 1,
                    "LastModified": version.modified,
                }
                if version.deleted:
                    page.setdefault("DeleteMarkers", []).append(item)
                else:
                    item |= {"Size": len(version.body), "ETag": version.etag}
                    page.setdefault("Versions", []).append(item)
    return world, page


def _list_objects_v2(world: World, *, Bucket: str, Prefix: str, **more: Any) -> Answer:
    keys = [key for bucket, key in world.objects if bucket == Bucket]
    keys += world.ledger if Bucket == ARTIFACTS else ()
    after = more.get("StartAfter", "")
    found = [{"Key": key} for key in sorted(keys) if key.startswith(Prefix) and key > after]
    return world, {"Contents": found}


def _send_message(world: World, **request: Any) -> Answer:
    if not 0 <= request["DelaySeconds"] <= 900:
        raise Refused("InvalidParameterValue")
    return replace(world, sent=world.sent + 1), {}


def _put_metric_data(world: World, **_: Any) -> Answer:
    return world, {}


def _describe_alarms(world: World, **_: Any) -> Answer:
    state, since = world.alarm
    alarm = {"AlarmName": ALARM, "StateValue": state, "StateTransitionedTimestamp": since}
    return world, {"MetricAlarms": [alarm]}


def _start_pipeline_execution(world: World, **request: Any) -> Answer:
    token = request["ClientRequestToken"]
    for execution in world.executions:
        if execution.token == token and world.now < execution.started_at + TOKEN_IS_KNOWN:
            return world, {"PipelineExecutionArn": execution.arn}
    parameters = tuple((each["Name"], each["Value"]) for each in request["PipelineParameters"])
    name = request["PipelineExecutionDisplayName"]
    number = len(world.executions) + 1
    history = len(world.contents), len(world.pushes)
    execution = Execution(number, token, name, parameters, world.now, *history)
    return (
        replace(world, executions=(*world.executions, execution)),
        {"PipelineExecutionArn": execution.arn},
    )


def _description(execution: Execution) -> dict[str, Any]:
    return {
        "PipelineExecutionArn": execution.arn,
        "PipelineExecutionDisplayName": execution.name,
        "PipelineExecutionStatus": execution.status,
        "StartTime": execution.started_at,
        "CreationTime": execution.started_at,
        "LastModifiedTime": execution.ended_at or execution.started_at,
    }


def _describe_pipeline_execution(world: World, *, PipelineExecutionArn: str) -> Answer:
    return world, _description(_execution(world, PipelineExecutionArn))


def _list_pipeline_executions(world: World, *, CreatedAfter: datetime, **_: Any) -> Answer:
    found = [_description(each) for each in world.executions if each.started_at >= CreatedAfter]
    return world, {"PipelineExecutionSummaries": found}


def _list_pipeline_execution_steps(world: World, *, PipelineExecutionArn: str, **_: Any) -> Answer:
    execution = _execution(world, PipelineExecutionArn)
    arn = f"arn:aws:sagemaker:eu-west-1:123456789012:model-package/churn/{execution.number}"
    steps = {
        "Executing": [],
        "Succeeded": [
            {
                "StepName": "Register",
                "StepStatus": "Succeeded",
                "Metadata": {"RegisterModel": {"Arn": arn}},
            }
        ],
        "Failed": [
            {
                "StepName": "Train",
                "StepStatus": "Failed",
                "FailureReason": _REASONS.get(execution.cause, ""),
            }
        ],
    }
    return world, {"PipelineExecutionSteps": steps[execution.status]}


_REASONS = {
    "aws": "CapacityError: Unable to provision requested ML compute capacity.",
    "ours": "AlgorithmError: column age is missing",
}


def _execution(world: World, arn: str) -> Execution:
    return next(each for each in world.executions if each.arn == arn)


OPERATIONS: dict[str, Callable[..., Answer]] = {
    "get_object": _get_object,
    "put_object": _put_object,
    "head_object": _head_object,
    "list_object_versions": _list_object_versions,
    "list_objects_v2": _list_objects_v2,
    "send_message": _send_message,
    "put_metric_data": _put_metric_data,
    "describe_alarms": _describe_alarms,
    "start_pipeline_execution": _start_pipeline_execution,
    "describe_pipeline_execution": _describe_pipeline_execution,
    "list_pipeline_executions": _list_pipeline_executions,
    "list_pipeline_execution_steps": _list_pipeline_execution_steps,
}
