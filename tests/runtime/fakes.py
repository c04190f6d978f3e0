"""AWS in memory, as far as the controllers use it: small, faithful where it matters, never slow.

Conditional writes, ClientRequestToken and blue/green updates behave as AWS documents them; moto
ignores the first on some calls, and gives two executions for one token.
"""

# ruff: noqa: N803  # arguments are named as boto3 names them

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from components.runtime import set_hash
from components.runtime.segment import Entry

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PAGE = 3
"""So few items on a page that every listing has several."""


class Clock:
    """The time of all fakes, moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def forward(self, **delta: float) -> datetime:
        self.now += timedelta(**delta)
        return self.now


def refusal(code: str, message: str = "", operation: str = "Call") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class Pages:
    """A paginator over `items`, under `member` of each page."""

    def __init__(self, member: str, items: Callable[..., list[Any]]) -> None:
        self.member = member
        self.items = items

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        request.pop("PaginationConfig", None)
        items = self.items(**request)
        for start in range(0, max(1, len(items)), PAGE):
            yield {self.member: items[start : start + PAGE]}


@dataclass
class Version:
    id: str
    body: bytes
    modified: datetime
    deleted: bool = False
    checksummed: bool = True

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


class S3:
    """Versioned buckets with conditional writes."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.buckets: dict[str, dict[str, list[Version]]] = {}
        self.heads: list[str] = []
        self.lists = 0
        self.page = PAGE
        self.writes = 0

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes,
        checksummed: bool = True,
        **headers: str,
    ) -> dict[str, Any]:
        current = self._current(Bucket, Key)
        if headers.get("IfNoneMatch") == "*" and current:
            raise refusal("PreconditionFailed")
        if "IfMatch" in headers and current is None:
            raise refusal("NoSuchKey")
        if "IfMatch" in headers and current and current.etag != headers["IfMatch"]:
            raise refusal("PreconditionFailed")
        return {"ETag": self._add(Bucket, Key, Body, checksummed=checksummed).etag}

    def delete_object(self, *, Bucket: str, Key: str) -> None:
        self._add(Bucket, Key, b"", deleted=True)

    def get_object(
        self, *, Bucket: str, Key: str, Range: str = "", VersionId: str = ""
    ) -> dict[str, Any]:
        version = self._version(Bucket, Key, VersionId)
        if version is None:
            raise refusal("NoSuchKey")
        body = version.body
        if Range:
            start, _, last = Range.removeprefix("bytes=").partition("-")
            body = body[int(start) : int(last) + 1 if last else None]
            if not body:
                raise refusal("InvalidRange")
        return {
            "Body": io.BytesIO(body),
            "ETag": version.etag,
            "LastModified": version.modified.replace(microsecond=0),  # as S3 tells it
        }

    def head_object(self, *, Bucket: str, Key: str, ChecksumMode: str, VersionId: str = "") -> Any:
        assert ChecksumMode == "ENABLED"
        self.heads.append(Key)
        version = self._version(Bucket, Key, VersionId)
        if version is None:
            raise refusal("404")
        checksum = hashlib.sha256(version.body).hexdigest()
        return {
            "ETag": version.etag,
            "VersionId": version.id,
            "ContentLength": len(version.body),
            "LastModified": version.modified,
        } | ({"ChecksumSHA256": checksum, "ChecksumCRC32": "x"} if version.checksummed else {})

    def list_object_versions(
        self, *, Bucket: str, Prefix: str, KeyMarker: str = ""
    ) -> dict[str, Any]:
        """Of the keys after the marker, on pages that end amid the versions of a key."""
        self.lists += 1
        page: dict[str, Any] = {"IsTruncated": False}
        count = 0
        for key in sorted(self.buckets.get(Bucket, {})):
            if not key.startswith(Prefix) or key <= KeyMarker:
                continue
            versions = self.buckets[Bucket][key]
            for version in reversed(versions):
                if count == self.page:
                    return page | {"IsTruncated": True}
                item: dict[str, Any] = {
                    "Key": key,
                    "VersionId": version.id,
                    "IsLatest": version is versions[-1],
                    "LastModified": version.modified,
                }
                if version.deleted:
                    page.setdefault("DeleteMarkers", []).append(item)
                else:
                    item |= {"Size": len(version.body), "ETag": version.etag}
                    page.setdefault("Versions", []).append(item)
                count += 1
        return page

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_objects_v2"
        return Pages("Contents", self._contents)

    # What tests look at and change directly.

    def put(self, bucket: str, key: str, body: str | bytes) -> None:
        self.put_object(
            Bucket=bucket, Key=key, Body=body.encode() if isinstance(body, str) else body
        )

    def json(self, bucket: str, key: str) -> Any:
        return json.loads(self.get_object(Bucket=bucket, Key=key)["Body"].read())

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        return [item["Key"] for item in self._contents(bucket, prefix)]

    def _contents(self, Bucket: str, Prefix: str = "", StartAfter: str = "") -> list[Any]:
        return [
            {"Key": key}
            for key in sorted(self.buckets.get(Bucket, {}))
            if key.startswith(Prefix) and key > StartAfter and self._current(Bucket, key)
        ]

    def _current(self, bucket: str, key: str) -> Version | None:
        versions = self.buckets.get(bucket, {}).get(key)
        return versions[-1] if versions and not versions[-1].deleted else None

    def _version(self, bucket: str, key: str, version_id: str) -> Version | None:
        if not version_id:
            return self._current(bucket, key)
        versions = self.buckets.get(bucket, {}).get(key, [])
        return next((version for version in versions if version.id == version_id), None)

    def _add(self, bucket: str, key: str, body: bytes, **kind: bool) -> Version:
        self.writes += 1
        version = Version(f"v{self.writes}", body, self.clock.now, **kind)
        self.buckets.setdefault(bucket, {}).setdefault(key, []).append(version)
        return version


