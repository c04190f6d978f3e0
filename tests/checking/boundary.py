"""The boto3 boundary of the real handler: every request that botocore sends may go wrong there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import boto3
import botocore.endpoint
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

from .faults import REFUSALS, Fault

KILLED_BEFORE, KILLED_AFTER = "the process is killed before", "the process is killed after"
HANDLERS = (KILLED_BEFORE, KILLED_AFTER, *Fault)


class Killed(BaseException):  # no Exception: nothing may handle it
    """The process was killed."""


@dataclass
class Boundary:
    """Counts the calls of some clients, and lets one of them go wrong.

    A fault lasts: it meets every attempt that the SDK makes of that call. Only DOUBLED loses the
    reply of one attempt, so that the SDK sends the request again.
    """

    number: int | None = None
    goes_wrong: str = ""
    calls: list[str] = field(default_factory=list)
    _session: URLLib3Session = field(default_factory=URLLib3Session)
    _doubled: bool = False

    def begins(self, model: Any, **_: Any) -> None:
        self.calls.append(model.name)

    def sends(self, request: Any, **_: Any) -> AWSResponse | None:
        if self.number is None or len(self.calls) != self.number + 1:
            return None
        if self.goes_wrong in REFUSALS:
            return _refusal(request, REFUSALS[Fault(self.goes_wrong)])
        if self.goes_wrong == KILLED_BEFORE:
            raise Killed
        if self.goes_wrong == Fault.LOST_REQUEST:
            raise ConnectionClosedError(endpoint_url=request.url)
        if self.goes_wrong == Fault.DOUBLED and self._doubled:
            return None
        self._doubled = True
        self._session.send(request)
        if self.goes_wrong == KILLED_AFTER:
            raise Killed
        raise ReadTimeoutError(endpoint_url=request.url)


class _Body:
    """What botocore reads of a response."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._content


def _refusal(request: Any, code: str) -> AWSResponse:
    """An error in the words of the service: S3 speaks XML, the others JSON."""
    status = {"InternalFailure": 500, "AccessDeniedException": 403}.get(code, 400)
    json = b'{"__type": "%s", "message": "as the checker wants"}' % code.encode()
    xml = b"<Error><Code>%s</Code><Message>as the checker wants</Message></Error>" % code.encode()
    body = json if "X-Amz-Target" in request.headers else xml
    return AWSResponse(request.url, status, {"x-amzn-requestid": "none"}, _Body(body))


@contextmanager
def without_waiting() -> Iterator[None]:
    """The SDK waits before it tries again; nobody here does."""
    with patch.object(botocore.endpoint.time, "sleep", lambda _: None):
        yield


def clients(session: boto3.Session, *names: str) -> Callable[[Boundary], tuple[Any, ...]]:
    """Makes clients of a session that meet a boundary. To make one takes longer than to use it."""
    made = tuple(session.client(name) for name in names)

    def watched(boundary: Boundary) -> tuple[Any, ...]:
        for client in made:
            for event, name in (("before-call.*", "call"), ("before-send.*", "send")):
                client.meta.events.unregister(event, unique_id=f"boundary-{name}")
            client.meta.events.register_first(
                "before-call.*", boundary.begins, unique_id="boundary-call"
            )
            client.meta.events.register_first(
                "before-send.*", boundary.sends, unique_id="boundary-send"
            )
        return made

    return watched
