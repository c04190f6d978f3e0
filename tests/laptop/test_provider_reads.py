"""The calls that the genuine AWS provider makes around each resource, answered as AWS answers them.

``pulumi up`` with that provider cannot run here. What can be shown is that each of its reads is
answered: with the members that it goes by, or with the very error that it takes for "not
configured" or "gone". The table names the file of terraform-provider-aws (below internal/service/)
that makes the call. About half of the types were read there, in stored versions of v5 and v6; the
others, and every ``tags_gen.go``, are named from knowledge of the provider.

Two services are asked as AWS's Go SDK asks them, which is not as boto3 does: CloudWatch in CBOR,
and S3 Control under a host name that begins with the account, through the proxy of the provider's
configuration.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import boto3
import botocore.session
import pytest
from botocore import UNSIGNED, xform_name
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from laptop import ACCOUNT, REGION
from laptop.__main__ import welcome
from laptop.resources import HANDLERS
from laptop.resources.shape import Properties
from laptop.server import LaptopAWS
from tests.laptop.resource_cases import CASES, World
from tests.laptop.test_resources_lifecycle import cloud, world

__all__ = ["cloud", "world"]  # fixtures

Client = Callable[[str], Any]


@dataclass(frozen=True)
class Given:
    """An answer with these members; an empty list or text counts, a missing member does not."""

    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """The error that the provider goes by: its code, and words that it looks for."""

    code: str
    words: str = ""


Answer = Given | Refused


def given(*members: str) -> Given:
    return Given(members)


@dataclass(frozen=True)
class Read:
    """One call: the file that makes it, its parameters (texts are formatted with the resource's
    properties), and the answer while the resource is there, or once it is gone."""

    file: str
    call: str
    params: Mapping[str, Any]
    answer: Answer


def bucket_read(operation: str, answer: Answer, file: str = "s3/bucket.go") -> Read:
    return Read(file, f"s3.{operation}", {"Bucket": "{bucket}"}, answer)


def tags_read(service: str, file: str, member: str = "Tags", **params: str) -> Read:
    operation = "ListTags" if service in ("sagemaker", "lambda") else "ListTagsForResource"
    return Read(file, f"{service}.{operation}", params, given(member))


SAGEMAKER_TAGS = tags_read("sagemaker", "sagemaker/tags_gen.go", ResourceArn="{arn}")
ALARM = {"AlarmNames": ["{name}"], "AlarmTypes": ["MetricAlarm"]}
OBJECT = {"Bucket": "{bucket}", "Key": "{key}"}

READS: dict[str, list[Read]] = {
    "aws:s3/bucket:Bucket": [
        bucket_read("HeadBucket", given("BucketRegion")),
        bucket_read("GetBucketPolicy", Refused("NoSuchBucketPolicy")),
        bucket_read("GetBucketAcl", given("Owner", "Grants")),
        bucket_read("GetBucketCors", Refused("NoSuchCORSConfiguration")),
        bucket_read("GetBucketWebsite", Refused("NoSuchWebsiteConfiguration")),
        bucket_read("GetBucketVersioning", given()),
        bucket_read("GetBucketAccelerateConfiguration", given()),
        bucket_read("GetBucketRequestPayment", given("Payer")),
        bucket_read("GetBucketLogging", given()),
        bucket_read("GetBucketLifecycleConfiguration", Refused("NoSuchLifecycleConfiguration")),
        bucket_read("GetBucketReplication", Refused("ReplicationConfigurationNotFoundError")),
        bucket_read("GetBucketEncryption", given("ServerSideEncryptionConfiguration")),
        bucket_read("GetObjectLockConfiguration", Refused("ObjectLockConfigurationNotFoundError")),
        # Since 6.23: issues 45292 and 45784 of the provider tell of it.
        Read(
            "s3/tags.go",
            "s3control.ListTagsForResource",
            {"AccountId": ACCOUNT, "ResourceArn": "{arn}"},
            given("Tags"),
        ),
    ],
    "aws:s3/bucketVersioning:BucketVersioning": [
        bucket_read("GetBucketVersioning", given("Status"), "s3/bucket_versioning.go"),
    ],
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": [
        bucket_read(
            "GetBucketEncryption",
            given("ServerSideEncryptionConfiguration"),
            "s3/bucket_server_side_encryption_configuration.go",
        ),
    ],
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": [
        bucket_read(
            "GetPublicAccessBlock",
            given("PublicAccessBlockConfiguration"),
            "s3/bucket_public_access_block.go",
        ),
    ],
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": [
        bucket_read(
            "GetBucketOwnershipControls",
            given("OwnershipControls"),
            "s3/bucket_ownership_controls.go",
        ),
    ],
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": [
        # Without the header of the minimum size, the provider waits for it until it times out.
        bucket_read(
            "GetBucketLifecycleConfiguration",
            given("Rules", "TransitionDefaultMinimumObjectSize"),
            "s3/bucket_lifecycle_configuration.go",
        ),
    ],
    "aws:s3/bucketPolicy:BucketPolicy": [
        bucket_read("GetBucketPolicy", given("Policy"), "s3/bucket_policy.go"),
    ],
    "aws:s3/bucketNotification:BucketNotification": [
        bucket_read(
            "GetBucketNotificationConfiguration",
            given("EventBridgeConfiguration"),
            "s3/bucket_notification.go",
        ),
    ],
    "aws:s3/bucketObjectv2:BucketObjectv2": [
        Read(
            "s3/object.go",
            "s3.HeadObject",
            OBJECT | {"ChecksumMode": "ENABLED"},
            given("ETag", "ContentType", "LastModified"),
        ),
        Read("s3/tags.go", "s3.GetObjectTagging", OBJECT, given("TagSet")),
    ],
    "aws:iam/role:Role": [
        Read("iam/role.go", "iam.GetRole", {"RoleName": "{name}"}, given("Role")),
        Read("iam/role.go", "iam.ListRolePolicies", {"RoleName": "{name}"}, given("PolicyNames")),
        Read(
            "iam/role.go",
            "iam.GetRolePolicy",
            {"RoleName": "{name}", "PolicyName": "read"},
            given("PolicyDocument"),
        ),
        Read(
            "iam/role.go",
            "iam.ListAttachedRolePolicies",
            {"RoleName": "{name}"},
            given("AttachedPolicies"),
        ),
        Read(
            "iam/role.go",
            "iam.ListInstanceProfilesForRole",
            {"RoleName": "{name}"},
            given("InstanceProfiles"),
        ),
    ],
    "aws:iam/rolePolicy:RolePolicy": [
        Read(
            "iam/role_policy.go",
            "iam.GetRolePolicy",
            {"RoleName": "{role}", "PolicyName": "{name}"},
            given("PolicyDocument"),
        ),
    ],
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": [
        Read(
            "iam/role_policy_attachment.go",
            "iam.ListAttachedRolePolicies",
            {"RoleName": "{role}"},
            given("AttachedPolicies"),
        ),
    ],
    "aws:sqs/queue:Queue": [
        Read(
            "sqs/queue.go",
            "sqs.GetQueueAttributes",
            {"QueueUrl": "{url}", "AttributeNames": ["All"]},
            given("Attributes"),
        ),
        Read("sqs/tags_gen.go", "sqs.ListQueueTags", {"QueueUrl": "{url}"}, given("Tags")),
    ],
    "aws:sqs/queuePolicy:QueuePolicy": [
        Read(
            "sqs/queue_attribute.go",
            "sqs.GetQueueAttributes",
            {"QueueUrl": "{queueUrl}", "AttributeNames": ["Policy"]},
            given("Attributes"),
        ),
    ],
    "aws:lambda/function:Function": [
        Read(
            "lambda/function.go",
            "lambda.GetFunction",
            {"FunctionName": "{name}"},
            given("Configuration", "Code", "Tags"),
        ),
        Read(
            "lambda/function.go",
            "lambda.GetFunctionConfiguration",
            {"FunctionName": "{name}"},
            given("State", "LastUpdateStatus"),
        ),
        Read(
            "lambda/function.go",
            "lambda.ListVersionsByFunction",
            {"FunctionName": "{name}", "MaxItems": 10000},
            given("Versions"),
        ),
        Read(
            "lambda/function.go",
            "lambda.GetFunctionCodeSigningConfig",
            {"FunctionName": "{name}"},
            given("FunctionName"),
        ),
        tags_read("lambda", "lambda/tags_gen.go", Resource="{arn}"),
    ],
    "aws:lambda/eventSourceMapping:EventSourceMapping": [
        Read(
            "lambda/event_source_mapping.go",
            "lambda.GetEventSourceMapping",
            {"UUID": "{uuid}"},
            given("State", "EventSourceArn", "FunctionArn", "BatchSize"),
        ),
        tags_read("lambda", "lambda/tags_gen.go", Resource="{arn}"),
    ],
    "aws:lambda/permission:Permission": [
        Read(
            "lambda/permission.go",
            "lambda.GetPolicy",
            {"FunctionName": "{function}"},
            given("Policy"),
        ),
    ],
    # Invocation's read asks nothing (lambda/invocation.go); what it sends is tested below.
    "aws:lambda/invocation:Invocation": [],
    "aws:cloudwatch/eventRule:EventRule": [
        Read(
            "events/rule.go",
            "events.DescribeRule",
            {"EventBusName": "default", "Name": "{name}"},
            given("Arn", "EventPattern", "State"),
        ),
        tags_read("events", "events/tags_gen.go", ResourceARN="{arn}"),
    ],
    "aws:cloudwatch/eventTarget:EventTarget": [
        Read(
            "events/target.go",
            "events.ListTargetsByRule",
            {"EventBusName": "default", "Rule": "{rule}", "Limit": 100},
            given("Targets"),
        ),
    ],
    "aws:cloudwatch/logGroup:LogGroup": [
        Read(
            "logs/group.go",
            "logs.DescribeLogGroups",
            {"logGroupNamePrefix": "{name}"},
            given("logGroups"),
        ),
        tags_read("logs", "logs/tags_gen.go", "tags", resourceArn="{arn}"),
    ],
    "aws:cloudwatch/metricAlarm:MetricAlarm": [
        Read(
            "cloudwatch/metric_alarm.go", "cloudwatch.DescribeAlarms", ALARM, given("MetricAlarms")
        ),
        tags_read("cloudwatch", "cloudwatch/tags_gen.go", ResourceARN="{arn}"),
    ],
    "aws:cloudwatch/dashboard:Dashboard": [
        Read(
            "cloudwatch/dashboard.go",
            "cloudwatch.GetDashboard",
            {"DashboardName": "{dashboardName}"},
            given("DashboardArn", "DashboardBody"),
        ),
    ],
    "aws:kms/key:Key": [
        Read("kms/key.go", "kms.DescribeKey", {"KeyId": "{keyId}"}, given("KeyMetadata")),
        Read(
            "kms/key.go",
            "kms.GetKeyPolicy",
            {"KeyId": "{keyId}", "PolicyName": "default"},
            given("Policy"),
        ),
        Read(
            "kms/key.go",
            "kms.GetKeyRotationStatus",
            {"KeyId": "{keyId}"},
            given("KeyRotationEnabled"),
        ),
        Read("kms/tags_gen.go", "kms.ListResourceTags", {"KeyId": "{keyId}"}, given("Tags")),
    ],
    "aws:kms/alias:Alias": [Read("kms/alias.go", "kms.ListAliases", {}, given("Aliases"))],
    "aws:sagemaker/pipeline:Pipeline": [
        Read(
            "sagemaker/pipeline.go",
            "sagemaker.DescribePipeline",
            {"PipelineName": "{pipelineName}"},
            given("PipelineArn", "PipelineDefinition", "RoleArn", "PipelineDisplayName"),
        ),
        SAGEMAKER_TAGS,
    ],
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup": [
        Read(
            "sagemaker/model_package_group.go",
            "sagemaker.DescribeModelPackageGroup",
            {"ModelPackageGroupName": "{modelPackageGroupName}"},
            given("ModelPackageGroupArn", "ModelPackageGroupStatus"),
        ),
        SAGEMAKER_TAGS,
    ],
    "aws:sagemaker/model:Model": [
        Read(
            "sagemaker/model.go",
            "sagemaker.DescribeModel",
            {"ModelName": "{name}"},
            given("ModelArn", "PrimaryContainer", "ExecutionRoleArn"),
        ),
        SAGEMAKER_TAGS,
    ],
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": [
        Read(
            "sagemaker/endpoint_configuration.go",
            "sagemaker.DescribeEndpointConfig",
            {"EndpointConfigName": "{name}"},
            given("EndpointConfigArn", "ProductionVariants", "DataCaptureConfig"),
        ),
        SAGEMAKER_TAGS,
    ],
    "aws:sagemaker/endpoint:Endpoint": [
        Read(
            "sagemaker/endpoint.go",
            "sagemaker.DescribeEndpoint",
            {"EndpointName": "{name}"},
            given("EndpointArn", "EndpointStatus", "EndpointConfigName"),
        ),
        SAGEMAKER_TAGS,
    ],
}
"""Type -> the calls that the provider makes to read it, tags included."""


GONE: dict[str, Answer] = {
    "aws:s3/bucket:Bucket": Refused("404"),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Refused(
        "NoSuchPublicAccessBlockConfiguration"
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": Refused(
        "OwnershipControlsNotFoundError"
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Refused(
        "NoSuchLifecycleConfiguration"
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Refused("NoSuchBucketPolicy"),
    "aws:s3/bucketNotification:BucketNotification": given(),
    "aws:s3/bucketObjectv2:BucketObjectv2": Refused("404"),
    "aws:iam/role:Role": Refused("NoSuchEntity"),
    "aws:iam/rolePolicy:RolePolicy": Refused("NoSuchEntity"),
    "aws:sqs/queue:Queue": Refused("AWS.SimpleQueueService.NonExistentQueue"),
    "aws:lambda/function:Function": Refused("ResourceNotFoundException"),
    "aws:lambda/eventSourceMapping:EventSourceMapping": Refused("ResourceNotFoundException"),
    "aws:lambda/permission:Permission": given("Policy"),  # without the statement
    "aws:cloudwatch/eventRule:EventRule": Refused("ResourceNotFoundException"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": given(),
    "aws:cloudwatch/dashboard:Dashboard": Refused("ResourceNotFound"),
    "aws:kms/key:Key": given("KeyMetadata"),  # and pending deletion
    "aws:sagemaker/pipeline:Pipeline": Refused("ResourceNotFound"),
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup": Refused(
        "ValidationException", "does not exist"
    ),
    "aws:sagemaker/model:Model": Refused("ValidationException", "Could not find model"),
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": Refused(
        "ValidationException", "Could not find endpoint configuration"
    ),
    "aws:sagemaker/endpoint:Endpoint": Refused("ValidationException", "Could not find endpoint"),
}
"""Type -> the answer to its first read once it is deleted, by which the provider knows it."""


def read_once_gone(type_: str) -> Read:
    return replace(READS[type_][0], answer=GONE[type_])


@pytest.fixture(scope="module")
def ask(laptop: LaptopAWS, session: boto3.Session) -> Client:
    """Clients as the provider has them."""
    special = {"cloudwatch": cbor_client(laptop), "s3control": proxied_client(laptop)}

    def client(service: str) -> Any:
        return special.get(service) or session.client(cast(Any, service))

    return client


def keys() -> dict[str, str]:
    return {
        "region_name": REGION,
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }


def cbor_client(laptop: LaptopAWS) -> Any:
    """A client of CloudWatch that speaks the protocol of AWS's Go SDK."""
    session = botocore.session.Session()
    loader = session.get_component("data_loader")
    load = loader.load_service_model

    def load_cbor(service: str, kind: str, api_version: str | None = None) -> Any:
        model = load(service, kind, api_version=api_version)
        if "smithy-rpc-v2-cbor" in model.get("metadata", {}).get("protocols", ()):
            model["metadata"]["protocols"] = ["smithy-rpc-v2-cbor"]
        return model

    loader.load_service_model = load_cbor
    return session.create_client("cloudwatch", endpoint_url=laptop.endpoint_url, **keys())


