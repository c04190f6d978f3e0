"""Requests count as sent over TLS, so that policies which refuse anything else can be honoured.

The components refuse plain HTTP by ``aws:SecureTransport`` in each bucket policy, as they should on
AWS. Here nothing leaves the loopback interface, and a self-signed certificate would have to be
trusted by every client: the condition key is set to true instead. So the laptop AWS cannot show
that such a policy refuses plain HTTP.
"""

from contextvars import ContextVar

from ministack import app
from ministack.core import iam_evaluator

PINS = {
    "ministack.app.pin_request_origin": "(source_ip: str, secure_transport: bool) -> None",
    "ministack.core.iam_evaluator._request_origin": "ContextVar",
}


def install() -> None:
    origin = ContextVar("laptop_request_origin", default=("127.0.0.1", True))
    iam_evaluator._request_origin = origin

    def pin_request_origin(source_ip: str, secure_transport: bool) -> None:  # noqa: ARG001 - ministack calls it so
        origin.set((source_ip, True))

    app.pin_request_origin = pin_request_origin
