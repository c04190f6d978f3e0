"""The deploy controller: wakes up, reads the world, decides, takes one step. See deploy_decision.

What its role must allow (action: resource; ENDPOINT stands for ENDPOINT_NAME):

- sagemaker:ListModelPackages: the model package group
- sagemaker:DescribeEndpoint, sagemaker:CreateEndpoint, sagemaker:UpdateEndpoint,
  sagemaker:DeleteEndpoint: endpoint/ENDPOINT
- sagemaker:CreateEndpoint, sagemaker:UpdateEndpoint, sagemaker:CreateEndpointConfig,
  sagemaker:DeleteEndpointConfig: endpoint-config/ENDPOINT-v*
- sagemaker:CreateEndpoint, sagemaker:UpdateEndpoint: endpoint-config/PINNED_CONFIG, where it is set
- sagemaker:CreateModel, sagemaker:DeleteModel: model/ENDPOINT-v*
- sagemaker:AddTags: the endpoint, its configurations and models (creating with tags)
- sagemaker:ListModels, sagemaker:ListEndpointConfigs: * (they have no resource type)
- iam:PassRole: EXECUTION_ROLE_ARN, to sagemaker.amazonaws.com
- s3:ListBucket: the artifact bucket, without a condition on the prefix (or S3 answers 403, not 404,
  for an object that does not exist yet)
- s3:GetObject: ARTIFACT_BUCKET/state/deploy.json, /state/ledger/*
- s3:PutObject: ARTIFACT_BUCKET/state/deploy.json, /state/ledger/*
- logs:FilterLogEvents: log group /aws/sagemaker/Endpoints/ENDPOINT
- sqs:SendMessage: its own queue (QUEUE_URL); for the event source mapping also sqs:ReceiveMessage,
  sqs:DeleteMessage, sqs:GetQueueAttributes
- kms:Decrypt, kms:GenerateDataKey: the bucket's and the queue's key, where one is set
- kms:CreateGrant, kms:DescribeKey: KMS_KEY_ARN, where it is set (CreateEndpointConfig)
- logs:CreateLogStream, logs:PutLogEvents: its own log group

Every step is safe to repeat: names follow from the version, what exists already is accepted, and
what is about to be tried is written down first by compare-and-swap, so that of two controllers one
acts.
"""

import functools
import json
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import ClientError

from .deploy_decision import Attempt, Decision, Endpoint, Failure, History, Kind, World, decide
from .document import Conflict, Document, error_code
from .ledger import Ledger
from .wakeups import Event, all_done, lifecycle_action, wake_later

CONTROLLER = "deploy"
STATE_KEY = "state/deploy.json"
VARIANT = "primary"
"""UpdateEndpoint keeps traffic flowing only between variants of the same name."""

LOG_LINES = 30
"""So many last lines of a failed container's log are kept."""

_POLL_SECONDS = 2
_RESERVE_SECONDS = 30  # of the function's time, for what follows the deletion of the endpoint
_CLOCK_SKEW = timedelta(minutes=1)
_LOG_EVENTS_READ = 10_000
_TEAR_DOWN_ATTEMPTS = 10
_UNSETTLED = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")


@dataclass(frozen=True)
class Settings:
    """What the component sets in the function's environment."""

    loop: str
    artifact_bucket: str
    group: str
    endpoint: str
    role_arn: str
    instance_type: str
    instance_count: int
    capture_percent: int
    kms_key_arn: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    tags: Mapping[str, str]
    queue_url: str
    pinned_config: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        return cls(
            loop=environment["LOOP"],
            artifact_bucket=environment["ARTIFACT_BUCKET"],
            group=environment["MODEL_PACKAGE_GROUP_NAME"],
            endpoint=environment["ENDPOINT_NAME"],
            role_arn=environment["EXECUTION_ROLE_ARN"],
            instance_type=environment["INSTANCE_TYPE"],
            instance_count=int(environment["INSTANCE_COUNT"]),
            capture_percent=int(environment["CAPTURE_PERCENT"]),
            kms_key_arn=environment["KMS_KEY_ARN"],
            subnets=tuple(json.loads(environment["SUBNET_IDS"])),
            security_groups=tuple(json.loads(environment["SECURITY_GROUP_IDS"])),
            tags=json.loads(environment["TAGS"]),
            queue_url=environment["QUEUE_URL"],
            pinned_config=environment["PINNED_CONFIG"],
        )


@dataclass(frozen=True)
class Clients:
    """boto3 clients."""

    s3: Any
    sqs: Any
    sagemaker: Any
    logs: Any


