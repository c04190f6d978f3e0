"""A log group is given a KMS key, and has it taken away, after it was made.

Source: CloudWatch Logs API reference, AssociateKmsKey and DisassociateKmsKey. The key has no effect
here (logs are kept in memory), so it is not asked whether the service may use it.
"""

import json
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import cloudwatch_logs

PINS = {
    "ministack.core.responses.error_response_json": (
        "(code: str, message: str, status: int = 400, extra: dict | None = None, *, "
        "message_key: str = 'message', content_type: str = 'application/x-amz-json-1.0') -> tuple"
    ),
    "ministack.core.responses.json_response": (
        "(data: dict, status: int = 200, *, content_type: str = 'application/x-amz-json-1.0') "
        "-> tuple"
    ),
    "ministack.services.cloudwatch_logs._log_groups": "AccountRegionScopedDict",
    "ministack.services.cloudwatch_logs.handle_request": (
        "(method, path, headers, body, query_params)"
    ),
}

TARGET = "Logs_20140328."


def install() -> None:
    handle = cloudwatch_logs.handle_request

    async def handle_request(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]
    ) -> Any:
        operation = headers.get("x-amz-target", "").removeprefix(TARGET)
        if operation in ("AssociateKmsKey", "DisassociateKmsKey"):
            request = json.loads(body)
            return set_key(request["logGroupName"], request.get("kmsKeyId"))
        return await handle(method, path, headers, body, query)

    cloudwatch_logs.handle_request = handle_request


def set_key(name: str, key: str | None) -> Any:
    """The reply to either operation; None takes the key away."""
    group = cloudwatch_logs._log_groups.get(name)
    if group is None:
        return error_response_json(
            "ResourceNotFoundException", f"The specified log group does not exist: {name}", 400
        )
    group["kmsKeyId"] = key
    return json_response({})
