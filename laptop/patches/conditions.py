"""IAM condition keys that ministack leaves unset.

A condition on an absent key does not match, so a policy that grants by one of these would refuse
what AWS allows, and a Deny by one would let through what AWS refuses. Names as in the service
authorization reference (https://docs.aws.amazon.com/service-authorization/latest/reference/).
"""

import json
from collections.abc import Mapping
from typing import Any

from ministack.core import iam_actions

PINS = {
    "ministack.core.iam_actions.request_tag_context": (
        "(service: str, iam_action: str, body: bytes, params: dict) -> dict"
    ),
}

KEYS: Mapping[str, tuple[str, str]] = {
    "cloudwatch:PutMetricData": ("Namespace", "cloudwatch:namespace"),
    "sagemaker:CreateModelPackage": ("ModelApprovalStatus", "sagemaker:ModelApprovalStatus"),
    "sagemaker:UpdateModelPackage": ("ModelApprovalStatus", "sagemaker:ModelApprovalStatus"),
}
"""IAM action -> (the request's member, the condition key that carries it)."""


def install() -> None:
    tags = iam_actions.request_tag_context

    def request_context(
        service: str, iam_action: str, body: bytes, params: dict[str, Any]
    ) -> dict[str, Any]:
        return {**tags(service, iam_action, body, params), **context(iam_action, body)}

    iam_actions.request_tag_context = request_context


def context(iam_action: str, body: bytes) -> dict[str, str]:
    """The condition keys of one JSON request, none if it is not one."""
    if iam_action not in KEYS:
        return {}
    member, key = KEYS[iam_action]
    try:
        value = json.loads(body)[member]
    except (ValueError, KeyError, TypeError):
        return {}
    return {key: str(value)}
