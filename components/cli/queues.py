"""The dead letters of a loop's controllers: wake-ups that failed five times."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ..runtime.document import error_code
from .errors import Refusal
from .loops import Loop

CONTROLLERS = ("retrain", "deploy", "monitor")
_NO_QUEUE = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}


@dataclass(frozen=True)
class DeadLetters:
    """The dead-letter queue of a controller."""

    controller: str
    arn: str
    messages: int
    """Roughly, as SQS says."""


def dead_letters(sqs: Any, loop: Loop) -> list[DeadLetters]:
    """Of every controller that there is. A pinned endpoint has no deploy controller.

    Raises Refusal with one sentence if there is none at all.
    """
    found = list(_dead_letters(sqs, loop))
    if not found:
        raise Refusal(
            f"{loop.name} has no queues in this region: its stack was destroyed, or AWS_REGION is "
            "another."
        )
    return found


def _dead_letters(sqs: Any, loop: Loop) -> Iterator[DeadLetters]:
    for controller in CONTROLLERS:
        # The components are one loop even if they are not called the same.
        name = loop.newest.get(controller, {"loop": loop.name})["loop"]
        url = _url(sqs, f"{name}-{controller}-wakeups")
        if url is None:
            continue
        policy = json.loads(_attribute(sqs, url, "RedrivePolicy"))
        arn = policy["deadLetterTargetArn"]
        # The queue of dead letters is made beside the other, in the same account.
        dead = f"{url.rpartition('/')[0]}/{arn.rpartition(':')[2]}"
        count = int(_attribute(sqs, dead, "ApproximateNumberOfMessages"))
        yield DeadLetters(controller, arn, count)


def redrive(sqs: Any, letters: DeadLetters) -> None:
    """Let SQS move the messages back to the queue they came from (StartMessageMoveTask)."""
    sqs.start_message_move_task(SourceArn=letters.arn)


def _url(sqs: Any, name: str) -> str | None:
    try:
        return str(sqs.get_queue_url(QueueName=name)["QueueUrl"])
    except ClientError as error:
        if error_code(error) in _NO_QUEUE:
            return None
        raise


def _attribute(sqs: Any, url: str, name: str) -> str:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return str(answer["Attributes"][name])
