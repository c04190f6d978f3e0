"""Functions and jobs act as their roles, and are refused what those do not allow."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from laptop import ACCOUNT, REGION
from laptop.errors import AwsError
from laptop.patches import roles
from laptop.server import LaptopAWS

Client = Callable[[str], Any]
MakeRole = Callable[..., str]
ActingAs = Callable[[str, str], Any]

WHAT_IT_MAY = """
import boto3
import os
from botocore.exceptions import ClientError

def handler(event, context):
    s3, said = boto3.client("s3"), {}
    for key in ("mine", "yours"):
        try:
            s3.put_object(Bucket=event["bucket"], Key=key, Body=b"1")
            said[key] = "allowed"
        except ClientError as error:
            said[key] = error.response["Error"]["Code"]
    said["who"] = boto3.client("sts").get_caller_identity()["Arn"]
    said["leaked"] = [name for name in os.environ if name in ("AWS_PROFILE", "PYTHONPATH")]
    return said
"""


def test_a_function_acts_as_its_role_and_is_refused_the_rest(
    client: Client, name: str, bucket: str, role: MakeRole, function: Callable[[str, str], str]
) -> None:
    mine = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/mine"}
    arn = function(WHAT_IT_MAY, role(mine))
    reply = client("lambda").invoke(FunctionName=arn, Payload=json.dumps({"bucket": bucket}))
    assert json.loads(reply["Payload"].read()) == {
        "mine": "allowed",
        "yours": "AccessDenied",
        "who": f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{name}",
        "leaked": [],
    }


def test_a_function_needs_a_role_that_lambda_may_assume(
    role: MakeRole, function: Callable[[str, str], str]
) -> None:
    nothing = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}
    arn = role(nothing, service="sagemaker.amazonaws.com")
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        function("", arn)


def test_a_mapping_needs_a_role_that_may_read_the_queue(
    client: Client,
    queue: tuple[str, str],
    role: MakeRole,
    function: Callable[[str, str], str],
) -> None:
    sends = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue[1]}
    arn = function("", role(sends))
    with pytest.raises(ClientError, match="does not have permissions to call ReceiveMessage"):
        client("lambda").create_event_source_mapping(EventSourceArn=queue[1], FunctionName=arn)


@pytest.mark.parametrize(("namespace", "refused"), [("Perennial", False), ("Other", True)])
def test_metrics_are_allowed_by_namespace(
    role: MakeRole, acting_as: ActingAs, namespace: str, refused: bool
) -> None:
    arn = role(
        {
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
            "Condition": {"StringEquals": {"cloudwatch:namespace": "Perennial"}},
        }
    )
    assert refused == is_refused(
        lambda: acting_as(arn, "cloudwatch").put_metric_data(
            Namespace=namespace, MetricData=[{"MetricName": "m", "Value": 1.0}]
        )
    )


def is_refused(call: Callable[[], Any]) -> bool:
    """Whether IAM refuses the call; a call that fails otherwise was allowed."""
    try:
        call()
    except ClientError as error:
        code: str = error.response["Error"]["Code"]
        return code == "AccessDeniedException"
    return False


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        ({"Action": "sagemaker:DescribePipeline", "Resource": "pipeline/mine"}, False),
        ({"Action": "sagemaker:DescribePipeline", "Resource": "pipeline/yours"}, True),
        ({"Action": "sagemaker:DeletePipeline", "Resource": "pipeline/mine"}, True),
    ],
)
def test_sagemaker_is_allowed_by_operation_and_resource(
    role: MakeRole, acting_as: ActingAs, allowed: dict[str, str], refused: bool
) -> None:
    resource = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{allowed['Resource']}"
    arn = role({"Effect": "Allow", **allowed, "Resource": resource})
    assert refused == is_refused(
        lambda: acting_as(arn, "sagemaker").describe_pipeline(PipelineName="mine")
    )


@pytest.mark.parametrize(("endpoint", "refused"), [("mine", False), ("yours", True)])
def test_an_endpoint_is_invoked_by_who_may(
    role: MakeRole, acting_as: ActingAs, endpoint: str, refused: bool
) -> None:
    mine = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/mine"
    arn = role({"Effect": "Allow", "Action": "sagemaker:InvokeEndpoint", "Resource": mine})
    assert refused == is_refused(
        lambda: acting_as(arn, "sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint, Body=b"1"
        )
    )


@pytest.mark.parametrize(("status", "refused"), [("Rejected", False), ("Approved", True)])
def test_approving_a_model_can_be_denied_by_its_status(
    role: MakeRole, acting_as: ActingAs, status: str, refused: bool
) -> None:
    everything = {"Effect": "Allow", "Action": "sagemaker:*", "Resource": "*"}
    approving = {
        "Effect": "Deny",
        "Action": "sagemaker:UpdateModelPackage",
        "Resource": "*",
        "Condition": {"StringEquals": {"sagemaker:ModelApprovalStatus": "Approved"}},
    }
    arn = role(everything, approving)
    package = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/none/1"
    assert refused == is_refused(
        lambda: acting_as(arn, "sagemaker").update_model_package(
            ModelPackageArn=package, ModelApprovalStatus=status
        )
    )


@pytest.mark.parametrize("passes", [True, False])
def test_a_role_is_given_to_sagemaker_only_by_who_may_pass_it(
    name: str, role: MakeRole, acting_as: ActingAs, passes: bool
) -> None:
    given = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    statements: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": "sagemaker:CreateModel", "Resource": "*"}
    ]
    if passes:
        statements.append(
            {
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": given,
                "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            }
        )
    arn = role(*statements, service="sagemaker.amazonaws.com")
    assert passes != is_refused(
        lambda: acting_as(arn, "sagemaker").create_model(
            ModelName=name,
            ExecutionRoleArn=given,
            PrimaryContainer={"Image": "image", "ModelDataUrl": "s3://bucket/model.tar.gz"},
        )
    )


def test_a_request_with_an_unknown_key_is_refused(laptop: LaptopAWS) -> None:
    import boto3

    stranger = boto3.client(
        "sagemaker",
        region_name=REGION,
        endpoint_url=laptop.endpoint_url,
        aws_access_key_id="AKIAUNKNOWN",
        aws_secret_access_key="guessed",  # noqa: S106 - it must not work
    )
    with pytest.raises(ClientError, match=r"UnrecognizedClientException|InvalidClientTokenId"):
        stranger.list_pipelines()


@pytest.mark.parametrize(
    ("statement", "trusted"),
    [
        ({"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}}, True),
        ({"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com"]}}, False),
        ({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}, False),
        (
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Condition": {"StringEquals": {"aws:SourceAccount": "210987654321"}},
            },
            False,
        ),
    ],
)
def test_a_role_is_assumed_only_by_the_services_that_it_trusts(
    statement: dict[str, Any], trusted: bool
) -> None:
    document = {"Statement": [{**statement, "Action": "sts:AssumeRole"}]}
    role = {
        "Arn": f"arn:aws:iam::{ACCOUNT}:role/r",
        "AssumeRolePolicyDocument": json.dumps(document),
    }
    assert roles.trusts(role, "sagemaker.amazonaws.com") is trusted


def test_the_credentials_of_a_role_that_is_not_there_are_refused_as_sagemaker_does() -> None:
    with pytest.raises(AwsError, match=r"Could not assume role .*:role/none") as refused:
        roles.credentials(f"arn:aws:iam::{ACCOUNT}:role/none", "sagemaker.amazonaws.com")
    assert refused.value.code == "ValidationException"


@pytest.mark.parametrize(("alarm", "refused"), [("mine", False), ("yours", True)])
def test_an_alarm_is_described_by_who_may_see_that_alarm(
    role: MakeRole, acting_as: ActingAs, alarm: str, refused: bool
) -> None:
    arn = role(
        {
            "Effect": "Allow",
            "Action": "cloudwatch:DescribeAlarms",
            "Resource": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:mine",
        }
    )
    try:
        acting_as(arn, "cloudwatch").describe_alarms(AlarmNames=[alarm])
    except ClientError as error:
        assert refused, error
    else:
        assert not refused


@pytest.mark.parametrize(("group", "refused"), [("/mine", False), ("/yours", True)])
def test_logs_are_written_by_who_may_write_to_the_streams_of_their_group(
    client: Client, role: MakeRole, acting_as: ActingAs, name: str, group: str, refused: bool
) -> None:
    mine = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}/mine:*"
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    arn = role({"Effect": "Allow", "Action": actions, "Resource": mine})
    where = {"logGroupName": f"{name}{group}", "logStreamName": "s"}
    client("logs").create_log_group(logGroupName=where["logGroupName"])
    logs = acting_as(arn, "logs")
    try:
        logs.create_log_stream(**where)
        logs.put_log_events(**where, logEvents=[{"timestamp": 1_700_000_000_000, "message": "m"}])
    except ClientError as error:
        assert refused, error
    else:
        assert not refused
