"""On which resource IAM judges a request, where ministack and AWS differ.

- DescribeAlarms: on the alarm that it names; ministack asks for all resources. (Service
  Authorization Reference, "Actions, resources, and condition keys for Amazon CloudWatch".) A
  request for several alarms, or for all, is judged on `*` as before: no role of ours makes one.
- CloudWatch Logs: on the streams of the group, `log-group:<name>:log-stream:<name or nothing>`, so
  that a policy on `log-group:<name>:*` covers it; ministack judges on the bare group. (Amazon
  CloudWatch Logs User Guide, "CloudWatch Logs resources and operations".)
- StartMessageMoveTask: on the dead-letter queue, which it names by its ARN. (The same reference,
  Amazon SQS.)
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
        if name == "monitoring" and found == "*":
            return described_alarm(body) or found
        if name == "sqs" and found == "*":
            return source_queue(body) or found
        if name == "logs" and ":log-group:" in found:
            return log_streams(found, body)
        return found

    iam_actions.extract_resource_arn = extract_resource_arn


def described_alarm(body: bytes) -> str | None:
    """The ARN of the one alarm that a JSON request names, or None."""
    try:
        (alarm,) = json.loads(body)["AlarmNames"]
    except (ValueError, KeyError, TypeError):
        return None
    return f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{alarm}"


def source_queue(body: bytes) -> str | None:
    """The ARN of the queue from which a JSON request moves messages, or None."""
    try:
        return str(json.loads(body)["SourceArn"])
    except (ValueError, KeyError, TypeError):
        return None


def log_streams(group_arn: str, body: bytes) -> str:
    """The ARN of the stream that a JSON request names, or of the group's streams."""
    if group_arn.count(":") != 6:  # the request gave an ARN of its own, with streams or without
        return group_arn
    return f"{group_arn}:log-stream:{json.loads(body).get('logStreamName', '')}"