def proxied_client(laptop: LaptopAWS) -> Any:
    """A client of S3 Control; the name of its host resolves nowhere."""
    return boto3.client(
        "s3control",
        endpoint_url=laptop.endpoint_url,
        config=Config(proxies={"http": laptop.endpoint_url}),
        **cast(Any, keys()),
    )


def answer_to(ask: Client, read: Read, properties: Properties) -> dict[str, Any] | ClientError:
    service, _, operation = read.call.partition(".")
    try:
        answer: dict[str, Any] = getattr(ask(service), xform_name(operation))(
            **filled(read.params, properties)
        )
    except ClientError as error:
        return error
    return answer


def filled(template: Any, properties: Properties) -> Any:
    if isinstance(template, str):
        return template.format_map(properties)
    if isinstance(template, Mapping):
        return {name: filled(value, properties) for name, value in template.items()}
    if isinstance(template, list):
        return [filled(value, properties) for value in template]
    return template


def assert_answered(ask: Client, read: Read, properties: Properties) -> None:
    found = answer_to(ask, read, properties)
    if isinstance(read.answer, Given):
        assert not isinstance(found, ClientError), f"{read.call}: {found}"
        assert set(read.answer.members) <= found.keys(), read.call
    else:
        assert isinstance(found, ClientError), f"{read.call}: {found}"
        assert found.response["Error"]["Code"] == read.answer.code, read.call
        assert read.answer.words in found.response["Error"]["Message"], read.call


