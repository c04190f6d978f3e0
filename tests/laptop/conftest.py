"""One laptop AWS for all tests of it: tests keep apart by the names of what they create."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from uuid import uuid4

import boto3
import pytest

from laptop import ACCOUNT, REGION
from laptop.server import LaptopAWS
from tests.laptop.engine_side import EngineSide, provider_process

Statement = dict[str, Any]


@pytest.fixture(scope="session")
def laptop() -> Iterator[LaptopAWS]:
    """A running laptop AWS, shared by the whole session."""
    with LaptopAWS() as aws:
        yield aws


@pytest.fixture(scope="session")
def session(laptop: LaptopAWS) -> boto3.Session:
    """A session of the account's root user."""
    return laptop.session()


@pytest.fixture(scope="session")
def client(session: boto3.Session) -> Callable[[str], Any]:
    """Clients of the root user by the service's name, each made once."""
    return cache(session.client)


@pytest.fixture(scope="session")
def policy() -> Callable[..., str]:
    """Makes a policy document of statements."""
    return policy_of


@pytest.fixture(scope="session")
def environment(laptop: LaptopAWS) -> dict[str, str]:
    """What a process needs in its environment to reach the laptop AWS."""
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": laptop.endpoint_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }


@pytest.fixture(scope="session")
def provider(environment: dict[str, str]) -> Iterator[EngineSide]:
    """The provider in a process of its own, seen from the engine."""
    with provider_process(environment) as (_, port):
        side = EngineSide(port)
        yield side
        side.close()


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"t{uuid4().hex[:12]}"


@pytest.fixture
def bucket(client: Callable[[str], Any], name: str) -> str:
    """A versioned bucket whose events go to EventBridge."""
    s3 = client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    return name


@pytest.fixture
def role(client: Callable[[str], Any], name: str) -> Callable[..., str]:
    """Makes a role that ``service`` may assume and that allows ``statements``; gives its ARN."""

    def make(*statements: Statement, service: str = "lambda.amazonaws.com") -> str:
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": service, "AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "sts:AssumeRole",
        }
        arn: str = client("iam").create_role(
            RoleName=name, AssumeRolePolicyDocument=policy_of(trust)
        )["Role"]["Arn"]
        client("iam").put_role_policy(
            RoleName=name, PolicyName="allowed", PolicyDocument=policy_of(*statements)
        )
        return arn

    return make


@pytest.fixture
def acting_as(laptop: LaptopAWS, client: Callable[[str], Any]) -> Callable[[str, str], Any]:
    """Gives a client of a service with the credentials of a role."""

    def make(role_arn: str, service: str) -> Any:
        keys = client("sts").assume_role(RoleArn=role_arn, RoleSessionName="test")["Credentials"]
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=laptop.endpoint_url,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )

    return make


@pytest.fixture
def queue(client: Callable[[str], Any], name: str) -> tuple[str, str]:
    """A queue that EventBridge may send to: its URL and its ARN."""
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    made = client("sqs").create_queue(QueueName=name, Attributes={"Policy": policy_of(allowed)})
    return made["QueueUrl"], arn


@pytest.fixture
def next_event(
    client: Callable[[str], Any], name: str, queue: tuple[str, str]
) -> Callable[[dict[str, Any]], Callable[[], dict[str, Any]]]:
    """Subscribes to events that match a pattern; what it returns gives the next of them."""

    def subscribe(pattern: dict[str, Any]) -> Callable[[], dict[str, Any]]:
        url, arn = queue
        client("events").put_rule(Name=name, EventPattern=json.dumps(pattern))
        client("events").put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])

        def receive() -> dict[str, Any]:
            (message,) = client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
            client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            event: dict[str, Any] = json.loads(message["Body"])
            return event

        return receive

    return subscribe


@pytest.fixture
def function(client: Callable[[str], Any], name: str) -> Callable[[str, str], str]:
    """Makes a function of Python source with ``handler(event, context)``; gives its ARN."""

    def make(source: str, role_arn: str) -> str:
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("index.py", source)
        arn: str = client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.12",
            Handler="index.handler",
            Role=role_arn,
            Code={"ZipFile": code.getvalue()},
            Timeout=20,
        )["FunctionArn"]
        return arn

    return make


def policy_of(*statements: Statement) -> str:
    """A policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
