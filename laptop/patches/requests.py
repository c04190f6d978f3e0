"""Who has asked for what, and how often, since the laptop AWS was started.

``GET /_laptop/requests`` answers with JSON, ``{"<ARN of who>": {"<service>:<Operation>": n}}``, of
every request that botocore's model can name and IAM allows.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from ministack.core import iam_evaluator

PINS = {"ministack.core.iam_evaluator.caller_arn": "() -> str"}

PATH = "/_laptop/requests"

_counts: defaultdict[str, Counter[str]] = defaultdict(Counter)


def count(service: str, operation: str) -> None:
    """Count the request that is being answered, on the loop that answers them all."""
    _counts[iam_evaluator.caller_arn()][f"{service}:{operation}"] += 1


def telling(app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """``app``, which also tells the counts."""

    async def ask(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await app(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(_counts).encode()})

    return ask
