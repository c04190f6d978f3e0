"""What goes wrong is one sentence with what to do."""

import boto3
import pytest
from botocore import exceptions
from botocore.stub import Stubber

from components.cli.errors import remember_requests, sentence
from components.runtime.document import Conflict


def client_error(code: str, message: str = "said") -> exceptions.ClientError:
    """As a client raises it whose requests are remembered."""
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    s3 = boto3.client("s3", region_name="eu-west-1", **keys)
    remember_requests(s3)
    with Stubber(s3) as stub, pytest.raises(exceptions.ClientError) as raised:
        stub.add_client_error("get_object", code, message)
        s3.get_object(Bucket="churn-artifacts-1", Key="state/retrain.json")
    return raised.value


def test_a_missing_permission_names_the_action_and_the_resource() -> None:
    assert sentence(client_error("AccessDenied", "User: arn is not authorized.")) == (
        "You lack the permission s3:GetObject and, if the object may not exist, s3:ListBucket on "
        "s3://churn-artifacts-1/state/retrain.json: ask for it (docs/operating.md has a policy), "
        "or use other credentials (AccessDenied: User: arn is not authorized)."
    )


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_an_expired_login_is_to_be_renewed(code: str) -> None:
    expected = "The AWS login has expired: log in again (aws sso login, or new keys), and repeat."
    assert sentence(client_error(code)) == expected
    assert sentence(exceptions.UnauthorizedSSOTokenError()) == expected


def test_unknown_credentials_are_called_so() -> None:
    said = sentence(client_error("InvalidAccessKeyId")) or ""
    assert said.startswith("AWS does not know these credentials (InvalidAccessKeyId: said)")


def test_a_bucket_that_is_not_there_is_named() -> None:
    said = sentence(client_error("NoSuchBucket"))
    assert said == "There is no bucket churn-artifacts-1: correct --bucket."


def test_any_other_refusal_of_aws_says_what_was_asked_of_what() -> None:
    assert sentence(client_error("SlowDown", "Reduce\nyour rate.")) == (
        "AWS refused GetObject on s3://churn-artifacts-1/state/retrain.json "
        "(SlowDown: Reduce your rate)."
    )


@pytest.mark.parametrize(
    ("error", "beginning"),
    [
        (exceptions.NoCredentialsError(), "There are no AWS credentials: log in"),
        (exceptions.NoRegionError(), "No AWS region is set: set AWS_REGION"),
        (
            exceptions.EndpointConnectionError(endpoint_url="https://nowhere"),
            'AWS cannot be reached: Could not connect to the endpoint URL: "https://nowhere"',
        ),
        (
            exceptions.ConnectTimeoutError(endpoint_url="https://slow"),
            "AWS cannot be reached: Connect timeout",
        ),
        (exceptions.ProfileNotFound(profile="x"), "AWS cannot be asked: The config profile (x)"),
        (Conflict("s3://b/state/pause.json was changed by another."), "s3://b/state/pause.json"),
    ],
)
def test_what_stands_between_a_person_and_aws_is_said(error: Exception, beginning: str) -> None:
    said = sentence(error) or ""
    assert said.startswith(beginning)
    assert "\n" not in said


def test_a_fault_of_our_own_is_no_sentence() -> None:
    assert sentence(ZeroDivisionError()) is None
