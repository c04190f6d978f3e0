"""Every resource type with inputs, other inputs, and what it stands on: for the tests of all."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi

from laptop.resources import HANDLERS
from laptop.resources.handler import Cloud
from laptop.resources.shape import Properties
from tests.laptop.test_sagemaker_endpoints import INFERENCE
from tests.laptop.test_sagemaker_pipelines import tar

Made = Mapping[str, Properties]
Inputs = Callable[[Made], Properties]

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


SERVED = {"model.txt": "v1", "code/inference.py": INFERENCE}


def allow(action: str, bucket: Properties) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": f"{bucket['arn']}/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def serving(instances: int) -> Inputs:
    """A configuration of an endpoint that serves the model ``served model``."""
    return lambda made: {
        "productionVariants": [
            {
                "variantName": "all",
                "modelName": made["served model"]["name"],
                "instanceType": "ml.m5.large",
                "initialInstanceCount": instances,
            }
        ]
    }


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
    "reader": (
        "aws:iam/role:Role",
        lambda made: {
            "assumeRolePolicy": TRUST,
            "inlinePolicies": [{"name": "read", "policy": allow("s3:GetObject", made["bucket"])}],
        },
    ),
    "artifact": (
        "aws:s3/bucketObjectv2:BucketObjectv2",
        lambda made: {
            "bucket": made["bucket"]["bucket"],
            "key": "model.tar.gz",
            "contentBase64": b64encode(tar(SERVED)).decode(),
        },
    ),
    "served model": (
        "aws:sagemaker/model:Model",
        lambda made: {
            "executionRoleArn": made["reader"]["arn"],
            "primaryContainer": {
                "image": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/sklearn:1",
                "modelDataUrl": f"s3://{made['bucket']['bucket']}/model.tar.gz",
            },
        },
    ),
    "configuration": ("aws:sagemaker/endpointConfiguration:EndpointConfiguration", serving(1)),
    "other configuration": (
        "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
        serving(2),
    ),
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
