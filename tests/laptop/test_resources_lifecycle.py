"""Each resource type on the laptop AWS: created as asked, changed in place, deleted for good."""

import json
from collections.abc import Iterator

import boto3
import pytest

from laptop.inventory import inventory
from laptop.resources import HANDLERS, provider
from laptop.resources.handler import Cloud, Handler
from laptop.resources.shape import Properties
from tests.laptop.resource_cases import CASES, Case, World

JSON_DOCUMENTS = {
    "assumeRolePolicy",
    "eventPattern",
    "pipelineDefinition",
    "policy",
    "redrivePolicy",
    "dashboardBody",
}


@pytest.fixture(scope="module")
def cloud(session: boto3.Session) -> Cloud:
    return Cloud(session)


@pytest.fixture
def world(cloud: Cloud, name: str) -> Iterator[World]:
    built = World(cloud, name)
    yield built
    built.clear()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.type} {case.name}".strip())
def test_a_resource_is_made_as_asked_changed_in_place_and_gone_after_deletion(
    case: Case, world: World, session: boto3.Session
) -> None:
    handler = HANDLERS[case.type]
    world.build(case.ground)
    inputs = handler.check(world.name, case.before(world.made))
    outputs = handler.create(world.cloud, inputs)
    try:
        assert_as_asked(handler, handler.read(world.cloud, outputs), inputs, outputs)
        if case.type in LISTED:
            assert LISTED[case.type].format_map(outputs) in inventory(session)
        promised = provider.output_properties(case.type) - provider.input_properties(case.type)
        assert promised - NOT_GIVEN.get(case.type, set()) <= outputs.keys()
        if case.after is not None:
            changed_inputs = handler.check(world.name, case.after(world.made), inputs)
            changed = handler.difference(inputs, changed_inputs)
            assert changed
            assert not handler.replacing(changed, changed_inputs)
            same = outputs["id"]
            outputs = handler.update(world.cloud, changed, outputs, changed_inputs)
            assert outputs["id"] == same
            assert_as_asked(handler, handler.read(world.cloud, outputs), changed_inputs, outputs)
    finally:
        handler.delete(world.cloud, outputs)
    assert case.type in NEVER_GONE or handler.read(world.cloud, outputs) is None
    handler.delete(world.cloud, outputs)  # a second time is harmless
    world.clear()
    assert handler.read(world.cloud, outputs) is None


# Settings that S3 keeps for as long as the bucket exists: versioning can only be suspended,
# encryption goes back to the default of S3, and notifications may be none.
NEVER_GONE = {
    "aws:s3/bucketNotification:BucketNotification",
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
}


# Outputs of the provider that no handler gives: static websites, and checksums that were not asked
# for. A program that uses one is told so in the first pass.
NOT_GIVEN = {
    "aws:s3/bucket:Bucket": {"websiteDomain", "websiteEndpoint"},
    "aws:s3/bucketObjectv2:BucketObjectv2": {
        "checksumCrc32",
        "checksumCrc32c",
        "checksumCrc64nvme",
        "checksumSha1",
        "checksumSha256",
    },
}


# How the inventory lists what is there. The others live in, or on, one of these.
LISTED = {
    "aws:s3/bucket:Bucket": "bucket {bucket}",
    "aws:iam/role:Role": "role {name}",
    "aws:sqs/queue:Queue": "queue {url}",
    "aws:lambda/function:Function": "function {name}",
    "aws:lambda/eventSourceMapping:EventSourceMapping": "event source mapping {uuid}",
    "aws:cloudwatch/eventRule:EventRule": "rule {name}",
    "aws:cloudwatch/logGroup:LogGroup": "log group {name}",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "alarm {name}",
    "aws:cloudwatch/dashboard:Dashboard": "dashboard {dashboardName}",
    "aws:kms/key:Key": "key {keyId}",
    "aws:sagemaker/pipeline:Pipeline": "pipeline {pipelineName}",
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup": (
        "model package group {modelPackageGroupName}"
    ),
    "aws:sagemaker/model:Model": "model {name}",
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": "endpoint config {name}",
}


def test_every_type_has_a_case() -> None:
    elsewhere = {"aws:lambda/invocation:Invocation", "aws:sagemaker/endpoint:Endpoint"}
    assert {case.type for case in CASES} == HANDLERS.keys() - elsewhere


def assert_as_asked(
    handler: Handler, found: Properties | None, inputs: Properties, outputs: Properties
) -> None:
    assert found is not None
    for name in {"arn", "codeSha256", "etag"} & found.keys():
        assert found[name] == outputs[name], name
    for name, wanted in inputs.items():
        if name in handler.hidden() or wanted == {}:
            continue
        got = found.get(name)
        if name in JSON_DOCUMENTS:
            assert json.loads(got or "null") == json.loads(wanted), name
        else:
            assert got == wanted, name
    if "tags" not in inputs:
        assert not found.get("tags")
