"""A small program with each type of resource of the real one, in editions that differ.

An up of the whole program takes too long to be broken off dozens of times.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True)
class Edition:
    """What the program says: with another value, all that has such a property is changed.

    ``size`` is changed in place; another ``name`` makes each resource anew beside the old one;
    another ``place`` makes each anew when the old one is deleted, most under the same name.
    """

    size: int = 1
    name: str = ""
    place: str = "here"


def every_kind(edition: Edition = Edition()) -> Callable[[], None]:
    """The program of an edition."""
    return partial(_every_kind, edition)


def _every_kind(edition: Edition) -> None:
    pulumi.runtime.register_stack_transformation(partial(_placed, edition.place))
    size = edition.size
    called = f"{pulumi.get_stack()}{edition.name}"
    # What is not named here has a name that Pulumi makes up.
    prefix = f"{edition.name}-" if edition.name else None
    role = aws.iam.Role(
        "role",
        name_prefix=prefix,
        description=f"size {size}",
        assume_role_policy=_trust("lambda.amazonaws.com"),
    )
    everything = {"Effect": "Allow", "Action": ["sqs:*", "logs:*"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Id": str(size), "Statement": [everything]})
    allowed = aws.iam.RolePolicy("allowed", role=role.name, policy=policy)
    log = aws.cloudwatch.LogGroup(
        "log", name=f"/aws/lambda/function-{called}", retention_in_days=[1, 3, 5, 7][size]
    )
    queue = aws.sqs.Queue("queue", name_prefix=prefix, visibility_timeout_seconds=60 + size)
    code = f"def handler(*_): return {{'size': {size}}}\n"
    function = aws.lambda_.Function(
        "function",
        name=f"function-{called}",
        role=role.arn,
        runtime="python3.12",
        handler="index.handler",
        timeout=10 + size,
        code=pulumi.AssetArchive({"index.py": pulumi.StringAsset(code)}),
        opts=pulumi.ResourceOptions(depends_on=[allowed, log]),
    )
    aws.lambda_.Invocation(
        "invocation", function_name=function.name, input="{}", triggers={"size": str(size)}
    )
    aws.lambda_.EventSourceMapping(
        "mapping", function_name=function.arn, event_source_arn=queue.arn, batch_size=size
    )
    rule = aws.cloudwatch.EventRule(
        "rule", name_prefix=prefix, schedule_expression=f"rate({1 + size} hours)"
    )
    aws.cloudwatch.EventTarget("target", rule=rule.name, arn=queue.arn, input=json.dumps(size))
    aws.cloudwatch.MetricAlarm(
        "alarm",
        name=f"alarm-{called}" if edition.name else None,
        comparison_operator="GreaterThanThreshold",
        evaluation_periods=1,
        metric_name="Depth",
        namespace="Test",
        period=60,
        statistic="Maximum",
        threshold=size,
    )
    bucket = aws.s3.Bucket(
        "bucket", bucket_prefix=prefix, force_destroy=True, tags={"size": str(size)}
    )
    aws.s3.BucketVersioning(
        "versioning",
        bucket=bucket.id,
        versioning_configuration={"status": ["", "Enabled", "Suspended"][size]},
    )
    owner = ["", "BucketOwnerEnforced", "BucketOwnerPreferred"][size]
    aws.s3.BucketOwnershipControls("ownership", bucket=bucket.id, rule={"object_ownership": owner})
    aws.s3.BucketPublicAccessBlock(
        "block", bucket=bucket.id, block_public_acls=True, ignore_public_acls=size > 1
    )
    aws.s3.BucketNotification("notification", bucket=bucket.id, eventbridge=size == 1)
    aws.s3.BucketLifecycleConfiguration(
        "lifecycle",
        bucket=bucket.id,
        rules=[{"id": "r", "status": "Enabled", "filter": {}, "expiration": {"days": 8 + size}}],
    )
    aws.s3.BucketPolicy(
        "policy", bucket=bucket.id, policy=bucket.arn.apply(lambda arn: _tls_only(arn, size))
    )
    aws.s3.BucketObjectv2(
        "object", bucket=bucket.id, key="k", source=pulumi.StringAsset(f"text {size}")
    )
    aws.sagemaker.ModelPackageGroup(
        "group",
        model_package_group_name=f"group-{called}",
        model_package_group_description=f"at {edition.place}",
        tags={"size": str(size)},
    )
    fail = {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": f"no {size}"}}
    pipeline_role = aws.iam.Role(
        "runs",
        name=f"runs-{called}",
        path=f"/{edition.place}/",
        assume_role_policy=_trust("sagemaker.amazonaws.com"),
    )
    aws.sagemaker.Pipeline(
        "pipeline",
        pipeline_name=f"pipeline-{called}",
        pipeline_display_name=f"pipeline-{called}",
        role_arn=pipeline_role.arn,
        pipeline_definition=json.dumps({"Version": "2020-12-01", "Steps": [fail]}),
    )


def _placed(
    place: str, args: pulumi.ResourceTransformationArgs
) -> pulumi.ResourceTransformationResult:
    anew = pulumi.ResourceOptions(delete_before_replace=place != "here", replacement_trigger=place)
    merged = pulumi.ResourceOptions.merge(args.opts, anew)
    return pulumi.ResourceTransformationResult(args.props, merged)


def _trust(service: str) -> str:
    who = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [who]})


def _tls_only(bucket_arn: str, size: int) -> str:
    plain = {
        "Sid": f"Size{size}",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": f"{bucket_arn}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [plain]})