def test_the_table_has_every_type() -> None:
    assert READS.keys() == HANDLERS.keys()


FIRST_CASES = {case.type: case for case in reversed(CASES)}


@pytest.mark.parametrize("type_", FIRST_CASES)
def test_each_read_of_the_provider_is_answered_as_aws_answers_it(
    ask: Client, world: World, type_: str
) -> None:
    handler, case = HANDLERS[type_], FIRST_CASES[type_]
    world.build(case.ground)
    outputs = handler.create(world.cloud, handler.check(world.name, case.before(world.made)))
    try:
        for read in READS[type_]:
            assert_answered(ask, read, outputs)
    finally:
        handler.delete(world.cloud, outputs)
    if type_ in GONE:
        assert_answered(ask, read_once_gone(type_), outputs)


def test_a_key_that_is_deleted_is_pending_deletion(ask: Client) -> None:
    key = ask("kms").create_key()["KeyMetadata"]["KeyId"]
    ask("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert ask("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_the_reads_of_an_endpoint_are_answered(ask: Client, world: World, name: str) -> None:
    world.build(("role", "model"))
    type_ = "aws:sagemaker/endpoint:Endpoint"
    variant = {"VariantName": "all", "ModelName": world.made["model"]["name"]}
    sized = variant | {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker = ask("sagemaker")
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[sized])
    made = sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    properties = {"name": name, "arn": made["EndpointArn"]}
    for read in READS[type_]:
        assert_answered(ask, read, properties)
    patience = {"Delay": 0.05, "MaxAttempts": 600}
    with pytest.raises(WaiterError, match="Failed"):  # there is no such model
        sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig=patience)
    sagemaker.delete_endpoint(EndpointName=name)
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig=patience)
    assert_answered(ask, read_once_gone(type_), properties)
    sagemaker.delete_endpoint_config(EndpointConfigName=name)


