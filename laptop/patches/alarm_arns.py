"""DescribeAlarms is authorised on the alarm that it names, where ministack asks for all resources.

CloudWatch's service authorization reference lists `alarm` as the resource type of DescribeAlarms,
so a policy that names one alarm must do here too. A request for several alarms, or for all, is
authorised on `*`, as before: no role of ours makes one.
"""

import json
from typing import Any

from ministack.core import iam_actions

from .. import ACCOUNT, REGION

PINS = {
    "ministack.core.iam_actions.extract_resource_arn": (
        "(service: str, method: str, path: str, headers: dict, body: bytes, "
        "query_params: dict, region: str, account_id: str) -> str"
    ),
}


def install() -> None:
    arn_of = iam_actions.extract_resource_arn

    def extract_resource_arn(
        name: str, method: str, path: str, headers: dict[str, str], body: bytes, *rest: Any
    ) -> str:
        found: str = arn_of(name, method, path, headers, body, *rest)
        if name != "monitoring" or found != "*":
            return found
        return described_alarm(body) or found

    iam_actions.extract_resource_arn = extract_resource_arn


def described_alarm(body: bytes) -> str | None:
    """The ARN of the one alarm that a JSON request names, or None."""
    try:
        (alarm,) = json.loads(body)["AlarmNames"]
    except (ValueError, KeyError, TypeError):
        return None
    return f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{alarm}"
