"""What can go wrong at one AWS call, and what the caller then sees."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from .world import Refused, World, call


class Fault(StrEnum):
    """One thing that goes wrong, after the SDK has tried again as often as it does."""

    THROTTLED = "is throttled"
    BROKEN = "meets an internal error of AWS"
    DENIED = "is denied"
    LOST_REQUEST = "never arrives"
    LOST_REPLY = "takes effect, and its reply is lost"
    DOUBLED = "loses its reply, and the SDK sends it again"


REFUSALS = {
    Fault.THROTTLED: "ThrottlingException",
    Fault.BROKEN: "InternalFailure",
    Fault.DENIED: "AccessDeniedException",
}
_DIGEST = re.compile(r"([0-9a-f]{6})[0-9a-f]{58}")
READS = ("get_", "head_", "list_", "describe_")


@dataclass(frozen=True)
class Request:
    """One AWS call, as it is asked for."""

    operation: str
    arguments: Mapping[str, Any]

    @property
    def reads(self) -> bool:
        return self.operation.startswith(READS)

    def __str__(self) -> str:
        name = "".join(word.capitalize() for word in self.operation.split("_"))
        key = _DIGEST.sub(r"\1", self.arguments.get("Key", ""))
        return f"{name} {key}".strip()


@dataclass(frozen=True)
class Reply:
    """What the caller sees: an answer, or an error."""

    answer: Any = None
    error: str = ""

    @property
    def key(self) -> int:
        """Equal for two replies that no controller can tell apart."""
        if isinstance(self.answer, dict) and "Body" in self.answer:
            return hash((self.answer["Body"], self.answer["LastModified"]))
        return hash((self.error, str(self.answer)))

    def give(self, request: Request) -> Any:
        """Return the answer, or raise as boto3 does."""
        if not self.error:
            return self.answer
        if self.error == Fault.LOST_REQUEST:
            raise ConnectionClosedError(endpoint_url="https://aws")
        if self.error == Fault.LOST_REPLY:
            raise ReadTimeoutError(endpoint_url="https://aws")
        answer = {"Error": {"Code": self.error, "Message": "as the checker wants"}}
        raise ClientError(answer, request.operation)


def perform(world: World, request: Request, fault: Fault | None = None) -> tuple[World, Reply]:
    """The world after the call, and what the caller sees of it."""
    if fault in REFUSALS:
        return world, Reply(error=REFUSALS[fault])
    if fault is Fault.LOST_REQUEST:
        return world, Reply(error=Fault.LOST_REQUEST)
    world, reply = _perform(world, request)
    if fault is Fault.LOST_REPLY:
        return world, Reply(error=Fault.LOST_REPLY)
    if fault is Fault.DOUBLED:
        return _perform(world, request)
    return world, reply


def _perform(world: World, request: Request) -> tuple[World, Reply]:
    try:
        world, answer = call(world, request.operation, request.arguments)
    except Refused as refused:
        return world, Reply(error=refused.code)
    return world, Reply(answer)


def faults_of(request: Request) -> tuple[Fault, ...]:
    """Those that can make a difference: a read has no effect to lose or to double."""
    if request.reads:
        return (Fault.THROTTLED, Fault.DENIED, Fault.LOST_REQUEST)
    return tuple(Fault)
