"""What all components read from their arguments, and how it is checked."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypedDict, TypeVar

import pulumi

LOG_RETENTION_DAYS = 90
_RETENTIONS = (  # CloudWatch Logs API reference, PutRetentionPolicy
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
_SCHEDULE = re.compile(r"(rate|cron)\(.+\)")


Choice = TypeVar("Choice", bound=StrEnum)


class NetworkArgs(TypedDict):
    """The private network that functions, jobs and endpoints join."""

    subnet_ids: pulumi.Input[Sequence[pulumi.Input[str]]]
    """Subnets, in at least two zones for an endpoint that survives the loss of one. They need a
    way to S3, SQS, SageMaker, CloudWatch and ECR: VPC endpoints, or NAT."""
    security_group_ids: pulumi.Input[Sequence[pulumi.Input[str]]]
    """Security groups. They must let HTTPS out; nothing has to be let in."""


@dataclass(frozen=True)
class Shared:
    """What a component hands on to every child that can have it."""

    tags: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None
    kms_key_arn: pulumi.Input[str] | None
    network: NetworkArgs | None
    permissions_boundary_arn: pulumi.Input[str] | None
    log_retention_days: int


def shared(args: Mapping[str, Any]) -> Shared:
    """Read the arguments that all components have in common; absent and empty ones are None.

    Raises ``ValueError`` if CloudWatch Logs does not know the retention, or half of a network is
    given.
    """
    retention = whole("log_retention_days", given(args, "log_retention_days", LOG_RETENTION_DAYS))
    if retention not in _RETENTIONS:
        raise ValueError(
            f"log_retention_days is {retention}, and CloudWatch Logs keeps logs only for "
            f"{', '.join(map(str, _RETENTIONS))} days: choose one of them."
        )
    return Shared(
        tags=args.get("tags"),
        kms_key_arn=args.get("kms_key_arn") or None,
        network=_network(args.get("network")),
        permissions_boundary_arn=args.get("permissions_boundary_arn") or None,
        log_retention_days=retention,
    )


def _network(network: NetworkArgs | None) -> NetworkArgs | None:
    if network is None or not (network["subnet_ids"] or network["security_group_ids"]):
        return None
    for each, other in (
        ("subnet_ids", "security_group_ids"),
        ("security_group_ids", "subnet_ids"),
    ):
        if not network.get(each):
            raise ValueError(
                f"network has {other} and no {each}, and AWS takes them only together: give both."
            )
    return network


def choice(name: str, value: str, kind: type[Choice]) -> Choice:
    """Return the member of an enum. Raises ``ValueError`` if there is none of that value."""
    try:
        return kind(value)
    except ValueError as error:
        raise ValueError(
            f"{name} is {value!r}, and it may be {' or '.join(kind)}: choose one."
        ) from error


def given(args: Mapping[str, Any], name: str, default: float) -> float:
    """The number that was given, or the default; 0 counts as given."""
    value = args.get(name)
    return default if value is None else value


def whole(name: str, value: float, low: int = 0, high: int | None = None) -> int:
    """Return ``value`` as an int between ``low`` and ``high`` (both included).

    Whole numbers arrive as floats from other languages, hence the conversion. Raises
    ``ValueError`` if it is no whole number, or out of range.
    """
    if not (math.isfinite(value) and value == int(value)) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}, and it must be a whole number: round it.")
    if value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"{name} is {int(value)}, and it must be {allowed}: change it.")
    return int(value)


def number(name: str, value: float, low: float, high: float) -> float:
    """Return ``value`` as a float between ``low`` and ``high`` (both included).

    Raises ``ValueError`` if it is out of range or not a number.
    """
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}, and it must be between {low} and {high}: change it.")
    return float(value)


def schedule(name: str, value: str) -> str:
    """Return an EventBridge schedule expression.

    Raises ``ValueError`` if it is neither ``rate(...)`` nor ``cron(...)``.
    """
    if not _SCHEDULE.fullmatch(value):
        raise ValueError(
            f"{name} is {value!r}, and EventBridge takes rate(...) or cron(...): "
            "write for example rate(15 minutes)."
        )
    return value
