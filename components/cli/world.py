"""What a loop has written down of itself, as the commands need it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ..runtime.deploy_controller import STATE_KEY as DEPLOY_KEY
from ..runtime.deploy_decision import History
from ..runtime.document import Document
from ..runtime.orders import PAUSE_KEY, REQUEST_KEY, Pause, Request
from ..runtime.retrain_state import STATE_KEY, State
from .errors import Refusal

Value = TypeVar("Value")


@dataclass(frozen=True)
class World:
    """The documents of a loop's controllers and people; None where there is none yet."""

    s3: Any
    loop: str
    bucket: str
    state: State | None
    deployed: History | None
    pause: Pause | None
    pause_etag: str | None
    request: Request | None
    request_etag: str | None

    @property
    def asked(self) -> Request | None:
        """The request, unless a run has answered it."""
        answered = self.state.answered_request if self.state else ""
        return None if self.request and self.request.id == answered else self.request


def read(s3: Any, loop: str, bucket: str) -> World:
    """Raises Refusal with one sentence if a document is malformed."""

    def document(key: str, parse: Callable[[Any], Value]) -> tuple[Value | None, str | None]:
        try:
            data, etag = Document(s3, bucket, key).read()
            return (None if data is None else parse(data)), etag
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Refusal(
                f"s3://{bucket}/{key} is not in the format of its writer "
                f"({type(error).__name__}: {error}): restore an older version of the object."
            ) from error

    state, _ = document(STATE_KEY, State.from_json)
    deployed, _ = document(DEPLOY_KEY, History.from_json)
    pause, pause_etag = document(PAUSE_KEY, Pause.from_json)
    request, request_etag = document(REQUEST_KEY, Request.from_json)
    return World(s3, loop, bucket, state, deployed, pause, pause_etag, request, request_etag)
