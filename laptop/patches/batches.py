"""SQS event source mappings: batches up to BatchSize, gathered for MaximumBatchingWindowInSeconds.

Source: "Using Lambda with Amazon SQS", https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html,
and CreateEventSourceMapping. Differences: while a batch is being gathered its messages stay visible
in the queue (Lambda holds them in flight), and a batch is not split at 6 MB.
"""

import threading
import time
from collections.abc import Collection, Sequence
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import lambda_svc, sqs

PINS = {
    "ministack.core.responses.error_response_json": (
        "(code: str, message: str, status: int = 400, extra: dict | None = None, *, "
        "message_key: str = 'message', content_type: str = 'application/x-amz-json-1.0') -> tuple"
    ),
    "ministack.services.lambda_svc._create_esm": "(data: dict)",
    "ministack.services.lambda_svc._esm_wake": "Event",
    "ministack.services.lambda_svc._esms": "AccountRegionScopedDict",
    "ministack.services.lambda_svc._update_esm": "(esm_id: str, data: dict)",
    "ministack.services.sqs._collect_msgs": "(q: dict, max_n: int, vis_timeout: int) -> list",
    "ministack.services.sqs._delete_messages_for_esm": (
        "(queue_url: str, receipt_handles: set[str]) -> None"
    ),
    "ministack.services.sqs._dlq_sweep": "(q: dict) -> None",
    "ministack.services.sqs._expire_retained": "(q: dict) -> None",
    "ministack.services.sqs._get_q": "(url: str, action: str | None = None) -> dict",
    "ministack.services.sqs._queues_lock": "lock",
    "ministack.services.sqs._receive_messages_for_esm": (
        "(queue_url: str, max_number: int) -> list[dict]"
    ),
}

UNWINDOWED_BATCH = 10
"""Largest BatchSize without a window of a second or more."""


def install() -> None:
    create, update = lambda_svc._create_esm, lambda_svc._update_esm

    def create_mapping(data: dict[str, Any]) -> Any:
        return refusal(data) or create(data)

    def update_mapping(mapping_id: str, data: dict[str, Any]) -> Any:
        return refusal((lambda_svc._esms.get(mapping_id) or {}) | data) or update(mapping_id, data)

    lambda_svc._create_esm = create_mapping
    lambda_svc._update_esm = update_mapping
    sqs._receive_messages_for_esm = receive
    sqs._delete_messages_for_esm = delete


def refusal(mapping: dict[str, Any]) -> Any:
    """Lambda's error reply for a batch too large for its window, else None."""
    size = mapping.get("BatchSize", UNWINDOWED_BATCH)
    window = mapping.get("MaximumBatchingWindowInSeconds", 0)
    if ":sqs:" not in mapping.get("EventSourceArn", "") or size <= UNWINDOWED_BATCH or window >= 1:
        return None
    return error_response_json(
        "InvalidParameterValueException",
        f"BatchSize {size} is more than {UNWINDOWED_BATCH}: set "
        "MaximumBatchingWindowInSeconds to at least 1, or make the batch smaller.",
        400,
    )


def receive(queue_url: str, batch_size: int) -> list[dict[str, Any]]:
    """The next batch of a queue's mapping, or nothing while it is being gathered."""
    with sqs._queues_lock:
        queue = sqs._get_q(queue_url)
        sqs._expire_retained(queue)
        now = time.time()
        # It puts a new list in the place of the old, and what arrives meanwhile would be lost.
        if any(each["receive_count"] and each["visible_at"] <= now for each in queue["messages"]):
            sqs._dlq_sweep(queue)
        window = batching_window(queue["attributes"]["QueueArn"])
        due = batch_due(
            [message["visible_at"] for message in queue["messages"]], now, batch_size, window
        )
        if due is None:
            return []
        if due > now:
            wake = threading.Timer(due - now, lambda_svc._esm_wake.set)
            wake.daemon = True
            wake.start()
            return []
        visibility = int(queue["attributes"].get("VisibilityTimeout", "30"))
        messages: list[dict[str, Any]] = sqs._collect_msgs(queue, batch_size, visibility)
        return messages


def delete(queue_url: str, receipt_handles: set[str]) -> None:
    """Delete the messages of a batch that was handled."""
    with sqs._queues_lock:
        remove(sqs._get_q(queue_url)["messages"], receipt_handles)


def remove(messages: list[dict[str, Any]], receipt_handles: Collection[str]) -> None:
    """Take messages out of a list to whose end other threads add, without a lock."""
    seen = len(messages)
    messages[:seen] = [
        each for each in messages[:seen] if each.get("receipt_handle") not in receipt_handles
    ]


def batching_window(queue_arn: str) -> float:
    """Seconds of the queue's enabled mapping; a queue feeds one function in the loop."""
    windows = [
        mapping["MaximumBatchingWindowInSeconds"]
        for mapping in lambda_svc._esms.values()
        if mapping["EventSourceArn"] == queue_arn and mapping["Enabled"]
    ]
    return float(max(windows, default=0))


def batch_due(
    visible_at: Sequence[float], now: float, batch_size: int, window: float
) -> float | None:
    """When the next batch goes: now if it is full, else a window after its first message.

    ``visible_at`` says from when each message can be received, in epoch seconds. None if there is
    no message to receive.
    """
    visible = [moment for moment in visible_at if moment <= now]
    if not visible:
        return None
    if len(visible) >= batch_size:
        return now
    return max(now, min(visible) + window)
