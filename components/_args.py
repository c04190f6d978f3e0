"""What all components read from their arguments, and how it is checked."""

import difflib
import inspect
import math
import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NotRequired, TypedDict, TypeVar, Union, get_args, get_origin, is_typeddict

import pulumi

LOG_RETENTION_DAYS = 90
_RETENTIONS = (  # CloudWatch Logs API reference, PutRetentionPolicy
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
_SCHEDULE = re.compile(r"(rate|cron)\(.+\)")


_KINDS: Mapping[type, tuple[str, tuple[type, ...]]] = {
    bool: ("a boolean, true or false", (bool,)),
    float: ("a number", (int, float)),
    int: ("a whole number", (int, float)),  # they arrive as floats from other languages
    pulumi.Asset: ("an asset, such as a pulumi.FileAsset", (pulumi.Asset,)),
    str: ("a text", (str,)),
}

Choice = TypeVar("Choice", bound=StrEnum)


class ArgumentError(ValueError, pulumi.RunError):
    """An argument that cannot be: one sentence with the value, the rule and the remedy.

    As a ``RunError`` it is printed without a stack trace.
    """


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


def check(args: Mapping[str, Any], kind: type) -> None:
    """Refuse arguments that do not fit the ``TypedDict`` that describes them.

    No checker of types stands between a program and us in every language. ``None`` is the same as
    absent. Raises ``ArgumentError``, a ``ValueError``, for a name that is not declared, a required
    one that is missing, or a value of the wrong type; what is not known yet is not looked at.
    """
    component = kind.__name__.removesuffix("Args")
    if not isinstance(args, Mapping):
        raise ArgumentError(
            f"The arguments of {component} are {_shown(args)}, and they must be a dict: "
            "write {} for none."
        )
    _names(component, args, kind)
    for name in sorted(kind.__required_keys__):  # type: ignore[attr-defined]  # of a TypedDict
        if args.get(name) is None:
            raise ArgumentError(
                f"{component} is given no {name}, and it cannot do without: add {name} to its "
                "arguments."
            )
    _types(args, kind)


def _names(owner: str, args: Mapping[str, Any], kind: type) -> None:
    declared = inspect.get_annotations(kind)
    for name in args:
        if name not in declared:
            similar = difflib.get_close_matches(str(name), declared, n=1)
            remedy = (
                f"did you mean {similar[0]}?"
                if similar
                else f"choose among {', '.join(declared)}, or remove it."
            )
            raise ArgumentError(f"{owner} is given {name}, and it has no such input: {remedy}")


def _types(args: Mapping[str, Any], kind: type, path: str = "") -> None:
    for name, hint in inspect.get_annotations(kind).items():
        if args.get(name) is not None:
            _type(path + name, args[name], get_args(hint)[0] if _optional(hint) else hint)


def _optional(hint: Any) -> bool:
    return get_origin(hint) is NotRequired


def _type(name: str, value: Any, hint: Any) -> None:
    """Compare a value with its annotation, down to the elements of lists, maps and structures."""
    later = isinstance(value, pulumi.Output | Awaitable)
    if get_origin(hint) is Union:  # pulumi.Input[...]: the value, or an output that will be one
        if later:
            return
        hint = get_args(hint)[0]
    elif later:
        raise ArgumentError(
            f"{name} is known only when something else is made, and it shapes what is made here: "
            "give a value that the program knows."
        )
    if is_typeddict(hint):
        _expect(name, value, "a structure", Mapping)
        _names(name, value, hint)
        _types(value, hint, f"{name}.")
    elif get_origin(hint) is Mapping:
        _expect(name, value, "a map", Mapping)
        for key, each in value.items():
            _type(f"{name}.{key}", each, get_args(hint)[1])
    elif get_origin(hint) is Sequence:
        _expect(name, value, "a list", list, tuple)
        for index, each in enumerate(value):
            _type(f"{name}[{index}]", each, get_args(hint)[0])
    else:
        plain = str if issubclass(hint, StrEnum) else hint
        what, kinds = _KINDS[plain]
        _expect(name, value, what, *kinds)


def _expect(name: str, value: Any, what: str, *kinds: type) -> None:
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ArgumentError(f"{name} is {_shown(value)}, and it must be {what}: change it.")


def _shown(value: Any) -> str:
    """A value as Python writes it, in short, and the same from every language."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def shared(args: Mapping[str, Any], kind: type) -> Shared:
    """Check the arguments of a component, and read those that all components have in common.

    Absent and empty ones are None. Raises ``ArgumentError`` as ``check`` does, if CloudWatch Logs
    does not know the retention, or if half of a network is given.
    """
    check(args, kind)
    retention = whole("log_retention_days", given(args, "log_retention_days", LOG_RETENTION_DAYS))
    if retention not in _RETENTIONS:
        raise ArgumentError(
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
    if network is None or not (network.get("subnet_ids") or network.get("security_group_ids")):
        return None
    for each, other in (
        ("subnet_ids", "security_group_ids"),
        ("security_group_ids", "subnet_ids"),
    ):
        if not network.get(each):
            raise ArgumentError(
                f"network has {other} and no {each}, and AWS takes them only together: give both."
            )
    return network


def choice(name: str, value: str, kind: type[Choice]) -> Choice:
    """Return the member of an enum. Raises ``ArgumentError`` if there is none of that value."""
    try:
        return kind(value)
    except ValueError as error:
        raise ArgumentError(
            f"{name} is {value!r}, and it may be {' or '.join(kind)}: choose one."
        ) from error


def given(args: Mapping[str, Any], name: str, default: float) -> float:
    """The number that was given, or the default; 0 counts as given."""
    value = args.get(name)
    return default if value is None else value


def whole(name: str, value: float, low: int = 0, high: int | None = None) -> int:
    """Return ``value`` as an int between ``low`` and ``high`` (both included).

    Whole numbers arrive as floats from other languages, hence the conversion. Raises
    ``ArgumentError`` if it is no whole number, or out of range.
    """
    if not (math.isfinite(value) and value == int(value)) or isinstance(value, bool):
        raise ArgumentError(f"{name} is {_shown(value)}, and it must be a whole number: round it.")
    if value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ArgumentError(f"{name} is {int(value)}, and it must be {allowed}: change it.")
    return int(value)


def number(name: str, value: float, low: float, high: float) -> float:
    """Return ``value`` as a float between ``low`` and ``high`` (both included).

    Raises ``ArgumentError`` if it is out of range or not a number.
    """
    if not low <= value <= high:
        raise ArgumentError(
            f"{name} is {_shown(value)}, and it must be between {low} and {high}: change it."
        )
    return float(value)


def schedule(name: str, value: str) -> str:
    """Return an EventBridge schedule expression.

    Raises ``ArgumentError`` if it is neither ``rate(...)`` nor ``cron(...)``.
    """
    if not _SCHEDULE.fullmatch(value):
        raise ArgumentError(
            f"{name} is {value!r}, and EventBridge takes rate(...) or cron(...): "
            "write for example rate(15 minutes)."
        )
    return value
