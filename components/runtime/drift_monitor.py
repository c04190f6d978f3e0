"""The drift monitor: counts captured traffic over the live model's baseline, and reports drift.

What its role must allow (action: resource; ENDPOINT stands for ENDPOINT_NAME):

- sagemaker:DescribeEndpoint: endpoint/ENDPOINT
- sagemaker:DescribeEndpointConfig: endpoint-config/* (the endpoint's, whoever named it)
- sagemaker:DescribeModel: model/* (the configuration's)
- sagemaker:DescribeModelPackage: the model packages of the endpoint's group
- s3:ListBucket: the artifact bucket, without a condition on the prefix (it lists capture/, and
  without it S3 answers 403, not 404, for an object that does not exist yet)
- s3:GetObject: ARTIFACT_BUCKET/capture/ENDPOINT/*, /runs/* (baselines),
  /state/monitor.json, /state/ledger/*
- s3:PutObject: ARTIFACT_BUCKET/state/monitor.json, /state/ledger/*, /monitor/reports/*
- cloudwatch:PutMetricData: *, with the condition cloudwatch:namespace = NAMESPACE
- for the event source mapping sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes: its
  queue; sqs:SendMessage too (QUEUE_URL)
- kms:Decrypt, kms:GenerateDataKey: the bucket's and the queue's key, where one is set
- logs:CreateLogStream, logs:PutLogEvents: its own log group

A capture file is counted once: the counts and the names of the files in them are one document,
changed by compare-and-swap. A report is written into that document before it is published, so that
a monitor that dies in between publishes it the next time.
"""

import functools
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import ClientError

from .capture import Captured, read_requests
from .document import Conflict, Document, create_json, error_code, read_json
from .drift import Baseline, ColumnDrift, Report, Traffic, count_traffic, drift_report, no_traffic
from .ledger import Ledger
from .wakeups import Event, all_done, wake_later

CONTROLLER = "monitor"
STATE_KEY = "state/monitor.json"
REPORTS = "monitor/reports/"
FORMAT_VERSION = 1
FILES_AT_ONCE = 500
"""So many capture files are counted for one wake-up; for the rest the monitor wakes itself."""

_METRICS_AT_ONCE = 500  # PutMetricData takes 1,000 metrics (CloudWatch API reference)


@dataclass(frozen=True)
class Settings:
    """What the component sets in the function's environment."""

    loop: str
    artifact_bucket: str
    endpoint: str
    namespace: str
    min_samples: int
    psi_threshold: float
    storage_resolution: int
    queue_url: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        return cls(
            loop=environment["LOOP"],
            artifact_bucket=environment["ARTIFACT_BUCKET"],
            endpoint=environment["ENDPOINT_NAME"],
            namespace=environment["NAMESPACE"],
            min_samples=int(environment["MIN_SAMPLES"]),
            psi_threshold=float(environment["PSI_THRESHOLD"]),
            storage_resolution=int(environment["STORAGE_RESOLUTION"]),
            queue_url=environment["QUEUE_URL"],
        )


@dataclass(frozen=True)
class Clients:
    """boto3 clients."""

    s3: Any
    sqs: Any
    sagemaker: Any
    cloudwatch: Any


@dataclass(frozen=True)
class Model:
    """The model that the endpoint serves, and since when (SageMaker's clock, whole seconds)."""

    endpoint_config: str
    package_arn: str
    baseline_uri: str
    since: datetime

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"since": self.since.isoformat()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Model":
        return cls(**{**data, "since": datetime.fromisoformat(data["since"])})


