"""Each resource type on the laptop AWS: created as asked, changed in place, deleted for good."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import pulumi
import pytest

from laptop.inventory import inventory
from laptop.resources import HANDLERS, provider
from laptop.resources.handler import Cloud
from laptop.resources.shape import Properties

Made = Mapping[str, Properties]
Inputs = Callable[[Made], Properties]

# What AWS does not tell: how a thing is deleted, and contents that only their digests show.
WRITE_ONLY = {
    "bypassPolicyLockoutSafetyCheck",
    "code",
    "content",
    "deletionWindowInDays",
    "forceDestroy",
    "forceDetachPolicies",
    "inlinePolicies",
    "managedPolicyArns",
    "publish",
    "skipDestroy",
    "source",
}
JSON_DOCUMENTS = {
    "assumeRolePolicy",
    "eventPattern",
    "pipelineDefinition",
    "policy",
    "redrivePolicy",
    "dashboardBody",
}

ACCOUNT = "123456789012"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": ["lambda.amazonaws.com", "sagemaker.amazonaws.com"]},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
READ_QUEUES = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                "Resource": f"arn:aws:sqs:eu-west-1:{ACCOUNT}:*",
            }
        ],
    }
)
DENY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Deny", "Action": "sqs:SendMessage", "Resource": "*"},
        ],
    }
)
ECHO = "def handler(event, context):\n    return event\n"
FAIL = "def handler(event, context):\n    raise ValueError('no')\n"


def pipeline(text: str) -> str:
    """A definition of one step, which only fails."""
    step = {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": text}}
    return json.dumps({"Version": "2020-12-01", "Parameters": [], "Steps": [step]})


def bucket_policy(bucket: str, action: str) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "Nobody",
                    "Effect": "Deny",
                    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/nobody"},
                    "Action": action,
                    "Resource": f"arn:aws:s3:::{bucket}/*",
                }
            ],
        }
    )


def queue_policy(arn: str, sid: str) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": sid,
                    "Effect": "Allow",
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                }
            ],
        }
    )


def code(text: str) -> pulumi.AssetArchive:
    return pulumi.AssetArchive({"main.py": pulumi.StringAsset(text)})


# What a case may stand on, by a short name: made before it, in this order, and deleted after it.
GROUND: dict[str, tuple[str, Inputs]] = {
    "bucket": ("aws:s3/bucket:Bucket", lambda _: {"forceDestroy": True}),
    "queue": ("aws:sqs/queue:Queue", lambda _: {}),
    "role": ("aws:iam/role:Role", lambda _: {"assumeRolePolicy": TRUST}),
    "role policy": (
        "aws:iam/rolePolicy:RolePolicy",
        lambda made: {"role": made["role"]["name"], "policy": READ_QUEUES},
    ),
    "function": (
        "aws:lambda/function:Function",
        lambda made: {
            "role": made["role"]["arn"],
            "runtime": "python3.12",
            "handler": "main.handler",
            "code": code(ECHO),
        },
    ),
    "rule": (
        "aws:cloudwatch/eventRule:EventRule",
        lambda _: {"eventPattern": json.dumps({"source": ["aws.s3"]})},
    ),
    "key": ("aws:kms/key:Key", lambda _: {"deletionWindowInDays": 7}),
    "model": (
        "aws:sagemaker/model:Model",
        lambda made: {
            "executionRoleArn": made["role"]["arn"],
            "primaryContainer": {
                "image": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/sklearn:1",
                "modelDataUrl": "s3://bucket/model.tar.gz",
            },
        },
    ),
}


@dataclass(frozen=True)
class Case:
    """A type, what it stands on, its inputs, and other inputs that change it in place."""

    type: str
    before: Inputs
    after: Inputs | None = None
    ground: tuple[str, ...] = ()
    name: str = field(default="")


def fixed(**inputs: Any) -> Inputs:
    return lambda _: inputs


def on_bucket(**inputs: Any) -> Inputs:
    return lambda made: {"bucket": made["bucket"]["bucket"], **inputs}


CASES = [
    Case(
        "aws:s3/bucket:Bucket",
        fixed(tags={"stage": "a", "old": "x"}),
        fixed(tags={"stage": "b"}),
    ),
    Case(
        "aws:s3/bucketVersioning:BucketVersioning",
        on_bucket(versioningConfiguration={"status": "Enabled"}),
        on_bucket(versioningConfiguration={"status": "Suspended"}),
        ("bucket",),
    ),
    Case(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        lambda made: {
            "bucket": made["bucket"]["bucket"],
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {
                        "sseAlgorithm": "aws:kms",
                        "kmsMasterKeyId": made["key"]["arn"],
                    },
                    "bucketKeyEnabled": True,
                }
            ],
        },
        on_bucket(rules=[{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]),
        ("bucket", "key"),
    ),
    Case(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        on_bucket(blockPublicAcls=True, restrictPublicBuckets=True),
        on_bucket(blockPublicAcls=True, blockPublicPolicy=True),
        ("bucket",),
    ),
    Case(
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        on_bucket(rule={"objectOwnership": "BucketOwnerEnforced"}),
        on_bucket(rule={"objectOwnership": "BucketOwnerPreferred"}),
        ("bucket",),
    ),
    Case(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        on_bucket(
            rules=[
                {
                    "id": "abandoned",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                },
                {
                    "id": "old",
                    "status": "Enabled",
                    "filter": {"prefix": "data/"},
                    "noncurrentVersionExpiration": {"noncurrentDays": 90},
                    "noncurrentVersionTransitions": [
                        {"noncurrentDays": 30, "storageClass": "GLACIER"}
                    ],
                },
            ]
        ),
        on_bucket(
            rules=[
                {
                    "id": "short",
                    "status": "Disabled",
                    "filter": {"prefix": "tmp/"},
                    "expiration": {"days": 1},
                    "transitions": [{"days": 1, "storageClass": "GLACIER"}],
                }
            ]
        ),
        ("bucket",),
    ),
    Case(
        "aws:s3/bucketPolicy:BucketPolicy",
        lambda made: {
            "bucket": made["bucket"]["bucket"],
            "policy": bucket_policy(made["bucket"]["bucket"], "s3:GetObject"),
        },
        lambda made: {
            "bucket": made["bucket"]["bucket"],
            "policy": bucket_policy(made["bucket"]["bucket"], "s3:PutObject"),
        },
        ("bucket",),
    ),
    Case(
        "aws:s3/bucketNotification:BucketNotification",
        on_bucket(eventbridge=True),
        None,
        ("bucket",),
    ),
    Case(
        "aws:s3/bucketObjectv2:BucketObjectv2",
        on_bucket(key="a/b.json", content="{}", contentType="application/json", tags={"a": "b"}),
        on_bucket(
            key="a/b.json",
            source=pulumi.StringAsset("text"),
            contentType="text/plain",
            tags={"a": "c"},
        ),
        ("bucket",),
    ),
    Case(
        "aws:iam/role:Role",
        lambda _: {
            "assumeRolePolicy": TRUST,
            "description": "one",
            "tags": {"a": "1"},
            "inlinePolicies": [{"name": "read", "policy": READ_QUEUES}],
        },
        lambda _: {
            "assumeRolePolicy": TRUST.replace("lambda", "events"),
            "description": "two",
            "maxSessionDuration": 7200,
            "tags": {"b": "2"},
            "inlinePolicies": [{"name": "deny", "policy": DENY}],
        },
    ),
    Case(
        "aws:iam/rolePolicy:RolePolicy",
        lambda made: {"role": made["role"]["name"], "policy": READ_QUEUES},
        lambda made: {"role": made["role"]["name"], "policy": DENY},
        ("role",),
    ),
    Case(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        lambda made: {
            "role": made["role"]["name"],
            "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
        },
        None,
        ("role",),
    ),
    Case(
        "aws:sqs/queue:Queue",
        lambda made: {
            "visibilityTimeoutSeconds": 360,
            "messageRetentionSeconds": 1209600,
            "sqsManagedSseEnabled": True,
            "redrivePolicy": json.dumps(
                {"deadLetterTargetArn": made["queue"]["arn"], "maxReceiveCount": 5}
            ),
            "tags": {"a": "1", "b": "2"},
        },
        fixed(visibilityTimeoutSeconds=60, sqsManagedSseEnabled=True, tags={"b": "3"}),
        ("queue",),
    ),
    Case(
        "aws:sqs/queuePolicy:QueuePolicy",
        lambda made: {
            "queueUrl": made["queue"]["url"],
            "policy": queue_policy(made["queue"]["arn"], "One"),
        },
        lambda made: {
            "queueUrl": made["queue"]["url"],
            "policy": queue_policy(made["queue"]["arn"], "Two"),
        },
        ("queue",),
    ),
    Case(
        "aws:lambda/function:Function",
        lambda made: {
            "role": made["role"]["arn"],
            "runtime": "python3.12",
            "handler": "main.handler",
            "architectures": ["arm64"],
            "code": code(ECHO),
            "description": "one",
            "environment": {"variables": {"LOOP": "churn"}},
            "memorySize": 256,
            "reservedConcurrentExecutions": 1,
            "timeout": 60,
            "tags": {"a": "1"},
        },
        lambda made: {
            "role": made["role"]["arn"],
            "runtime": "python3.12",
            "handler": "main.handler",
            "architectures": ["arm64"],
            "code": code(FAIL),
            "environment": {"variables": {"LOOP": "fraud"}},
            "timeout": 30,
            "tags": {"b": "2"},
        },
        ("role",),
    ),
    Case(
        "aws:lambda/eventSourceMapping:EventSourceMapping",
        lambda made: {
            "functionName": made["function"]["arn"],
            "eventSourceArn": made["queue"]["arn"],
            "batchSize": 100,
            "maximumBatchingWindowInSeconds": 1,
            "functionResponseTypes": ["ReportBatchItemFailures"],
            "scalingConfig": {"maximumConcurrency": 2},
        },
        lambda made: {
            "functionName": made["function"]["arn"],
            "eventSourceArn": made["queue"]["arn"],
            "batchSize": 10,
            "maximumBatchingWindowInSeconds": 5,
            "functionResponseTypes": ["ReportBatchItemFailures"],
            "scalingConfig": {"maximumConcurrency": 2},
        },
        ("queue", "role", "role policy", "function"),
    ),
    Case(
        "aws:lambda/permission:Permission",
        lambda made: {
            "function": made["function"]["name"],
            "action": "lambda:InvokeFunction",
            "principal": "events.amazonaws.com",
            "sourceArn": made["rule"]["arn"],
        },
        None,
        ("role", "function", "rule"),
    ),
    Case(
        "aws:cloudwatch/eventRule:EventRule",
        lambda _: {
            "description": "one",
            "eventPattern": json.dumps({"source": ["aws.s3"], "detail-type": ["Object Created"]}),
            "tags": {"a": "1"},
        },
        lambda _: {
            "description": "two",
            "eventPattern": json.dumps({"source": ["aws.sagemaker"]}),
            "state": "DISABLED",
            "tags": {"a": "2"},
        },
    ),
    Case(
        "aws:cloudwatch/eventRule:EventRule",
        fixed(scheduleExpression="rate(5 minutes)"),
        fixed(scheduleExpression="rate(1 hour)"),
        name="schedule",
    ),
    Case(
        "aws:cloudwatch/eventTarget:EventTarget",
        lambda made: {
            "rule": made["rule"]["name"],
            "arn": made["queue"]["arn"],
            "retryPolicy": {"maximumRetryAttempts": 3, "maximumEventAgeInSeconds": 3600},
        },
        lambda made: {
            "rule": made["rule"]["name"],
            "arn": made["queue"]["arn"],
            "input": '{"sweep": true}',
            "deadLetterConfig": {"arn": made["queue"]["arn"]},
        },
        ("rule", "queue"),
    ),
    Case(
        "aws:cloudwatch/logGroup:LogGroup",
        fixed(retentionInDays=90, tags={"a": "1"}),
        fixed(retentionInDays=30, tags={"a": "2"}),
    ),
    Case(
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        fixed(
            alarmDescription="drift",
            comparisonOperator="GreaterThanOrEqualToThreshold",
            datapointsToAlarm=2,
            dimensions={"Loop": "churn"},
            evaluationPeriods=3,
            metricName="DriftedShare",
            namespace="Perennial",
            period=10,
            statistic="Maximum",
            threshold=0.3,
            treatMissingData="ignore",
            tags={"a": "1"},
        ),
        fixed(
            comparisonOperator="GreaterThanThreshold",
            dimensions={"Loop": "fraud"},
            evaluationPeriods=1,
            metricName="DriftedShare",
            namespace="Perennial",
            period=60,
            statistic="Average",
            threshold=0.5,
            tags={"a": "2"},
        ),
    ),
    Case(
        "aws:cloudwatch/dashboard:Dashboard",
        fixed(dashboardName="loop", dashboardBody=json.dumps({"widgets": []})),
        fixed(dashboardName="loop", dashboardBody=json.dumps({"start": "-PT6H", "widgets": []})),
    ),
    Case(
        "aws:kms/key:Key",
        fixed(description="one", deletionWindowInDays=7, enableKeyRotation=True, tags={"a": "1"}),
        fixed(description="two", deletionWindowInDays=7, tags={"b": "2"}),
    ),
    Case(
        "aws:kms/alias:Alias",
        lambda made: {"targetKeyId": made["key"]["keyId"]},
        None,
        ("key",),
    ),
    Case(
        "aws:sagemaker/pipeline:Pipeline",
        lambda made: {
            "pipelineName": "one",
            "pipelineDisplayName": "one",
            "pipelineDefinition": pipeline("one"),
            "roleArn": made["role"]["arn"],
            "tags": {"a": "1"},
        },
        lambda made: {
            "pipelineName": "one",
            "pipelineDisplayName": "two",
            "pipelineDescription": "two",
            "pipelineDefinition": pipeline("two"),
            "roleArn": made["role"]["arn"],
            "tags": {"a": "2"},
        },
        ("role",),
    ),
    Case(
        "aws:sagemaker/modelPackageGroup:ModelPackageGroup",
        fixed(modelPackageGroupName="g", modelPackageGroupDescription="one", tags={"a": "1"}),
        fixed(modelPackageGroupName="g", modelPackageGroupDescription="one", tags={"b": "2"}),
    ),
    Case(
        "aws:sagemaker/model:Model",
        lambda made: {
            "executionRoleArn": made["role"]["arn"],
            "enableNetworkIsolation": True,
            "primaryContainer": {
                "image": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/sklearn:1",
                "modelDataUrl": "s3://bucket/model.tar.gz",
                "environment": {"SAGEMAKER_PROGRAM": "inference.py"},
            },
            "tags": {"a": "1"},
        },
        None,
        ("role",),
    ),
    Case(
        "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
        lambda made: {
            "productionVariants": [
                {
                    "variantName": "all",
                    "modelName": made["model"]["name"],
                    "instanceType": "ml.m5.large",
                    "initialInstanceCount": 1,
                }
            ],
            "dataCaptureConfig": {
                "enableCapture": True,
                "initialSamplingPercentage": 100,
                "destinationS3Uri": "s3://bucket/capture",
                "captureOptions": [{"captureMode": "Input"}, {"captureMode": "Output"}],
                "captureContentTypeHeader": {
                    "csvContentTypes": ["text/csv"],
                    "jsonContentTypes": ["application/json"],
                },
            },
            "tags": {"a": "1"},
        },
        None,
        ("role", "model"),
    ),
]


@pytest.fixture(scope="module")
def cloud(session: boto3.Session) -> Cloud:
    return Cloud(session)


class World:
    """What stands under one case, made and deleted by the very handlers that are tested."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.cloud = cloud
        self.name = name
        self.made: dict[str, Properties] = {}

    def build(self, ground: tuple[str, ...]) -> None:
        for thing in ground:
            type_, inputs = GROUND[thing]
            handler = HANDLERS[type_]
            self.made[thing] = handler.create(
                self.cloud, handler.check(self.name, inputs(self.made))
            )

    def clear(self) -> None:
        while self.made:
            thing, outputs = self.made.popitem()
            HANDLERS[GROUND[thing][0]].delete(self.cloud, outputs)


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
        assert_as_asked(handler.read(world.cloud, outputs), inputs, outputs)
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
            assert_as_asked(handler.read(world.cloud, outputs), changed_inputs, outputs)
    finally:
        handler.delete(world.cloud, outputs)
    assert case.type in NEVER_GONE or handler.read(world.cloud, outputs) is None
    handler.delete(world.cloud, outputs)  # a second time is harmless
    world.clear()
    assert handler.read(world.cloud, outputs) is None


# Settings that S3 keeps for as long as the bucket exists: versioning can only be suspended, and
# encryption goes back to the default of S3.
NEVER_GONE = {
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


def assert_as_asked(found: Properties | None, inputs: Properties, outputs: Properties) -> None:
    assert found is not None
    for name in {"arn", "codeSha256", "etag"} & found.keys():
        assert found[name] == outputs[name], name
    for name, wanted in inputs.items():
        if name in WRITE_ONLY or wanted == {}:
            continue
        got = found.get(name)
        if name in JSON_DOCUMENTS:
            assert json.loads(got or "null") == json.loads(wanted), name
        else:
            assert got == wanted, name
    if "tags" not in inputs:
        assert not found.get("tags")
