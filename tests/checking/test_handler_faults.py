"""The real handler on the laptop AWS, in the role and the environment that its component gives it.

One cycle is a run that starts, ends, and is seen to have ended. Its calls are recorded once, in
memory; then every call goes wrong in every way, one case each, and the loop must recover by itself.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from components import RetrainingTriggers
from components.runtime import retrain_controller
from components.runtime.ledger import Ledger
from laptop import ACCOUNT, REGION
from laptop.engine import Engine
from laptop.server import LaptopAWS

from .boundary import (
    HANDLERS,
    KILLED_AFTER,
    Boundary,
    Killed,
    clients,
    without_waiting,
)
from .faults import READS, Fault, Request
from .flight import Flight, fly
from .small_worlds import ready

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

SERVICES = ("s3", "sqs", "sagemaker", "cloudwatch")
PIPELINE = "checked"
SWEEP = json.dumps({"source": "aws.events", "detail-type": "Scheduled Event"})
NOTHING = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}
DEFINITION = {
    "Version": "2020-12-01",
    "Parameters": [
        {"Name": name, "Type": "String", "DefaultValue": "none"}
        for name in ("SnapshotId", "CodeVersion")
    ],
    "Steps": [
        {
            "Name": "Nothing",
            "Type": "Condition",
            "Arguments": {"Conditions": [NOTHING], "IfSteps": [], "ElseSteps": []},
        }
    ],
}
"""A pipeline that succeeds at once."""


def calls_of_a_cycle() -> list[str]:
    """The operations of one cycle, in their order."""
    calls = list[str]()

    def heard(_: Any, request: Request) -> bool:
        calls.append("".join(word.capitalize() for word in request.operation.split("_")))
        return True

    world, _ = fly(ready(), Flight(0, 1, ready().now), heard, lambda *_: None)
    ended = world.later(timedelta(hours=1)).end("Succeeded")
    fly(ended, Flight(0, 2, ended.now), heard, lambda *_: None)
    return calls


def cases() -> Iterator[Any]:
    for number, call in enumerate(calls_of_a_cycle()):
        reads = call.lower().startswith(tuple(name.rstrip("_") for name in READS))
        for how in HANDLERS:
            if not (reads and how in (Fault.LOST_REPLY, Fault.DOUBLED, KILLED_AFTER)):
                yield pytest.param(number, call, how, id=f"{number}-{call}-{how}")


class Context:
    """What Lambda tells a function about its invocation, as far as the handler asks."""

    def get_remaining_time_in_millis(self) -> int:
        return 120_000


@dataclass
class Handler:
    """The controller's function, run in this process: its code, role and environment are real."""

    root: Callable[[str], Any]
    watched: Callable[[Boundary], tuple[Any, ...]]
    environment: dict[str, str]
    later: timedelta = timedelta(0)
    """So far is its clock ahead of the laptop's, which is how time goes by without waiting."""
    uploads: int = 0
    began: datetime = datetime(2000, 1, 1, tzinfo=UTC)

    def fresh(self) -> None:
        """A loop that remembers nothing, with data that were never there and code."""
        s3, artifacts = self.root("s3"), self.environment["ARTIFACT_BUCKET"]
        old = s3.list_objects_v2(Bucket=artifacts).get("Contents", [])
        if keys := [{"Key": item["Key"]} for item in old]:
            s3.delete_objects(Bucket=artifacts, Delete={"Objects": keys})
        self.later = timedelta(seconds=5)
        self.uploads += 1
        self.began = datetime.now(UTC)
        body = str(self.uploads).encode()
        s3.put_object(Bucket=self.environment["DATA_BUCKET"], Key="data/a", Body=body)
        code = json.dumps({"code_version": "c1", "parameters": {}}).encode()
        s3.put_object(Bucket=artifacts, Key="code/current.json", Body=code)

    def wake(self, boundary: Boundary) -> None:
        clock, later = datetime, self.later

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> "Clock":
                return cls.fromtimestamp((clock.now(tz) + later).timestamp(), tz)

        made = retrain_controller.Clients(*self.watched(boundary))
        with (
            patch.dict("os.environ", self.environment),
            patch.object(retrain_controller, "_clients", lambda: made),
            patch.object(retrain_controller, "datetime", Clock),
        ):
            retrain_controller.handler({"Records": [{"body": SWEEP}]}, Context())

    def cycle(self, boundary: Boundary) -> None:
        """Wakes, lets the run end, and wakes again."""
        self.wake(boundary)
        self.runs()
        self.later += timedelta(hours=1)
        self.wake(boundary)

    def runs(self) -> list[dict[str, Any]]:
        """The executions on the newest data, once all have ended."""
        sagemaker = self.root("sagemaker")
        while True:
            listed = sagemaker.list_pipeline_executions(PipelineName=PIPELINE, MaxResults=20)
            found = listed["PipelineExecutionSummaries"]
            if all(each["PipelineExecutionStatus"] != "Executing" for each in found):
                break
            time.sleep(0.02)
        return [each for each in found if each["StartTime"] >= self.began]

    @property
    def state(self) -> Any:
        answer = self.root("s3").get_object(
            Bucket=self.environment["ARTIFACT_BUCKET"], Key="state/retrain.json"
        )
        return json.loads(answer["Body"].read())

    @property
    def ledger(self) -> list[dict[str, Any]]:
        return Ledger(self.root("s3"), self.environment["ARTIFACT_BUCKET"], "any").read()


