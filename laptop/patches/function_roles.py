"""A function's role is checked where Lambda checks it: on creation, and for its event source.

Source: the errors of CreateFunction and CreateEventSourceMapping as AWS returns them; what a
mapping needs is in https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html. AWS
checks a mapping's permissions on each poll as well; here it is checked once.
"""

from typing import Any

from ministack.core import iam_evaluator, lambda_runtime
from ministack.core.responses import error_response_json
from ministack.services import iam, lambda_svc

from .. import REGION
from . import roles

PINS = roles.PINS | {
    "ministack.core.iam_evaluator.enforce": (
        "(access_key_id: str, iam_action: str, service: str, region: str, "
        "resource_arn: str = '*', service_context: dict[str, typing.Any] | None = None) -> "
        "ministack.core.iam_evaluator.EvalResult | ministack.core.iam_evaluator.AuthError | None"
    ),
    "ministack.core.iam_evaluator.validate_role_arn": "(role_arn: str) -> str | None",
    "ministack.core.lambda_runtime.execution_credentials": "(config: dict) -> dict[str, str]",
    "ministack.services.lambda_svc._create_esm": "(data: dict)",
    "ministack.services.lambda_svc._get_func_record_for_ref": (
        "(function_ref: str) -> tuple[dict | None, dict | None, str]"
    ),
}

PRINCIPAL = "lambda.amazonaws.com"
QUEUE_ACTIONS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")


def install() -> None:
    exists, create = iam_evaluator.validate_role_arn, lambda_svc._create_esm

    def validate_role(role_arn: str) -> str | None:
        # Of the services that are served, only Lambda asks.
        complaint: str | None = exists(role_arn)
        if complaint or roles.trusts(iam._roles[role_arn.rpartition("/")[2]], PRINCIPAL):
            return complaint
        return "The role defined for the function cannot be assumed by Lambda."

    def create_mapping(data: dict[str, Any]) -> Any:
        return refusal(data) or create(data)

    iam_evaluator.validate_role_arn = validate_role
    lambda_svc._create_esm = create_mapping


def refusal(mapping: dict[str, Any]) -> Any:
    """Lambda's error reply if the function's role may not read the queue, else None."""
    queue = mapping.get("EventSourceArn", "")
    _, config, _ = lambda_svc._get_func_record_for_ref(mapping.get("FunctionName", ""))
    if not config or ":sqs:" not in queue:
        return None
    key = lambda_runtime.execution_credentials(config)["AWS_ACCESS_KEY_ID"]
    for action in QUEUE_ACTIONS:
        if iam_evaluator.enforce(key, f"sqs:{action}", "sqs", REGION, resource_arn=queue):
            return error_response_json(
                "InvalidParameterValueException",
                f"The provided execution role does not have permissions to call {action} on SQS",
                400,
            )
    return None