def truth(s3: S3) -> dict[str, Entry]:
    """Every object of the data set, asked one by one."""
    found = {}
    for key in s3.keys("data", "data/"):
        if not key.endswith("/"):
            head = s3.head_object(Bucket="data", Key=key, ChecksumMode="ENABLED")
            checksum = f"sha256:{head['ChecksumSHA256']}"
            found[key] = Entry(key, head["VersionId"], head["ContentLength"], checksum)
    return found


def content_id(entries: Mapping[str, Entry]) -> str:
    """The id of a snapshot of these entries, from scratch."""
    contents = (entry.content for entry in entries.values())
    return set_hash.digest(set_hash.joined(set_hash.EMPTY, contents))


@dataclass
class Sqs:
    """Remembers what was sent."""

    sent: list[dict[str, Any]] = field(default_factory=list)

    def send_message(self, **request: Any) -> None:
        assert 0 <= request["DelaySeconds"] <= 900
        self.sent.append(request)


@dataclass
class CloudWatch:
    """Alarms that tests set, metrics that tests read."""

    alarms: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)

    def describe_alarms(self, *, AlarmNames: list[str]) -> dict[str, Any]:
        return {
            "MetricAlarms": [
                {"AlarmName": name, "StateValue": state, "StateTransitionedTimestamp": since}
                for name, (state, since) in self.alarms.items()
                if name in AlarmNames
            ]
        }

    def put_metric_data(self, *, Namespace: str, MetricData: list[Any]) -> None:
        assert len(MetricData) <= 1000
        self.metrics.extend({"Namespace": Namespace} | datum for datum in MetricData)


@dataclass
class Logs:
    """The lines of one log group, or none if there is no such group."""

    lines: list[str] | None = None

    def get_paginator(self, operation: str) -> Pages:
        assert operation == "filter_log_events"
        return Pages("events", self._events)

    def _events(self, *, logGroupName: str, startTime: int) -> list[Any]:
        assert logGroupName.startswith("/aws/sagemaker/Endpoints/")
        assert startTime > 0
        if self.lines is None:
            raise refusal("ResourceNotFoundException")
        return [{"message": f"{line}\n"} for line in self.lines]