@dataclass(frozen=True)
class State:
    """What the monitor remembers, in one document: `state/monitor.json`."""

    model: Model | None = None
    traffic: Traffic | None = None
    """Counted since the last report; None before the first traffic of the model."""
    bad_lines: int = 0
    files: tuple[str, ...] = ()
    """The capture files of this hour and the last that are in the counts or were reported."""
    unpublished: Mapping[str, Any] | None = None
    """A report that may not have been published yet."""

    def to_json(self) -> dict[str, Any]:
        return {
            "version": FORMAT_VERSION,
            "model": self.model and self.model.to_json(),
            "traffic": self.traffic and self.traffic.to_json(),
            "bad_lines": self.bad_lines,
            "files": list(self.files),
            "unpublished": self.unpublished,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "State":
        return cls(
            model=data["model"] and Model.from_json(data["model"]),
            traffic=data["traffic"] and Traffic.from_json(data["traffic"]),
            bad_lines=data["bad_lines"],
            files=tuple(data["files"]),
            unpublished=data["unpublished"],
        )


@dataclass(frozen=True)
class World:
    """What the endpoint serves and what it has captured. `files` are those not counted yet."""

    model: Model
    baseline: Baseline
    recent: frozenset[str]
    """All capture files of this hour and the last."""
    files: tuple[str, ...]
    captured: Captured


def advance(state: State, world: World, settings: Settings, now: datetime) -> State:
    """Count what was captured; with enough samples, make the report and begin to count anew."""
    same_model = state.model is not None and state.model == world.model
    before = state.traffic if same_model and state.traffic else no_traffic(world.baseline)
    captured = world.captured
    traffic = before + count_traffic(world.baseline, captured.rows, captured.scores)
    state = replace(
        state,
        model=world.model,
        traffic=traffic,
        bad_lines=captured.bad_lines + (state.bad_lines if same_model else 0),
        files=tuple(sorted(world.recent.intersection({*state.files, *world.files}))),
    )
    report = drift_report(
        world.baseline,
        traffic,
        psi_threshold=settings.psi_threshold,
        min_samples=settings.min_samples,
    )
    if not report.enough:
        return state
    told = {
        "version": FORMAT_VERSION,
        "time": now.isoformat(),
        "loop": settings.loop,
        "endpoint": settings.endpoint,
        "model_package_arn": world.model.package_arn,
        "baseline_uri": world.model.baseline_uri,
        "psi_threshold": settings.psi_threshold,
        "bad_lines": state.bad_lines,
        **report.to_json(),
        "traffic": traffic.to_json(),
    }
    return replace(state, traffic=no_traffic(world.baseline), bad_lines=0, unpublished=told)


def handler(event: Event, context: object) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """One look at what was captured for a whole batch of wake-ups, whatever they say."""
    DriftMonitor(Settings.from_environment(os.environ), _clients()).wake(datetime.now(UTC))
    return all_done()


@functools.cache
def _clients() -> Clients:
    return Clients(*map(boto3.client, ("s3", "sqs", "sagemaker", "cloudwatch")))


class DriftMonitor:
    """Reads what was captured, counts, reports: once for each wake-up."""

    def __init__(self, settings: Settings, clients: Clients) -> None:
        self.settings = settings
        self.clients = clients
        self.ledger = Ledger(clients.s3, settings.artifact_bucket, settings.loop)
        self.document = Document(clients.s3, settings.artifact_bucket, STATE_KEY)

    def wake(self, now: datetime) -> str:
        """Count what is new; returns what was done, in words."""
        try:
            done = self._step(now)
        except Conflict as conflict:
            done = f"Another monitor acts: {conflict}"
        entry = {"loop": self.settings.loop, "controller": CONTROLLER, "reason": done}
        print(json.dumps(entry))
        return done

    def _step(self, now: datetime) -> str:
        data, etag = self.document.read()
        state = State() if data is None else State.from_json(data)
        if state.unpublished:
            state, etag = self._publish(state, etag)
        endpoint = self._describe()
        if endpoint is None:
            return "There is no endpoint yet."
        model = self._model(endpoint, state.model)
        if model is None:
            return "The model that is live has no baseline."
        world = self._read_world(state, model, endpoint, now)
        if world is None:
            return f"There is no baseline at {model.baseline_uri}."
        after = advance(state, world, self.settings, now)
        if after == state:
            return "Nothing was captured since."
        if state.model != after.model:
            self._record_model(model, now)
        etag = self.document.write(after.to_json(), etag)
        if len(world.files) == FILES_AT_ONCE:
            wake_later(self.clients.sqs, self.settings.queue_url, now, now, "more files to count")
        if after.unpublished:
            self._publish(after, etag)
            return _summary(after.unpublished)
        rows = after.traffic.rows if after.traffic else 0
        return f"{rows} rows counted of {self.settings.min_samples} that a report needs."

    # --- reading -------------------------------------------------------------------------------

    def _describe(self) -> Mapping[str, Any] | None:
        try:
            answer = self.clients.sagemaker.describe_endpoint(EndpointName=self.settings.endpoint)
        except ClientError as error:
            if error_code(error) == "ValidationException" and "Could not find" in str(error):
                return None
            raise
        return dict(answer)

    def _model(self, endpoint: Mapping[str, Any], known: Model | None) -> Model | None:
        """The model behind the endpoint's configuration; None if its package has no baseline."""
        name: str = endpoint["EndpointConfigName"]
        if known is not None and known.endpoint_config == name:
            return known
        sagemaker = self.clients.sagemaker
        config = sagemaker.describe_endpoint_config(EndpointConfigName=name)
        model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
        arn = model.get("PrimaryContainer", {}).get("ModelPackageName")
        if arn is None:
            return None
        package = sagemaker.describe_model_package(ModelPackageName=arn)
        uri = package.get("CustomerMetadataProperties", {}).get("baseline_uri")
        # Capture times have whole seconds.
        since = endpoint["LastModifiedTime"].astimezone(UTC).replace(microsecond=0)
        return None if uri is None else Model(name, arn, uri, since)

    def _read_world(
        self, state: State, model: Model, endpoint: Mapping[str, Any], now: datetime
    ) -> World | None:
        bucket, _, key = model.baseline_uri.removeprefix("s3://").partition("/")
        data = read_json(self.clients.s3, bucket, key)
        if data is None:
            return None
        baseline = Baseline.from_json(data)
        recent = frozenset(self._recent_files(endpoint, now))
        files = tuple(sorted(recent.difference(state.files))[:FILES_AT_ONCE])
        width, since = len(baseline.features), model.since
        parts = [read_requests(self._text(file), width=width, since=since) for file in files]
        return World(model, baseline, recent, files, _together(parts))

    def _recent_files(self, endpoint: Mapping[str, Any], now: datetime) -> Iterable[str]:
        """The keys of this hour's and the last hour's capture files."""
        for variant in endpoint.get("ProductionVariants", []):
            for hour in (now - timedelta(hours=1), now):
                pages = self.clients.s3.get_paginator("list_objects_v2").paginate(
                    Bucket=self.settings.artifact_bucket,
                    Prefix=f"capture/{self.settings.endpoint}/{variant['VariantName']}"
                    f"/{hour.astimezone(UTC):%Y/%m/%d/%H}/",
                )
                for page in pages:
                    yield from (item["Key"] for item in page.get("Contents", []))

    def _text(self, key: str) -> str:
        answer = self.clients.s3.get_object(Bucket=self.settings.artifact_bucket, Key=key)
        return bytes(answer["Body"].read()).decode(errors="replace")

    # --- acting --------------------------------------------------------------------------------

    def _record_model(self, model: Model, now: datetime) -> None:
        self.ledger.append(
            now,
            CONTROLLER,
            decision="watch",
            rule="baseline of the live model",
            reason=f"Traffic is compared with the baseline of {model.package_arn} from now on.",
            inputs=model.to_json(),
        )

    def _publish(self, state: State, etag: str | None) -> tuple[State, str]:
        """Write the report and its metrics; again is harmless, for both carry the report's time."""
        told = state.unpublished or {}
        time = datetime.fromisoformat(told["time"])
        key = f"{REPORTS}{time:%Y-%m-%d}/{time:%Y%m%dT%H%M%S.%fZ}.json"
        create_json(self.clients.s3, self.settings.artifact_bucket, key, told)
        metrics = self._metrics(Report.from_json(told), time)
        for start in range(0, len(metrics), _METRICS_AT_ONCE):
            self.clients.cloudwatch.put_metric_data(
                Namespace=self.settings.namespace,
                MetricData=metrics[start : start + _METRICS_AT_ONCE],
            )
        published = replace(state, unpublished=None)
        return published, self.document.write(published.to_json(), etag)

    def _metrics(self, report: Report, time: datetime) -> list[dict[str, Any]]:
        def metric(name: str, value: float, feature: str | None = None) -> dict[str, Any]:
            dimensions = [{"Name": "Loop", "Value": self.settings.loop}]
            if feature is not None:
                dimensions.append({"Name": "Feature", "Value": _ascii(feature)})
            return {
                "MetricName": name,
                "Dimensions": dimensions,
                "Timestamp": time,
                "Value": value,
                "Unit": "Count" if name == "Samples" else "None",
                "StorageResolution": self.settings.storage_resolution,
            }

        def of_column(column: ColumnDrift) -> list[dict[str, Any]]:
            return [
                metric("Psi", column.psi, column.name),
                metric("JensenShannon", column.jensen_shannon, column.name),
            ]

        return [
            metric("DriftedShare", report.drifted_share),
            metric("MaxPsi", report.max_psi),
            metric("PredictionPsi", report.prediction.psi),
            metric("Samples", report.samples),
            *(each for column in report.columns for each in of_column(column)),
        ]


def _together(parts: Iterable[Captured]) -> Captured:
    parts = list(parts)
    return Captured(
        tuple(row for part in parts for row in part.rows),
        tuple(score for part in parts for score in part.scores),
        sum(part.bad_lines for part in parts),
    )


def _summary(told: Mapping[str, Any]) -> str:
    drifted = [column["name"] for column in told["features"] if column["drifted"]]
    share = f"{told['drifted_share']:.0%} of the columns drifted"
    return f"Report over {told['samples']} rows: {share} ({', '.join(drifted) or 'no feature'})."


def _ascii(name: str) -> str:
    """CloudWatch takes ASCII only in dimensions (API reference, Dimension), 1024 characters."""
    return name.encode("ascii", "backslashreplace").decode()[:1024]