def test_make_laptop_says_how_the_provider_is_pointed_at_it() -> None:
    told = welcome("http://127.0.0.1:4566")
    for each in (
        "AWS_ENDPOINT_URL=http://127.0.0.1:4566",
        f"AWS_DEFAULT_REGION={REGION}",
        "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test",
        "HTTP_PROXY=http://127.0.0.1:4566 pulumi up --stack laptop",
    ):
        assert each in told


def test_the_provider_starts_by_asking_who_it_is(ask: Client) -> None:
    """GetCallerIdentity of aws-sdk-go-base, which gives the provider its account."""
    assert ask("sts").get_caller_identity()["Account"] == ACCOUNT


def test_a_buckets_region_is_told_to_a_request_that_is_not_signed(
    laptop: LaptopAWS, bucket: str
) -> None:
    """GetBucketRegion of the Go SDK, which s3/bucket.go asks after each create."""
    anonymous = boto3.client(
        "s3",
        endpoint_url=laptop.endpoint_url,
        region_name=REGION,
        config=Config(signature_version=UNSIGNED),
    )
    for name, headers in ((bucket, {"x-amz-bucket-region": REGION}), (f"no-{bucket}", {})):
        with pytest.raises(ClientError) as refused:
            anonymous.head_bucket(Bucket=name)
        answered = refused.value.response["ResponseMetadata"]["HTTPHeaders"]
        assert {key: answered[key] for key in answered if key == "x-amz-bucket-region"} == headers