@pytest.fixture(scope="module")
def aws() -> Iterator[LaptopAWS]:
    with LaptopAWS() as laptop:
        yield laptop


@pytest.fixture(scope="module")
def handler(aws: LaptopAWS) -> Iterator[Handler]:
    session = aws.session()
    made = {name: session.client(name) for name in (*SERVICES, "iam", "lambda", "sts")}
    provision(made)
    engine = Engine(session, project="checked", stack="laptop")
    engine.up(program, {})
    (function,) = made["lambda"].list_functions()["Functions"]
    for mapping in made["lambda"].list_event_source_mappings()["EventSourceMappings"]:
        made["lambda"].delete_event_source_mapping(UUID=mapping["UUID"])  # it wakes nobody else
    role = assume(made, function["Role"], aws.endpoint_url)
    environment = function["Environment"]["Variables"]
    yield Handler(made.__getitem__, clients(role, *SERVICES), environment)
    engine.destroy()


def provision(made: dict[str, Any]) -> None:
    """What the component is given: two buckets and a pipeline."""
    for bucket in ("checked-data", "checked-artifacts"):
        made["s3"].create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        made["s3"].put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
        )
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}}
    document = {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
    role = made["iam"].create_role(
        RoleName="checked-pipeline", AssumeRolePolicyDocument=json.dumps(document)
    )
    made["sagemaker"].create_pipeline(
        PipelineName=PIPELINE,
        PipelineDefinition=json.dumps(DEFINITION),
        RoleArn=role["Role"]["Arn"],
        ClientRequestToken="t" * 32,
    )


def program() -> None:
    RetrainingTriggers(
        "checked",
        {
            "data_bucket_name": "checked-data",
            "artifact_bucket_name": "checked-artifacts",
            "pipeline_name": PIPELINE,
            "alarm_names": ["checked-drift"],
            "quiet_period_seconds": 1,
        },
    )


def assume(made: dict[str, Any], role: str, endpoint_url: str) -> boto3.Session:
    """A session of the function's role, which for this once trusts the account, too."""
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
    }
    made["iam"].update_assume_role_policy(
        RoleName=role.rpartition("/")[2],
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    keys = made["sts"].assume_role(RoleArn=role, RoleSessionName="checked")["Credentials"]
    session = boto3.Session(
        keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], REGION
    )
    session.client = lambda name: boto3.Session.client(session, name, endpoint_url=endpoint_url)
    return session


def test_the_calls_of_a_cycle_are_those_that_were_recorded_in_memory(handler: Handler) -> None:
    handler.fresh()
    boundary = Boundary()
    handler.cycle(boundary)
    assert boundary.calls == calls_of_a_cycle()


@pytest.mark.parametrize(("number", "call", "how"), list(cases()))
def test_the_loop_recovers_from_a_call_that_goes_wrong(
    handler: Handler, number: int, call: str, how: str
) -> None:
    handler.fresh()
    boundary = Boundary(number, how)
    with without_waiting():
        with suppress(Killed, ClientError, BotoCoreError):
            handler.cycle(boundary)
        assert boundary.calls[number] == call
        for _ in range(2):  # sweeps: one may have a run to start, the next sees its end
            handler.runs()
            handler.later += timedelta(hours=1)
            handler.wake(Boundary())
    assert len(handler.runs()) == 1
    assert [run["status"] for run in handler.state["runs"]] == ["Succeeded"]
    assert handler.state["claim"] is None
    assert handler.state["unrecorded"] == []
    decisions = [entry["decision"] for entry in handler.ledger]
    assert decisions.count("start") == 1
    assert decisions.count("run ended") == 1
