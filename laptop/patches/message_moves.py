"""StartMessageMoveTask, which ministack lacks: dead letters go back to the queues they came from.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html.
Differences: the move is done when the call returns; only the call itself is judged by IAM, on the
dead-letter queue, where AWS also asks whether the caller may receive, delete and send.
"""

import time
from typing import Any

from ministack.core.concurrency import esm_wake
from ministack.core.responses import new_uuid
from ministack.services import sqs

PINS = {
    "ministack.core.concurrency.esm_wake": "Event",
    "ministack.core.responses.new_uuid": "() -> str",
    "ministack.services.sqs._HANDLERS": "dict",
    "ministack.services.sqs._queue_by_arn": "(arn: str) -> dict | None",
    "ministack.services.sqs._queues_lock": "lock",
}


def install() -> None:
    sqs._HANDLERS["StartMessageMoveTask"] = start


def start(request: dict[str, Any], _url: str) -> dict[str, str]:
    """Move every message of the dead-letter queue; each begins anew where it came from."""
    with sqs._queues_lock:
        dead = queue(request["SourceArn"])
        keep = []
        for message in dead["messages"]:
            origin = message.get("sys", {}).get("DeadLetterQueueSourceArn")
            target = request.get("DestinationArn") or origin
            if target is None or message["visible_at"] > time.time():  # sent there, or in flight
                keep.append(message)
                continue
            queue(target)["messages"].append(renewed(message))
        dead["messages"] = keep
    esm_wake.set()
    return {"TaskHandle": new_uuid()}


def queue(arn: str) -> dict[str, Any]:
    """The queue. Raises SQS's error if there is none."""
    found: dict[str, Any] | None = sqs._queue_by_arn(arn)
    if found is None:
        raise sqs._Err("ResourceNotFoundException", f"There is no queue {arn}.", 404)
    return found


def renewed(message: dict[str, Any]) -> dict[str, Any]:
    """A new message of the same content: a redriven one has another id and time."""
    now = time.time()
    sender = {key: value for key, value in message["sys"].items() if key == "SenderId"}
    return {
        "id": new_uuid(),
        "body": message["body"],
        "md5_body": message["md5_body"],
        "message_attributes": message["message_attributes"],
        "md5_attrs": message.get("md5_attrs"),
        "sent_at": now,
        "visible_at": now,
        "sys": {**sender, "SentTimestamp": str(int(now * 1000))},
        "receive_count": 0,
        "first_receive_at": None,
        "receipt_handle": None,
        "group_id": None,
        "dedup_id": None,
        "seq": None,
    }
