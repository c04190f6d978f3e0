"""What goes wrong between a person and AWS, in one sentence each."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from botocore import exceptions

from ..runtime.document import Conflict, error_code
from .table import plain

EXPIRED = (
    exceptions.SSOError,  # UnauthorizedSSOTokenError, SSOTokenLoadError and their kind
    exceptions.TokenRetrievalError,
)
_EXPIRED_CODES = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_UNKNOWN_CODES = {
    "AuthFailure",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_DENIED_CODES = {"403", "AccessDenied", "AccessDeniedException", "AuthorizationError", "Forbidden"}

# Where the name of an operation is not that of the IAM action (Service Authorization Reference).
_ACTIONS = {
    "GetObject": "s3:GetObject and, if the object may not exist, s3:ListBucket",
    "ListBuckets": "s3:ListAllMyBuckets",
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
}


class Refusal(Exception):  # noqa: N818  # an answer to a person, in one sentence
    """The command did nothing, and this sentence says why."""


def remember_requests(client: Any) -> None:
    """See that each error of this client's says what was asked for: botocore only says of whom."""

    def asked(params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["perennial_request"] = params

    def answered(parsed: dict[str, Any], context: Mapping[str, Any], model: Any, **_: Any) -> None:
        if "Error" in parsed:
            service = model.service_model.service_name
            parsed["Request"] = {"service": service, **context.get("perennial_request", {})}

    client.meta.events.register("provide-client-params.*.*", asked)
    client.meta.events.register("after-call.*.*", answered)


def sentence(error: Exception) -> str | None:
    """The error in a sentence with the remedy; None if it is none that a person can mend."""
    for kinds, say in _SENTENCES:
        if isinstance(error, kinds):
            return plain(re.sub(r"\s+", " ", say(error)).strip())
    return None


def _client_error(error: Any) -> str:
    code = error_code(error)
    said = str(error.response.get("Error", {}).get("Message", "")).rstrip(".")
    request = error.response.get("Request", {})
    if code in _EXPIRED_CODES:
        return _expired(error)
    if code in _UNKNOWN_CODES:
        return (
            f"AWS does not know these credentials ({code}: {said}): look at AWS_PROFILE and "
            "AWS_ACCESS_KEY_ID, and log in again."
        )
    if code in _DENIED_CODES:
        action = _ACTIONS.get(
            error.operation_name, f"{request.get('service', 'aws')}:{error.operation_name}"
        )
        return (
            f"You lack the permission {action} on {_resource(request)}: ask for it "
            f"(docs/operating.md has a policy), or use other credentials ({code}: {said})."
        )
    if code == "NoSuchBucket":
        return f"There is no bucket {request.get('Bucket')}: correct --bucket."
    return f"AWS refused {error.operation_name} on {_resource(request)} ({code}: {said})."


def _resource(request: Mapping[str, Any]) -> str:
    if bucket := request.get("Bucket"):
        key = request.get("Key") or request.get("Prefix", "")
        return f"s3://{bucket}/{key}".rstrip("/")
    for member in ("QueueUrl", "QueueName", "SourceArn"):
        if member in request:
            return f"the queue {str(request[member]).rpartition('/')[2]}"
    return "this account"


def _expired(_: Exception) -> str:
    return "The AWS login has expired: log in again (aws sso login, or new keys), and repeat."


def _no_credentials(_: Exception) -> str:
    return (
        "There are no AWS credentials: log in (aws sso login, aws configure), or set AWS_PROFILE "
        "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    )


def _no_region(_: Exception) -> str:
    return "No AWS region is set: set AWS_REGION, or the region of the profile."


def _unreachable(error: Exception) -> str:
    return f"AWS cannot be reached: {error}; look at the network, AWS_REGION and AWS_ENDPOINT_URL."


def _conflict(error: Exception) -> str:
    return (
        f"{error} Nothing was done: look with perennial status, and repeat if it is still wanted."
    )


_SENTENCES: tuple[tuple[Any, Callable[[Exception], str]], ...] = (
    (Refusal, str),
    (Conflict, _conflict),
    (EXPIRED, _expired),
    ((exceptions.NoCredentialsError, exceptions.PartialCredentialsError), _no_credentials),
    (exceptions.NoRegionError, _no_region),
    ((exceptions.ConnectionError, exceptions.HTTPClientError), _unreachable),
    (exceptions.ClientError, _client_error),
    (exceptions.BotoCoreError, lambda error: f"AWS cannot be asked: {error}"),
)
