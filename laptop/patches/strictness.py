"""Each request that boto3 can send is held against botocore's model before its service sees it.

Where the model refuses, so does the laptop AWS: ``ValidationException`` (``ValidationError`` from
the query services, as on AWS) with every member named. IAM comes first.
"""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from ministack import app
from ministack.core import iam_actions

from .. import strict, wire
from . import requests

PINS = requests.PINS | {
    "ministack.app.SERVICE_HANDLERS": "dict",
    "ministack.core.iam_actions.access_denied_response": (
        "(service: str, action: str, principal_arn: str, request_id: str, *, "
        "error_code: str = '', message: str = '', headers: dict | None = None, "
        "resource_arn: str = '*', explicit_deny: bool = False, "
        "resource_policy_arn: str = '') -> tuple"
    ),
}

Reply = tuple[int, dict[str, str], bytes]
Handler = Callable[..., Awaitable[Reply]]

MODELS = {
    "events": "events",
    "iam": "iam",
    "kms": "kms",
    "lambda": "lambda",
    "logs": "logs",
    "monitoring": "cloudwatch",
    "s3": "s3",
    "sagemaker": "sagemaker",
    "secretsmanager": "secretsmanager",
    "sns": "sns",
    "sqs": "sqs",
    "ssm": "ssm",
    "sts": "sts",
}
"""ministack's name of each service -> botocore's."""

QUERY = frozenset({"iam", "sns", "sts"})


def install() -> None:
    for service, model in MODELS.items():
        app.SERVICE_HANDLERS[service] = checked(service, model, app.SERVICE_HANDLERS[service])


def checked(service: str, model: str, handler: Handler) -> Handler:
    """The service's handler behind the check."""

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Reply:
        # The two SageMaker services share a signing name, by which requests are routed.
        runtime = service == "sagemaker" and "x-amz-target" not in headers
        asked_of = "sagemaker-runtime" if runtime else model
        asked = wire.read(asked_of, wire.Request(method, path, query, headers, body))
        if asked:  # else the service itself says why it cannot be read
            requests.count(asked_of, asked[0])
            found = strict.problems(asked_of, *asked)
            if found:
                return refuse(service, headers, found)
        return await handler(method, path, headers, body, query)

    return handle


def refuse(service: str, headers: dict[str, str], found: list[str]) -> Reply:
    """The error reply in the protocol of the request."""
    count = f"{len(found)} validation error{'' if len(found) == 1 else 's'} detected: "
    _, reply_headers, body = iam_actions.access_denied_response(
        service,
        "",
        "",
        str(uuid.uuid4()),
        error_code="ValidationError" if service in QUERY else "ValidationException",
        message=count + " ".join(found),
        headers=headers,
    )
    return 400, reply_headers, body
