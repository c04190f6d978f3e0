"""How handlers are woken: by messages whose content is never acted on, and by Pulumi's lifecycle.

Events arrive late, twice, out of order or not at all, so a message only says "look at the world".
"""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

MAX_DELAY_SECONDS = 900
"""Amazon SQS quotas: a message is delayed by at most 15 minutes."""

WAKE_UP = "wake up: "
"""How a message begins that a controller has sent itself."""

Event = Mapping[str, Any]


def lifecycle_action(event: Event) -> str | None:
    """The action if Pulumi invoked the function: create, update or delete. None for messages.

    `aws.lambda.Invocation` with the lifecycle scope CRUD adds `{"tf": {"action", ...}}` to its
    input (Terraform AWS provider, aws_lambda_invocation).
    """
    action = event.get("tf", {}).get("action")
    return None if action is None else str(action)


def all_done() -> dict[str, list[dict[str, str]]]:
    """The answer for a batch of messages that are all done with (ReportBatchItemFailures)."""
    return {"batchItemFailures": []}


def arrival(until: datetime, now: datetime) -> datetime:
    """When a wake-up for `until` arrives; a longer wait than SQS allows is waited for in parts."""
    return min(max(until, now), now + timedelta(seconds=MAX_DELAY_SECONDS))


def wake_later(sqs: Any, queue_url: str, until: datetime, now: datetime, reason: str) -> None:
    """Send the controller's own queue a message that arrives at `until`, or the next second."""
    seconds = math.ceil((arrival(until, now) - now).total_seconds()) + 1
    sqs.send_message(
        QueueUrl=queue_url,
        MessageBody=f"{WAKE_UP}{reason}",
        DelaySeconds=min(MAX_DELAY_SECONDS, seconds),
    )