def test_a_bucket_has_the_tags_that_it_is_made_with_and_s3_control_changes_them(
    ask: Client, name: str
) -> None:
    """CreateBucket as s3/bucket.go sends it, then s3/tags.go."""
    place = {"LocationConstraint": REGION, "Tags": [{"Key": "a", "Value": "1"}]}
    ask("s3").create_bucket(Bucket=name, ACL="private", CreateBucketConfiguration=place)
    control, this = ask("s3control"), {"AccountId": ACCOUNT, "ResourceArn": f"arn:aws:s3:::{name}"}
    assert control.list_tags_for_resource(**this)["Tags"] == [{"Key": "a", "Value": "1"}]
    control.tag_resource(**this, Tags=[{"Key": "b", "Value": "x & y"}])
    control.untag_resource(**this, TagKeys=["a"])
    assert control.list_tags_for_resource(**this)["Tags"] == [{"Key": "b", "Value": "x & y"}]
    assert ask("s3").get_bucket_tagging(Bucket=name)["TagSet"] == [{"Key": "b", "Value": "x & y"}]


def test_a_queue_has_each_attribute_as_it_was_set(ask: Client, name: str) -> None:
    """sqs/queue.go waits until all of them read back as it sent them, for three minutes."""
    sent = {
        "DelaySeconds": "0",
        "KmsDataKeyReusePeriodSeconds": "300",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "VisibilityTimeout": "180",
    }
    url = ask("sqs").create_queue(QueueName=name, Attributes=sent)["QueueUrl"]
    read = ask("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert {key: read.get(key, value) for key, value in sent.items()} == sent
    assert read.keys() >= sent.keys() - {"KmsDataKeyReusePeriodSeconds"}  # which it lets be missing


def test_an_invocation_passes_on_what_the_provider_adds_to_its_payload(
    ask: Client,
    role: Callable[..., str],
    function: Callable[[str, str], str],
) -> None:
    """lambda/invocation.go, with lifecycleScope CRUD."""
    nothing = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    arn = function("def handler(event, context):\n    return event\n", role(nothing))
    payload = {"loop": "churn", "tf": {"action": "delete", "prev_input": None}}
    answer = ask("lambda").invoke(FunctionName=arn, Payload=json.dumps(payload).encode())
    assert "FunctionError" not in answer
    assert json.loads(answer["Payload"].read()) == payload


def test_an_alarm_in_cbor_is_checked_and_kept_as_in_json(ask: Client, name: str) -> None:
    alarm: dict[str, Any] = {
        "AlarmName": name,
        "ComparisonOperator": "GreaterThanThreshold",
        "DatapointsToAlarm": 2,
        "Dimensions": [{"Name": "Loop", "Value": "churn"}],
        "EvaluationPeriods": 3,
        "MetricName": "DriftedShare",
        "Namespace": "Perennial",
        "Period": 60,
        "Statistic": "Maximum",
        "Threshold": 0.3,
    }
    with pytest.raises(ClientError, match="Period is 61, and must be 10, 20, 30 or a multiple"):
        ask("cloudwatch").put_metric_alarm(**alarm | {"Period": 61})
    ask("cloudwatch").put_metric_alarm(**alarm)
    (kept,) = ask("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert alarm.items() <= kept.items()
    ask("cloudwatch").delete_alarms(AlarmNames=[name])
