"""The SageMaker of ``laptop.sagemaker``, mounted in ministack with IAM enforced.

Two services share one signing name: ``sagemaker`` (JSON 1.1, ``X-Amz-Target: SageMaker.<Op>``) and
``sagemaker-runtime`` (``POST /endpoints/<name>/invocations``).
"""

import asyncio
import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from ministack import app
from ministack.core import iam_actions, router
from ministack.core.iam_evaluator import EvalResult, enforce

from .. import ACCOUNT, REGION
from ..errors import AwsError
from . import events, roles

PINS = (
    events.PINS
    | roles.PINS
    | {
        "ministack.app.SERVICE_HANDLERS": "dict",
        "ministack.core.iam_actions.SERVICE_TO_IAM_NAMESPACE": "dict",
        "ministack.core.iam_actions._BOTOCORE_SERVICE_MAP": "dict",
        "ministack.core.iam_actions.extract_resource_arn": (
            "(service: str, method: str, path: str, headers: dict, body: bytes, "
            "query_params: dict, region: str, account_id: str) -> str"
        ),
        "ministack.core.iam_evaluator.enforce": (
            "(access_key_id: str, iam_action: str, service: str, region: str, "
            "resource_arn: str = '*', service_context: dict[str, typing.Any] | None = None) -> "
            "ministack.core.iam_evaluator.EvalResult | "
            "ministack.core.iam_evaluator.AuthError | None"
        ),
        "ministack.core.router.SERVICE_PATTERNS": "dict",
        "ministack.core.router.extract_access_key_id": "(headers: dict, query_params=None) -> str",
    }
)

SERVICE = "sagemaker"
PRINCIPAL = "sagemaker.amazonaws.com"
TARGET = "SageMaker."
INVOCATION = re.compile(r"/endpoints/([^/]+)/invocations")
ROLE_MEMBERS = ("RoleArn", "ExecutionRoleArn")
Reply = tuple[int, dict[str, str], bytes]

log = logging.getLogger(__name__)


class Service(Protocol):
    """What is mounted."""

    @property
    def operations(self) -> frozenset[str]: ...

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]: ...

    def invoke(
        self, endpoint_name: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes]: ...

    def resource_arn(self, operation: str, request: dict[str, Any]) -> str: ...

    def shutdown(self) -> None: ...


def install(*, endpoint_url: str, workdir: Path) -> Service:
    """Make the service, mount it, and return it for its shutdown."""
    from ..sagemaker.service import SageMaker

    service: Service = SageMaker(
        region=REGION,
        account=ACCOUNT,
        endpoint_url=endpoint_url,
        workdir=workdir,
        step_python=step_python(),
        emit=lambda detail_type, detail, resources: events.emit(
            "aws.sagemaker", detail_type, detail, resources
        ),
        credentials=lambda role_arn: roles.credentials(role_arn, PRINCIPAL),
    )
    mount(service)
    return service


def step_python() -> str:
    """The interpreter of the step environment: PERENNIAL_STEP_PYTHON, .venv-steps, or this one."""
    beside = Path(__file__).resolve().parents[2] / ".venv-steps" / "bin" / "python"
    return os.environ.get("PERENNIAL_STEP_PYTHON") or (
        str(beside) if beside.exists() else sys.executable
    )


def mount(service: Service) -> None:
    """Route, authorise and answer both services' requests."""
    arn_of = iam_actions.extract_resource_arn

    def extract_resource_arn(
        name: str, method: str, path: str, headers: dict[str, str], body: bytes, *rest: Any
    ) -> str:
        if name != SERVICE:
            found: str = arn_of(name, method, path, headers, body, *rest)
            return found
        return resource_arn(service, path, headers, body)

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Reply:
        del method
        key = router.extract_access_key_id(headers, query)
        # A request may run for minutes: it must not hold up the event loop.
        return await asyncio.to_thread(answer, service, path, headers, body, key)

    iam_actions.extract_resource_arn = extract_resource_arn
    iam_actions.SERVICE_TO_IAM_NAMESPACE[SERVICE] = SERVICE
    iam_actions._BOTOCORE_SERVICE_MAP[SERVICE] = ["sagemaker-runtime"]  # sagemaker has no paths
    router.SERVICE_PATTERNS[SERVICE] = {
        "host_patterns": [r"api\.sagemaker\.", r"runtime\.sagemaker\."],
        "target_prefixes": [TARGET],
    }
    app.SERVICE_HANDLERS[SERVICE] = handle


def answer(
    service: Service, path: str, headers: dict[str, str], body: bytes, access_key: str
) -> Reply:
    """The reply to one request that IAM has allowed."""
    endpoint = INVOCATION.fullmatch(path)
    try:
        if endpoint:
            return service.invoke(endpoint[1], body, headers)
        operation, request = operation_of(headers), document(body)
        if operation not in service.operations:
            raise AwsError(
                "UnknownOperationException",
                f"The laptop AWS has no sagemaker:{operation}: "
                f"it has {', '.join(sorted(service.operations))}.",
            )
        require_pass_role(access_key, request)
        return reply(200, service.call(operation, request))
    except AwsError as error:
        return reply(error.status, {"__type": error.code, "message": error.message}, error.code)
    except Exception as error:  # a defect of ours must reach the caller as a 500, and the log
        log.exception("sagemaker cannot answer %s", headers.get("x-amz-target") or path)
        return reply(500, {"__type": "InternalFailure", "message": repr(error)}, "InternalFailure")


def reply(status: int, body: dict[str, Any], error: str = "") -> Reply:
    """A JSON 1.1 response as botocore reads it."""
    headers = {"Content-Type": "application/x-amz-json-1.1"}
    if error:
        headers["x-amzn-ErrorType"] = error  # sagemaker-runtime's errors are named in this header
    return status, headers, json.dumps(body).encode()


def operation_of(headers: Mapping[str, str]) -> str:
    """The operation that the request names."""
    return headers.get("x-amz-target", "").removeprefix(TARGET)


def document(body: bytes) -> dict[str, Any]:
    """The request's members."""
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        request = None
    if not isinstance(request, dict):
        raise AwsError("SerializationException", "The request's body must be a JSON object.")
    return request


def resource_arn(service: Service, path: str, headers: Mapping[str, str], body: bytes) -> str:
    """What the request acts on, for IAM; * if it names no resource."""
    endpoint = INVOCATION.fullmatch(path)
    try:
        if endpoint:
            request = {"EndpointName": endpoint[1]}
            return service.resource_arn("InvokeEndpoint", request)
        return service.resource_arn(operation_of(headers), document(body))
    except (AwsError, KeyError):
        return "*"


def require_pass_role(access_key: str, request: Mapping[str, Any]) -> None:
    """Raise AccessDeniedException unless the caller may give SageMaker the roles it names."""
    for role in filter(None, map(request.get, ROLE_MEMBERS)):
        denied = enforce(
            access_key,
            "iam:PassRole",
            "iam",
            REGION,
            resource_arn=role,
            service_context={"iam:PassedToService": PRINCIPAL},
        )
        if denied:
            caller = denied.principal_arn if isinstance(denied, EvalResult) else "this caller"
            raise AwsError(
                "AccessDeniedException",
                f"User: {caller} is not authorized to perform: iam:PassRole on resource: {role}",
            )
