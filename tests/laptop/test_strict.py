"""What AWS would refuse is refused here, named by its path; what it would take is taken."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from laptop import strict

Client = Callable[[str], Any]
ROLE = "arn:aws:iam::123456789012:role/r"


@pytest.mark.parametrize(
    ("service", "operation", "params", "expected"),
    [
        (
            "sagemaker",
            "CreateModelPackageGroup",
            {"ModelPackageGroupName": "two words"},
            "ModelPackageGroupName is 'two words', and must match the pattern "
            "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}.",
        ),
        (
            "sagemaker",
            "StartPipelineExecution",
            {"PipelineName": "p", "ClientRequestToken": "short"},
            "ClientRequestToken has 5 characters, and must have 32 to 128.",
        ),
        (
            "sagemaker",
            "UpdateModelPackage",
            {"ModelApprovalStatus": "approved"},
            "ModelApprovalStatus is 'approved', and must be one of Approved, Rejected, "
            "PendingManualApproval.",
        ),
        (
            "sagemaker",
            "CreateEndpointConfig",
            {"EndpointConfigName": "c", "ProductionVariants": [{"VariantName": "A"}] * 11},
            "ProductionVariants has 11 items, and must have 1 to 10.",
        ),
        (
            "sagemaker",
            "CreateEndpointConfig",
            {
                "EndpointConfigName": "c",
                "ProductionVariants": [{"VariantName": "A", "InitialInstanceCount": 0}],
            },
            "ProductionVariants[0].InitialInstanceCount is 0, and must be at least 1.",
        ),
        ("sqs", "SendMessage", {"QueueUrl": "u"}, "MessageBody is required."),
        (
            "lambda",
            "CreateEventSourceMapping",
            {"FunctionName": "f", "BatchSize": 2.5},
            "BatchSize is 2.5, and must be a whole number.",
        ),
        (
            "lambda",
            "CreateEventSourceMapping",
            {"FunctionName": "f", "MaximumBatchingWindowInSeconds": 301},
            "MaximumBatchingWindowInSeconds is 301, and must be 0 to 300.",
        ),
        (
            "events",
            "PutTargets",
            {"Rule": "r", "Targets": [{"Id": "1", "Arn": "a", "Queue": "q"}]},
            "Targets[0].Queue is not a member: there are Id, Arn, RoleArn",
        ),
        (
            "logs",
            "CreateLogGroup",
            {"logGroupName": "/l", "tags": {"": "v"}},
            "tags, key '', has 0 characters, and must have 1 to 128.",
        ),
        (
            "cloudwatch",
            "PutMetricData",
            {"Namespace": ":n"},
            "Namespace is ':n', and must match the pattern [^:].*.",
        ),
        ("kms", "DisableKey", {"KeyId": 7}, "KeyId must be of type string, not 7."),
    ],
)
def test_each_constraint_of_the_model_is_named(
    service: str, operation: str, params: dict[str, Any], expected: str
) -> None:
    found = strict.problems(service, operation, params)
    assert any(line.startswith(expected) for line in found), found


def test_a_right_request_has_no_problems() -> None:
    request = {
        "PipelineName": "churn",
        "PipelineDefinition": "{}" * 100_000,
        "ClientRequestToken": "t" * 32,
        "RoleArn": ROLE,
        "Tags": [{"Key": "aws cost:center/é", "Value": ""}],
        "ParallelismConfiguration": {"MaxParallelExecutionSteps": 1},
    }
    assert strict.problems("sagemaker", "CreatePipeline", request) == []


def test_a_long_refused_value_is_shortened() -> None:
    (problem,) = strict.problems("events", "DescribeRule", {"Name": " " * 64})
    assert len(problem) < 200
    (problem,) = strict.problems(
        "sqs", "SendMessage", {"QueueUrl": "u", "MessageBody": ["x" * 999]}
    )
    assert len(problem) < 200


def test_every_pattern_of_every_service_that_is_checked_is_understood() -> None:
    for service in (*SERVICES, "sagemaker-runtime"):
        for name in strict.service_model(service).shape_names:
            pattern = strict.service_model(service).shape_for(name).metadata.get("pattern")
            assert pattern is None or strict.compiled(pattern), (service, name, pattern)


SERVICES = (
    "cloudwatch", "events", "iam", "kms", "lambda", "logs", "s3", "sagemaker", "sqs", "sts",
)  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (r"[\w-_]*", "a-b_c", "a b"),  # after a shorthand, a hyphen is a hyphen
        (r"\A\S[\p{Print}]*\z", "a b", "a\n"),
        (r"\p{ASCII}*", "a~\n", "é"),
        (r"[\p{Alnum}\-]+", "a-1", "é"),
        (r"([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)${1,256}", "Größe: 1/2 件", "a<b"),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "a\tb😀", "a\x01"),
        (r"[a-z]+", "abc", "abc def"),  # the whole string, as Java's matches() has it
        (r"\w+\d", "a1", "é1"),  # shorthands are ASCII
    ],
)
def test_a_java_pattern_means_in_python_what_it_means_in_java(
    pattern: str, matching: str, other: str
) -> None:
    compiled = strict.compiled(pattern)
    assert compiled is not None
    assert compiled.fullmatch(matching)
    assert not compiled.fullmatch(other)


def test_a_pattern_that_python_cannot_say_is_not_held_against_a_value() -> None:
    assert strict.compiled("(?<java>a)") is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["PipelineName", "Tags", "RoleArn", "Other"]), anything))
def test_any_request_at_all_gets_an_answer(params: dict[str, Any]) -> None:
    found = strict.problems("sagemaker", "CreatePipeline", params)
    assert "ClientRequestToken is required." in found
    assert all(line.endswith(".") for line in found)


@pytest.mark.parametrize(
    ("service", "operation", "params", "code", "sentence"),
    [
        (
            "sagemaker",
            "describe_pipeline",
            {"PipelineName": "a b"},
            "ValidationException",
            "PipelineName is 'a b'",
        ),
        (
            "sagemaker-runtime",
            "invoke_endpoint",
            {"EndpointName": "a_b", "Body": b""},
            "ValidationException",
            "EndpointName is 'a_b'",
        ),
        (
            "sqs",
            "create_queue",
            {"QueueName": "q", "Attributes": {"Color": "red"}},
            "ValidationException",
            "Attributes, key 'Color', is 'Color', and must be one of",
        ),
        (
            "events",
            "put_rule",
            {"Name": "a b", "ScheduleExpression": "rate(1 minute)"},
            "ValidationException",
            "Name is 'a b'",
        ),
        (
            "lambda",
            "create_function",
            {"FunctionName": "f", "Role": "r", "Code": {}},
            "ValidationException",
            "Role is 'r'",
        ),
        (
            "cloudwatch",
            "put_metric_data",
            {"Namespace": "n", "MetricData": [{"MetricName": "m", "Unit": "Sheep"}]},
            "ValidationException",
            r"MetricData\[0\].Unit is 'Sheep'",
        ),
        (
            "logs",
            "put_retention_policy",
            {"logGroupName": "a b", "retentionInDays": 1},
            "ValidationException",
            "logGroupName is 'a b'",
        ),
        (
            "iam",
            "create_role",
            {"RoleName": "a b", "AssumeRolePolicyDocument": "{}"},
            "ValidationError",
            "RoleName is 'a b'",
        ),
        (
            "kms",
            "create_key",
            {"KeyUsage": "GUESSING"},
            "ValidationException",
            "KeyUsage is 'GUESSING'",
        ),
        (
            "s3",
            "put_bucket_versioning",
            {"Bucket": "b", "VersioningConfiguration": {"Status": "Maybe"}},
            "ValidationException",
            "VersioningConfiguration.Status is 'Maybe'",
        ),
    ],
)
def test_each_service_refuses_in_its_own_protocol(
    client: Client,
    service: str,
    operation: str,
    params: dict[str, Any],
    code: str,
    sentence: str,
) -> None:
    with pytest.raises(ClientError, match=sentence) as refused:
        getattr(client(service), operation)(**params)
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