class Executions:
    """SageMaker's pipelines: one execution for one ClientRequestToken."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.executions: dict[str, dict[str, Any]] = {}
        self.steps: dict[str, list[Any]] = {}
        self.exit_messages: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        self.starts = 0

    def start_pipeline_execution(self, **request: Any) -> dict[str, str]:
        self.starts += 1
        token = request["ClientRequestToken"]
        if token not in self.tokens:
            number = len(self.executions) + 1
            arn = f"arn:aws:sagemaker:eu-west-1:123456789012:pipeline/p/execution/run{number}"
            self.tokens[token] = arn
            self.executions[arn] = {
                "PipelineExecutionArn": arn,
                "PipelineExecutionDisplayName": request["PipelineExecutionDisplayName"],
                "PipelineExecutionStatus": "Executing",
                "StartTime": self.clock.now,
                "CreationTime": self.clock.now,
                "LastModifiedTime": self.clock.now,
                "parameters": {p["Name"]: p["Value"] for p in request["PipelineParameters"]},
            }
        return {"PipelineExecutionArn": self.tokens[token]}

    def describe_pipeline_execution(self, *, PipelineExecutionArn: str) -> dict[str, Any]:
        return self.executions[PipelineExecutionArn]

    def get_paginator(self, operation: str) -> Pages:
        if operation == "list_pipeline_executions":
            return Pages("PipelineExecutionSummaries", self._list)
        assert operation == "list_pipeline_execution_steps"
        return Pages("PipelineExecutionSteps", self._steps)

    def describe_processing_job(self, *, ProcessingJobName: str) -> dict[str, Any]:
        return {"ExitMessage": self.exit_messages.get(ProcessingJobName)}

    def _steps(self, *, PipelineExecutionArn: str) -> list[Any]:
        return self.steps.get(PipelineExecutionArn, [])

    def _list(self, *, PipelineName: str, CreatedAfter: datetime) -> list[Any]:
        assert PipelineName
        return [e for e in self.executions.values() if e["StartTime"] >= CreatedAfter]

    # What tests look at and change directly.

    @property
    def active(self) -> list[str]:
        return [
            arn
            for arn, execution in self.executions.items()
            if execution["PipelineExecutionStatus"] == "Executing"
        ]

    def end(self, status: str = "Succeeded", steps: list[Any] | None = None) -> None:
        """End the execution that is active."""
        (arn,) = self.active
        self.steps[arn] = steps or []
        self.executions[arn] |= {
            "PipelineExecutionStatus": status,
            "LastModifiedTime": self.clock.now,
        }


class Endpoints:
    """SageMaker's registry and endpoints: updates are blue/green, and rolled back on failure."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.packages: dict[int, dict[str, Any]] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.endpoint: dict[str, Any] | None = None
        self.wanted_config: str | None = None

    def register(self, number: int, status: str = "Approved", **metadata: str) -> None:
        arn = f"arn:aws:sagemaker:eu-west-1:123456789012:model-package/churn/{number}"
        self.packages[number] = {
            "ModelPackageArn": arn,
            "ModelPackageVersion": number,
            "ModelApprovalStatus": status,
            "CustomerMetadataProperties": metadata,
        }

    def settle(self, failure: str = "") -> None:
        """Bring what is under way to its end: success, or failure with that reason."""
        assert self.endpoint is not None
        creating = self.endpoint["EndpointStatus"] == "Creating"
        if not failure:
            self.endpoint["EndpointConfigName"] = self.wanted_config
        self._change("Failed" if failure and creating else "InService", failure)

    def _change(self, status: str, failure: str = "") -> None:
        assert self.endpoint is not None
        self.clock.forward(seconds=1)
        self.endpoint["EndpointStatus"] = status
        self.endpoint["LastModifiedTime"] = self.clock.now
        if failure:
            self.endpoint["FailureReason"] = failure

    def describe_model_package(self, *, ModelPackageName: str) -> dict[str, Any]:
        return next(p for p in self.packages.values() if p["ModelPackageArn"] == ModelPackageName)

    def delete_model_package(self, *, ModelPackageName: str) -> None:
        number = int(ModelPackageName.rpartition("/")[2])
        del self.packages[number]

    def create_model(self, **request: Any) -> None:
        if request["ModelName"] in self.models:
            raise refusal("ValidationException", 'Cannot create already existing model "arn".')
        self.models[request["ModelName"]] = request

    def describe_model(self, *, ModelName: str) -> dict[str, Any]:
        return self.models[ModelName]

    def delete_model(self, *, ModelName: str) -> None:
        if self.models.pop(ModelName, None) is None:
            raise refusal("ValidationException", 'Could not find model "arn".')

    def create_endpoint_config(self, **request: Any) -> None:
        if request["EndpointConfigName"] in self.configs:
            message = 'Cannot create already existing endpoint configuration "arn".'
            raise refusal("ValidationException", message)
        self.configs[request["EndpointConfigName"]] = request

    def describe_endpoint_config(self, *, EndpointConfigName: str) -> dict[str, Any]:
        return self.configs[EndpointConfigName]

    def delete_endpoint_config(self, *, EndpointConfigName: str) -> None:
        in_use = self.endpoint and self.endpoint["EndpointConfigName"]
        assert EndpointConfigName != in_use, "the configuration in use must never be deleted"
        if self.configs.pop(EndpointConfigName, None) is None:
            raise refusal("ValidationException", 'Could not find endpoint configuration "arn".')

    def create_endpoint(self, **request: Any) -> None:
        if self.endpoint:
            raise refusal("ValidationException", 'Cannot create already existing endpoint "arn".')
        self.wanted_config = request["EndpointConfigName"]
        self.endpoint = {**request, "ProductionVariants": [{"VariantName": "primary"}]}
        self._change("Creating")

    def update_endpoint(self, *, EndpointName: str, EndpointConfigName: str) -> None:
        assert self.endpoint is not None
        assert self.endpoint["EndpointName"] == EndpointName
        if self.endpoint["EndpointStatus"] not in ("InService", "UpdateRollbackFailed"):
            raise refusal("ValidationException", "Cannot update in-progress endpoint.")
        assert EndpointConfigName in self.configs
        self.endpoint.pop("FailureReason", None)
        self.wanted_config = EndpointConfigName
        self._change("Updating")

    def describe_endpoint(self, *, EndpointName: str) -> dict[str, Any]:
        if self.endpoint is None:
            raise refusal("ValidationException", f'Could not find endpoint "{EndpointName}".')
        return dict(self.endpoint)

    def delete_endpoint(self, *, EndpointName: str) -> None:
        if self.endpoint is None:
            raise refusal("ValidationException", f'Could not find endpoint "{EndpointName}".')
        if self.endpoint["EndpointStatus"] in ("Creating", "Updating", "Deleting"):
            raise refusal("ValidationException", "Cannot delete in-progress endpoint.")
        self._change("Deleting")

    def get_paginator(self, operation: str) -> Pages:
        return {
            "list_model_packages": Pages("ModelPackageSummaryList", self._packages),
            "list_models": Pages("Models", self._models),
            "list_endpoint_configs": Pages("EndpointConfigs", self._configs),
        }[operation]

    def _packages(self, *, ModelPackageGroupName: str, ModelApprovalStatus: str = "") -> list[Any]:
        assert ModelPackageGroupName == "churn"
        return [
            package
            for package in self.packages.values()
            if ModelApprovalStatus in ("", package["ModelApprovalStatus"])
        ]

    def _models(self, *, NameContains: str) -> list[Any]:
        return [model for name, model in self.models.items() if NameContains in name]

    def _configs(self, *, NameContains: str) -> list[Any]:
        return [config for name, config in self.configs.items() if NameContains in name]


class Died(BaseException):  # no Exception: nothing may handle it
    """The function was killed."""


class Mortal:
    """Counts the AWS calls of several clients, and dies before or after one of them."""

    def __init__(self, at: int | None = None, *, after: bool = False) -> None:
        self.calls: list[str] = []
        self._at = at
        self._after = after

    def client(self, client: Any) -> Any:
        mortal = self

        class Client:
            def __getattr__(self, name: str) -> Any:
                operation = getattr(client, name)
                if name == "get_paginator":
                    return operation

                def call(**request: Any) -> Any:
                    number = len(mortal.calls)
                    mortal.calls.append(name)
                    if number == mortal._at and not mortal._after:
                        raise Died
                    try:
                        return operation(**request)
                    finally:
                        if number == mortal._at:
                            raise Died

                return call

        return Client()
