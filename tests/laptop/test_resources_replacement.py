"""Which property makes a new resource: where AWS has no call that changes it, and what names it.

The source is AWS's own models, as botocore has them. For queues, log groups, keys, event source
mappings and model package groups the result was also held against the schemas in the source of the
Terraform AWS provider (``ForceNew``), which pulumi_aws bridges; its Python documentation leaves
that out.
"""

import pytest

from laptop.resources import HANDLERS
from laptop.resources.handler import Handler
from laptop.strict import service_model

# The operations that change a resource in place; none where AWS has none.
CHANGING: dict[str, list[tuple[str, str]]] = {
    "aws:cloudwatch/dashboard:Dashboard": [("cloudwatch", "PutDashboard")],
    "aws:cloudwatch/eventRule:EventRule": [("events", "PutRule")],
    "aws:cloudwatch/eventTarget:EventTarget": [("events", "PutTargets")],
    "aws:cloudwatch/logGroup:LogGroup": [("logs", "AssociateKmsKey")],
    "aws:cloudwatch/metricAlarm:MetricAlarm": [("cloudwatch", "PutMetricAlarm")],
    "aws:iam/role:Role": [("iam", "UpdateRole"), ("iam", "PutRolePermissionsBoundary")],
    "aws:iam/rolePolicy:RolePolicy": [("iam", "PutRolePolicy")],
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": [],
    "aws:kms/alias:Alias": [("kms", "UpdateAlias")],
    "aws:kms/key:Key": [("kms", "UpdateKeyDescription"), ("kms", "PutKeyPolicy")],
    "aws:lambda/eventSourceMapping:EventSourceMapping": [("lambda", "UpdateEventSourceMapping")],
    "aws:lambda/function:Function": [
        ("lambda", "UpdateFunctionConfiguration"),
        ("lambda", "UpdateFunctionCode"),
    ],
    "aws:lambda/invocation:Invocation": [],
    "aws:lambda/permission:Permission": [],
    "aws:s3/bucket:Bucket": [],
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": [],
    "aws:s3/bucketNotification:BucketNotification": [],
    "aws:s3/bucketObjectv2:BucketObjectv2": [("s3", "PutObject")],
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": [],
    "aws:s3/bucketPolicy:BucketPolicy": [],
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": [],
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": [],
    "aws:s3/bucketVersioning:BucketVersioning": [],
    "aws:sagemaker/endpoint:Endpoint": [("sagemaker", "UpdateEndpoint")],
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": [],
    "aws:sagemaker/model:Model": [],
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup": [],
    "aws:sagemaker/pipeline:Pipeline": [("sagemaker", "UpdatePipeline")],
    "aws:sqs/queue:Queue": [("sqs", "SetQueueAttributes")],
    "aws:sqs/queuePolicy:QueuePolicy": [],
}

# What the models cannot tell: a setting with an operation of its own under another name, one that
# is only remembered, or one that AWS takes at creation alone.
ELSEWHERE: dict[str, dict[str, bool]] = {
    "aws:cloudwatch/eventRule:EventRule": {"forceDestroy": False},
    "aws:cloudwatch/eventTarget:EventTarget": {"forceDestroy": False},
    # PutRetentionPolicy; skipDestroy is only remembered.
    "aws:cloudwatch/logGroup:LogGroup": {"retentionInDays": False, "skipDestroy": False},
    "aws:iam/role:Role": {
        "assumeRolePolicy": False,  # UpdateAssumeRolePolicy
        "forceDetachPolicies": False,
        "inlinePolicies": False,  # PutRolePolicy
        "managedPolicyArns": False,  # AttachRolePolicy
    },
    "aws:kms/key:Key": {
        "deletionWindowInDays": False,
        "enableKeyRotation": False,  # EnableKeyRotation
        "isEnabled": False,  # EnableKey
    },
    "aws:lambda/function:Function": {
        # UpdateFunctionCode, as ZipFile, S3Bucket, S3Key and S3ObjectVersion
        **dict.fromkeys(("code", "s3Bucket", "s3Key", "s3ObjectVersion"), False),
        "reservedConcurrentExecutions": False,  # PutFunctionConcurrency
        "sourceCodeHash": False,
    },
    # A call cannot be undone; `input` depends on lifecycleScope (test_resources_deletion).
    "aws:lambda/invocation:Invocation": {
        "input": False,
        "lifecycleScope": False,
        "terraformKey": False,
        "triggers": True,
    },
    "aws:s3/bucket:Bucket": {
        "forceDestroy": False,
        "objectLockEnabled": True,  # CreateBucket alone takes it
        "tags": False,  # PutBucketTagging
    },
    # Each setting of a bucket is put as a whole.
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": {"rules": False},
    "aws:s3/bucketNotification:BucketNotification": {"eventbridge": False},
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": {"rule": False},
    "aws:s3/bucketPolicy:BucketPolicy": {"policy": False},
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": {
        "blockPublicAcls": False,
        "blockPublicPolicy": False,
        "ignorePublicAcls": False,
        "restrictPublicBuckets": False,
        "skipDestroy": False,
    },
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": {
        "rules": False
    },
    "aws:s3/bucketVersioning:BucketVersioning": {"versioningConfiguration": False},
    "aws:s3/bucketObjectv2:BucketObjectv2": {
        "content": False,
        "contentBase64": False,
        "forceDestroy": False,
        "source": False,
        "sourceHash": False,
        "tags": False,
    },
    # SetQueueAttributes has the name, but refuses it for a queue that exists (CreateQueue says so).
    "aws:sqs/queue:Queue": {"fifoQueue": True},
    "aws:sqs/queuePolicy:QueuePolicy": {"policy": False},  # SetQueueAttributes
}


def members(service: str, operation: str) -> set[str]:
    """What an operation takes; of a list of targets or a map of attributes, what one may hold."""
    shape = service_model(service).operation_model(operation).input_shape
    found = set(shape.members)
    for member in shape.members.values():
        if member.type_name == "list" and member.member.type_name == "structure":
            found |= set(member.member.members)
        if member.type_name == "map" and getattr(member.key, "enum", None):
            found |= set(member.key.enum)
    return found


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
def test_a_new_resource_is_made_for_what_aws_cannot_change_and_for_nothing_else(
    handler: Handler,
) -> None:
    elsewhere = ELSEWHERE.get(handler.type, {})
    changeable: set[str] = set()
    for service, operation in CHANGING[handler.type]:
        changeable |= members(service, operation)
    identity = {*handler.key, handler.naming.prefix if handler.naming else None} - {"input"}
    expected = {
        name
        for name, field in handler.shape.items()
        if elsewhere.get(name, name in identity or field.aws not in changeable)
    }
    assert handler.replaces == expected


def test_every_type_is_looked_at() -> None:
    assert CHANGING.keys() == HANDLERS.keys()
