"""Deleting what holds something, and calling a function as part of a deployment."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pulumi
import pytest
from botocore.exceptions import ClientError

from laptop.errors import LaptopError
from laptop.resources import HANDLERS
from laptop.resources.handler import Cloud
from laptop.resources.shape import Properties

BUCKET = HANDLERS["aws:s3/bucket:Bucket"]
OBJECT = HANDLERS["aws:s3/bucketObjectv2:BucketObjectv2"]
ROLE = HANDLERS["aws:iam/role:Role"]
FUNCTION = HANDLERS["aws:lambda/function:Function"]
INVOCATION = HANDLERS["aws:lambda/invocation:Invocation"]

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
TELL = """
def handler(event, context):
    if "fail" in event:
        raise ValueError("told to fail")
    return event
"""


@pytest.fixture(scope="module")
def cloud(session: boto3.Session) -> Cloud:
    return Cloud(session)


def versioned_bucket(cloud: Cloud, name: str, **inputs: Any) -> Properties:
    """A bucket that holds one object in two versions, and one that was deleted."""
    outputs = BUCKET.create(cloud, BUCKET.check(name, inputs))
    s3, bucket = cloud.client("s3"), outputs["bucket"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket=bucket, Key="kept", Body=body)
        s3.put_object(Bucket=bucket, Key="kept/not", Body=body)
    s3.delete_object(Bucket=bucket, Key="kept/not")
    return outputs


def test_a_bucket_that_is_not_empty_is_refused_as_aws_refuses_it(cloud: Cloud, name: str) -> None:
    outputs = versioned_bucket(cloud, name)
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        BUCKET.delete(cloud, outputs)
    assert BUCKET.read(cloud, outputs)
    BUCKET.delete(cloud, outputs | {"forceDestroy": True})


def test_force_destroy_deletes_every_version_and_delete_marker(cloud: Cloud, name: str) -> None:
    outputs = versioned_bucket(cloud, name, forceDestroy=True)
    BUCKET.delete(cloud, outputs)
    assert BUCKET.read(cloud, outputs) is None


def test_deleting_an_object_deletes_its_versions_and_nothing_beside_it(
    cloud: Cloud, name: str
) -> None:
    bucket = versioned_bucket(cloud, name, forceDestroy=True)
    inputs = OBJECT.check(name, {"bucket": bucket["bucket"], "key": "kept", "content": "3"})
    OBJECT.delete(cloud, OBJECT.create(cloud, inputs))
    left = cloud.client("s3").list_object_versions(Bucket=bucket["bucket"])
    assert {version["Key"] for version in left["Versions"]} == {"kept/not"}
    BUCKET.delete(cloud, bucket)


def test_an_object_of_an_asset_has_the_content_and_version_of_the_asset(
    cloud: Cloud, name: str
) -> None:
    bucket = versioned_bucket(cloud, name, forceDestroy=True)
    source = pulumi.StringAsset("content")
    inputs = OBJECT.check(name, {"bucket": bucket["bucket"], "key": "k", "source": source})
    outputs = OBJECT.create(cloud, inputs)
    found = cloud.client("s3").get_object(
        Bucket=bucket["bucket"], Key="k", VersionId=outputs["versionId"]
    )
    assert found["Body"].read() == b"content"
    assert found["ETag"] == f'"{outputs["etag"]}"'
    BUCKET.delete(cloud, bucket)


def test_a_role_with_a_foreign_policy_is_refused_unless_policies_are_forced_off(
    cloud: Cloud, name: str
) -> None:
    outputs = ROLE.create(cloud, ROLE.check(name, {"assumeRolePolicy": TRUST}))
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}],
    }
    cloud.client("iam").put_role_policy(
        RoleName=outputs["name"], PolicyName="foreign", PolicyDocument=json.dumps(policy)
    )
    with pytest.raises(ClientError, match="DeleteConflict"):
        ROLE.delete(cloud, outputs)
    ROLE.delete(cloud, outputs | {"forceDetachPolicies": True})
    assert ROLE.read(cloud, outputs) is None


@pytest.fixture
def function(cloud: Cloud, name: str) -> Iterator[str]:
    role = ROLE.create(cloud, ROLE.check(name, {"assumeRolePolicy": TRUST}))
    made = FUNCTION.create(
        cloud,
        FUNCTION.check(
            name,
            {
                "role": role["arn"],
                "runtime": "python3.12",
                "handler": "main.handler",
                "code": pulumi.AssetArchive({"main.py": pulumi.StringAsset(TELL)}),
            },
        ),
    )
    yield made["name"]
    FUNCTION.delete(cloud, made)
    ROLE.delete(cloud, role)


def test_an_invocation_of_the_whole_life_tells_the_function_what_happens(
    cloud: Cloud, function: str
) -> None:
    inputs = INVOCATION.check(
        "call", {"functionName": function, "input": '{"n": 1}', "lifecycleScope": "CRUD"}
    )
    created = INVOCATION.create(cloud, inputs)
    assert json.loads(created["result"]) == {
        "n": 1,
        "tf": {"action": "create", "prev_input": None},
    }
    new = inputs | {"input": '{"n": 2}'}
    assert not INVOCATION.replacing(INVOCATION.difference(inputs, new), new)
    updated = INVOCATION.update(cloud, INVOCATION.difference(inputs, new), created, new)
    assert json.loads(updated["result"]) == {
        "n": 2,
        "tf": {"action": "update", "prev_input": {"n": 1}},
    }
    (call,) = INVOCATION.deletion(cloud.where, updated)
    assert json.loads(call.params["Payload"])["tf"] == {
        "action": "delete",
        "prev_input": {"n": 2},
    }
    INVOCATION.delete(cloud, updated)


def test_an_invocation_on_creation_only_sends_its_input_and_nothing_on_deletion(
    cloud: Cloud, function: str
) -> None:
    inputs = INVOCATION.check("call", {"functionName": function, "input": "[1]"})
    created = INVOCATION.create(cloud, inputs)
    assert json.loads(created["result"]) == [1]
    assert INVOCATION.replacing({"input"}, inputs) == {"input"}
    assert INVOCATION.deletion(cloud.where, created) == []


def test_an_invocation_whose_function_fails_is_an_error_with_its_message(
    cloud: Cloud, function: str
) -> None:
    inputs = INVOCATION.check("call", {"functionName": function, "input": '{"fail": true}'})
    with pytest.raises(LaptopError, match="told to fail"):
        INVOCATION.create(cloud, inputs)


Answers = Callable[..., Cloud]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, cloud: Cloud) -> Answers:
    """A cloud whose endpoint goes through states, one a look; nothing is sent and nothing waits."""
    monkeypatch.setattr("laptop.resources.handler.time.sleep", lambda _: None)

    def scripted(*states: dict[str, Any]) -> Cloud:
        left = iter(states)

        def send(call: Any) -> dict[str, Any]:
            if call.operation != "DescribeEndpoint":
                return {"EndpointArn": "arn:endpoint"}
            return {"EndpointConfigName": "c1", **next(left)}

        monkeypatch.setattr(cloud, "send", send)
        return cloud

    return scripted


ENDPOINT = HANDLERS["aws:sagemaker/endpoint:Endpoint"]


def test_an_endpoint_is_created_when_it_is_in_service(answers: Answers) -> None:
    cloud = answers({"EndpointStatus": "Creating"}, {"EndpointStatus": "InService"})
    inputs = ENDPOINT.check("e", {"name": "e", "endpointConfigName": "c1"})
    assert ENDPOINT.create(cloud, inputs)["arn"] == "arn:endpoint"


def test_an_endpoint_that_fails_is_an_error_with_its_reason(answers: Answers) -> None:
    cloud = answers({"EndpointStatus": "Failed", "FailureReason": "no /ping"})
    inputs = ENDPOINT.check("e", {"name": "e", "endpointConfigName": "c1"})
    with pytest.raises(Exception) as caught:
        ENDPOINT.create(cloud, inputs)
    assert "no /ping" in str(caught.value.__cause__)


def test_an_endpoint_that_was_rolled_back_is_an_error(answers: Answers) -> None:
    cloud = answers({"EndpointStatus": "RollingBack"}, {"EndpointStatus": "InService"})
    old = {"name": "e", "endpointConfigName": "c1", "id": "e", "arn": "arn:endpoint"}
    new = ENDPOINT.check("e", {"name": "e", "endpointConfigName": "c2"})
    with pytest.raises(LaptopError, match="rolled back, it still serves c1"):
        ENDPOINT.update(cloud, frozenset({"endpointConfigName"}), old, new)