def handler(event: Event, context: Any) -> dict[str, Any]:
    """One look at the world for a whole batch of wake-ups, whatever they say.

    Pulumi invokes the function too: creating and updating returns when the endpoint serves what is
    pinned, or no longer what was; without either it is an ordinary wake-up. Deleting tears the
    endpoint down and returns when it is gone.
    """
    controller = DeployController(Settings.from_environment(os.environ), _clients())
    now = datetime.now(UTC)
    action = lifecycle_action(event)
    if action is None:
        controller.wake(now)
        return all_done()
    patience = context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS
    if action == "delete":
        controller.tear_down(now, patience=patience)
    else:
        controller.begin()
        controller.hand_over(now, patience=patience)
    return all_done()


@functools.cache
def _clients() -> Clients:
    return Clients(*map(boto3.client, ("s3", "sqs", "sagemaker", "logs")))


class DeployController:
    """Reads the world, decides, acts: one step for each wake-up."""

    def __init__(
        self, settings: Settings, clients: Clients, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.settings = settings
        self.clients = clients
        self.ledger = Ledger(clients.s3, settings.artifact_bucket, settings.loop)
        self.document = Document(clients.s3, settings.artifact_bucket, STATE_KEY)
        self._sleep = sleep

    def wake(self, now: datetime) -> Decision | None:
        """Take one step; returns the decision, or None if another controller acted meanwhile."""
        try:
            history, etag = self._read_history()
            world = self._read_world(history)
            decision = decide(world)
            self._act(decision, world, etag, now)
        except Conflict as conflict:
            self.ledger.tell(CONTROLLER, "stand back", "one writer", str(conflict))
            return None
        self.ledger.tell(CONTROLLER, decision.kind, decision.rule, decision.reason)
        return decision

    def begin(self) -> None:
        """Take up work again after an endpoint of this name was torn down, or was not pinned."""
        history, etag = self._read_history()
        if history.torn_down:
            self.document.write(History().to_json(), etag)
        elif history.attempt and history.attempt.version is None:
            self.document.write(replace(history, attempt=None).to_json(), etag)

    def hand_over(self, now: datetime, *, patience: float) -> None:
        """Wake until the endpoint serves what is pinned, or no longer what was.

        So Pulumi may delete afterwards what it no longer declares. Raises RuntimeError if the
        endpoint stays where it was, TimeoutError if that is not settled after `patience` seconds.
        """
        before = self._describe()
        leaves = before is not None and before.version is None
        for second in range(0, max(1, int(patience)), _POLL_SECONDS):
            decision = self.wake(now + timedelta(seconds=second))
            if not (leaves or self.settings.pinned_config) or self._has_moved():
                return
            if decision is not None and decision.kind is Kind.NOTHING:
                raise RuntimeError(
                    f"The endpoint {self.settings.endpoint} goes on serving what it did. "
                    f"{decision.reason} Pin a version that comes up, or approve one."
                )
            self._sleep(_POLL_SECONDS)
        raise TimeoutError(
            f"The endpoint {self.settings.endpoint} has not moved after {patience:g} seconds. Look "
            "at its status, and run pulumi up again when it is InService."
        )

    def _has_moved(self) -> bool:
        endpoint, pinned = self._describe(), self.settings.pinned_config
        if endpoint is None or endpoint.status != "InService":
            return False
        return endpoint.config == pinned if pinned else endpoint.version is not None

    def tear_down(self, now: datetime, *, patience: float) -> None:
        """Delete the endpoint and all that was made for it, and return when it is gone.

        Raises TimeoutError if it is not gone after `patience` seconds.
        """
        self._put_up_tombstone()
        reason = "Pulumi deletes the endpoint."
        self._record(Decision(Kind.TEAR_DOWN, "lifecycle", reason), now, {})
        for _ in range(max(1, int(patience / _POLL_SECONDS))):
            endpoint = self._describe()
            if endpoint is None:
                break
            if endpoint.status not in _UNSETTLED:
                self._delete_endpoint()
            self._sleep(_POLL_SECONDS)
        else:
            raise TimeoutError(
                f"The endpoint {self.settings.endpoint} is not gone after {patience:g} seconds. "
                "Look at its status, and destroy again."
            )
        self._delete_versions(sorted(self._deployed()))
        self.ledger.tell(CONTROLLER, Kind.TEAR_DOWN, "lifecycle", reason)

    def _put_up_tombstone(self) -> None:
        """From here on no wake-up, not even one under way, makes the endpoint again."""
        for _ in range(_TEAR_DOWN_ATTEMPTS):
            _, etag = self.document.read()
            try:
                self.document.write(History(torn_down=True).to_json(), etag)
            except Conflict:
                continue
            return
        raise TimeoutError(
            f"s3://{self.document.bucket}/{STATE_KEY} is changed by others all the time. "
            "Destroy again."
        )

    # --- reading -------------------------------------------------------------------------------

    def _read_history(self) -> tuple[History, str | None]:
        data, etag = self.document.read()
        return (History() if data is None else History.from_json(data)), etag

    def _read_world(self, history: History) -> World:
        return World(
            approved=self._approved(),
            endpoint=self._describe(),
            history=history,
            deployed=frozenset(self._deployed()),
            pinned=self.settings.pinned_config,
        )

    def _approved(self) -> dict[int, str]:
        pages = self.clients.sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=self.settings.group, ModelApprovalStatus="Approved"
        )
        return {
            package["ModelPackageVersion"]: package["ModelPackageArn"]
            for page in pages
            for package in page["ModelPackageSummaryList"]
        }

    def _describe(self) -> Endpoint | None:
        try:
            answer = self.clients.sagemaker.describe_endpoint(EndpointName=self.settings.endpoint)
        except ClientError as error:
            if _says(error, "could not find"):
                return None
            raise
        return Endpoint(
            status=answer["EndpointStatus"],
            version=self._version(answer["EndpointConfigName"]),
            modified=answer["LastModifiedTime"].astimezone(UTC),
            failure=answer.get("FailureReason", ""),
            config=answer["EndpointConfigName"],
        )

    def _deployed(self) -> set[int]:
        sagemaker, part = self.clients.sagemaker, self._name("")
        configs = sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=part)
        models = sagemaker.get_paginator("list_models").paginate(NameContains=part)
        names = [
            *(item["EndpointConfigName"] for page in configs for item in page["EndpointConfigs"]),
            *(item["ModelName"] for page in models for item in page["Models"]),
        ]
        return {version for name in names if (version := self._version(name)) is not None}

    def _name(self, version: object) -> str:
        """Of the model and of the endpoint configuration of a version."""
        return f"{self.settings.endpoint}-v{version}"

    def _version(self, name: str) -> int | None:
        """The version in such a name; None for a name that this controller did not give."""
        match = re.fullmatch(re.escape(self._name("")) + r"(\d+)", name)
        return int(match[1]) if match else None

    # --- acting --------------------------------------------------------------------------------

    def _act(self, decision: Decision, world: World, etag: str | None, now: datetime) -> None:
        said = (decision.kind, decision.rule, decision.reason)
        history = replace(self._after(decision, world, now), last_decision=said)
        if history != world.history:
            self.document.write(history.to_json(), etag)
        if said != world.history.last_decision:
            self._record(decision, now, self._inputs(world, history, decision))
        match decision:
            case Decision(kind=Kind.CREATE, version=int(version)):
                self._create_config(version, world.approved[version])
                self._create_endpoint(self._name(version))
            case Decision(kind=Kind.UPDATE, version=int(version)):
                self._create_config(version, world.approved[version])
                self._update_endpoint(self._name(version))
            case Decision(kind=Kind.CREATE):
                self._create_endpoint(world.pinned)
            case Decision(kind=Kind.UPDATE):
                self._update_endpoint(world.pinned)
            case Decision(kind=Kind.DELETE_ENDPOINT):
                self._delete_endpoint()
            case Decision(kind=Kind.CLEAN_UP):
                self._delete_versions(decision.leftovers)
        if decision.kind not in (Kind.WAIT, Kind.NOTHING):
            queue, reason = self.settings.queue_url, f"after: {decision.kind}"
            wake_later(self.clients.sqs, queue, now, now, reason)

    def _after(self, decision: Decision, world: World, now: datetime) -> History:
        """What is remembered once the decision is taken, written down before it has an effect."""
        history, version = world.history, decision.version
        match decision.kind:
            case Kind.CREATE | Kind.UPDATE:
                modified = world.endpoint.modified if world.endpoint else None
                return replace(history, attempt=Attempt(version, now, modified))
            case Kind.CONFIRM:
                return replace(history, live=version, previous=history.live, attempt=None)
            case Kind.MARK_FAILED if version is not None:
                failure = Failure(decision.reason, self._log_tail(history.attempt), now)
                failed = {**history.failed, version: failure}
                return replace(history, failed=failed, attempt=None)
        return history

    def _create_config(self, version: int, package_arn: str) -> None:
        """The model and the endpoint configuration of a version; what exists is left as it is."""
        settings, name = self.settings, self._name(version)
        key = {"KmsKeyId": settings.kms_key_arn} if settings.kms_key_arn else {}
        network: dict[str, Any] = {}
        if settings.subnets:
            network["VpcConfig"] = {
                "Subnets": list(settings.subnets),
                "SecurityGroupIds": list(settings.security_groups),
            }
        _unless(
            "already existing",
            self.clients.sagemaker.create_model,
            ModelName=name,
            PrimaryContainer={"ModelPackageName": package_arn},
            ExecutionRoleArn=settings.role_arn,
            Tags=self._tags(),
            **network,
        )
        _unless(
            "already existing",
            self.clients.sagemaker.create_endpoint_config,
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": VARIANT,
                    "ModelName": name,
                    "InstanceType": settings.instance_type,
                    "InitialInstanceCount": settings.instance_count,
                }
            ],
            DataCaptureConfig={
                "EnableCapture": True,
                "InitialSamplingPercentage": settings.capture_percent,
                "DestinationS3Uri": f"s3://{settings.artifact_bucket}/capture",
                "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
                "CaptureContentTypeHeader": {
                    "CsvContentTypes": ["text/csv"],
                    "JsonContentTypes": ["application/json"],
                },
                **key,
            },
            Tags=self._tags(),
            **key,
        )

    def _create_endpoint(self, config: str) -> None:
        _unless(
            "already existing",
            self.clients.sagemaker.create_endpoint,
            EndpointName=self.settings.endpoint,
            EndpointConfigName=config,
            Tags=self._tags(),
        )

    def _update_endpoint(self, config: str) -> None:
        self.clients.sagemaker.update_endpoint(
            EndpointName=self.settings.endpoint, EndpointConfigName=config
        )

    def _delete_endpoint(self) -> None:
        delete = self.clients.sagemaker.delete_endpoint
        _unless("could not find", delete, EndpointName=self.settings.endpoint)

    def _delete_versions(self, versions: Iterable[int]) -> None:
        """Delete configurations and models; never call it with the version in use."""
        sagemaker = self.clients.sagemaker
        for name in map(self._name, versions):
            _unless("could not find", sagemaker.delete_endpoint_config, EndpointConfigName=name)
            _unless("could not find", sagemaker.delete_model, ModelName=name)

    def _tags(self) -> list[dict[str, str]]:
        return [{"Key": key, "Value": value} for key, value in sorted(self.settings.tags.items())]

    def _log_tail(self, attempt: Attempt | None) -> tuple[str, ...]:
        """The last lines that the endpoint's containers wrote since the attempt began."""
        if attempt is None:
            return ()
        since = attempt.started_at - _CLOCK_SKEW
        pages = self.clients.logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/sagemaker/Endpoints/{self.settings.endpoint}",
            startTime=int(since.timestamp() * 1000),
            PaginationConfig={"MaxItems": _LOG_EVENTS_READ},
        )
        lines: deque[str] = deque(maxlen=LOG_LINES)
        try:
            for page in pages:
                lines.extend(event["message"].rstrip() for event in page["events"])
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
        return tuple(lines)

    # --- recording -----------------------------------------------------------------------------

    def _inputs(self, world: World, history: History, decision: Decision) -> dict[str, Any]:
        endpoint = world.endpoint
        failure = history.failed.get(decision.version or 0)
        told = decision.kind is Kind.MARK_FAILED and failure is not None
        return {
            "version": decision.version,
            "approved": sorted(world.approved, reverse=True),
            "failed": sorted(history.failed),
            "endpoint": self.settings.endpoint,
            "status": endpoint and endpoint.status,
            "live": endpoint and endpoint.version,
            "log_tail": list(failure.log_tail) if told and failure else [],
        }

    def _record(self, decision: Decision, now: datetime, inputs: Mapping[str, Any]) -> None:
        self.ledger.append(
            now,
            CONTROLLER,
            decision=decision.kind,
            rule=decision.rule,
            reason=decision.reason,
            inputs=inputs,
        )


def _says(error: ClientError, words: str) -> bool:
    """SageMaker answers ValidationException for most things, and only the message tells which."""
    message = error.response.get("Error", {}).get("Message", "")
    return error_code(error) == "ValidationException" and words in message.lower()


def _unless(words: str, call: Callable[..., Any], **request: Any) -> None:
    """Make a call whose refusal with these words means that it was made before."""
    try:
        call(**request)
    except ClientError as error:
        if not _says(error, words):
            raise
