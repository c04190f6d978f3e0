"""How a controller is woken: a rule and its sweep feed a queue, and the queue feeds the function.

Events only wake; what to do is read from the world. So a duplicate is harmless, and a message lost
costs at most one sweep period.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import cloudwatch, lambda_, sqs

from ._args import ArgumentError, Shared, given, schedule, whole
from ._function import Function
from ._iam import Statement, allow, document
from ._names import Place, physical_name
from ._outputs import json_text

BATCH_SIZE = 1000
"""A burst of uploads is a few wake-ups, not one each."""
BATCH_SIZE_WITHOUT_WINDOW = 10
MAXIMUM_RECEIVES = 5
"""AWS advises at least five for a queue that feeds a function (Lambda developer guide, SQS)."""
MAXIMUM_CONCURRENCY = 2
"""The smallest that Lambda takes; single flight comes from a claim, not from here. A mapping with a
maximum is polled by five pollers for good, one without by as few as two (docs/adr/0011)."""
VISIBILITY_TIMEOUTS = 6
"""Visibility in function timeouts, as the same page advises, so that a retry waits for a batch."""
DEAD_LETTER_SECONDS = 14 * 24 * 3600  # the longest that SQS keeps a message
QUEUE_NAME_LIMIT = 80
"""Longest name of a queue (SQS API reference, CreateQueue)."""


@dataclass(frozen=True)
class Pace:
    """How often a controller is woken."""

    sweep: str
    batch_size: int
    window_seconds: int
    maximum_concurrency: int | None
    """None: Lambda's own."""
    maximum_receives: int


def pace(
    args: Mapping[str, Any],
    *,
    sweep: str,
    window_seconds: int,
    maximum_concurrency: int | None = MAXIMUM_CONCURRENCY,
) -> Pace:
    """Read what the arguments say of it, with these defaults.

    Raises ``ArgumentError`` if Lambda would refuse the batches or the concurrency (API reference,
    CreateEventSourceMapping), or SQS the receives (API reference, SetQueueAttributes).
    """
    made = Pace(
        sweep=schedule("sweep_schedule", args.get("sweep_schedule") or sweep),
        batch_size=whole("batch_size", given(args, "batch_size", BATCH_SIZE), 1, 10_000),
        window_seconds=whole(
            "batch_window_seconds", given(args, "batch_window_seconds", window_seconds), 0, 300
        ),
        maximum_concurrency=maximum_concurrency
        and whole(
            "maximum_concurrency",
            given(args, "maximum_concurrency", maximum_concurrency),
            MAXIMUM_CONCURRENCY,
            1000,
        ),
        maximum_receives=whole(
            "maximum_receives", given(args, "maximum_receives", MAXIMUM_RECEIVES), 1, 1000
        ),
    )
    if made.batch_size > BATCH_SIZE_WITHOUT_WINDOW and made.window_seconds == 0:
        raise ArgumentError(
            f"batch_size is {made.batch_size} and batch_window_seconds is 0, and Lambda collects "
            f"more than {BATCH_SIZE_WITHOUT_WINDOW} messages only within a window: set "
            "batch_window_seconds to 1 or more."
        )
    return made


@dataclass(frozen=True)
class Wakeups:
    """The queue of a controller, and where the messages go that it could not handle."""

    queue: "sqs.Queue"
    dead_letters: "sqs.Queue"

    @property
    def statements(self) -> Sequence[Statement]:
        """What the function needs: to read the queue, and to send itself a later wake-up."""
        return (
            allow(
                "ReadItsWakeups",
                ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
                self.queue.arn,
            ),
            allow("WakeItselfLater", "sqs:SendMessage", self.queue.arn),
        )


def wakeup_queue(
    name: str,
    *,
    events: Sequence[Mapping[str, Any]],
    pace: Pace,
    timeout: int,
    shared: Shared,
    place: Place,
    opts: pulumi.ResourceOptions,
) -> Wakeups:
    """An encrypted queue that any of ``events`` (EventBridge patterns) and the sweep write to.

    It is for a function with this ``timeout`` in seconds. What fails goes to its dead letters.
    """
    # Made before the queue, whose policy names it. One rule has both a pattern and a schedule: it
    # fires on either (EventBridge API reference, PutRule).
    rule = cloudwatch.EventRule(
        f"{name}-events",
        description="Something happened that may matter, or an event may have been lost: look.",
        # EventBridge refuses an $or of one.
        event_pattern=json_text({"$or": list(events)} if len(events) > 1 else events[0]),
        schedule_expression=pace.sweep,
        tags=shared.tags,
        opts=opts,
    )
    encryption: dict[str, Any] = (
        {"sqs_managed_sse_enabled": True}
        if shared.kms_key_arn is None
        else {"kms_master_key_id": shared.kms_key_arn}
    )
    dead = sqs.Queue(
        f"{name}-dead-letters",
        message_retention_seconds=DEAD_LETTER_SECONDS,
        tags=shared.tags,
        opts=opts,
        **encryption,
    )
    # The name is fixed, for the policy that the queue is made with has to write the queue's ARN.
    queue_name = physical_name(f"{name}-wakeups", QUEUE_NAME_LIMIT)
    may_wake = {
        "Sid": "TheRuleMayWake",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": place.arn("sqs", queue_name),
        "Condition": {
            "ArnEquals": {"aws:SourceArn": rule.arn},
            "StringEquals": {"aws:SourceAccount": place.account},
        },
    }
    queue = sqs.Queue(
        f"{name}-wakeups",
        name=queue_name,
        visibility_timeout_seconds=VISIBILITY_TIMEOUTS * timeout,
        policy=document([may_wake]),
        redrive_policy=json_text(
            {"deadLetterTargetArn": dead.arn, "maxReceiveCount": pace.maximum_receives}
        ),
        tags=shared.tags,
        opts=opts,
        **encryption,
    )
    cloudwatch.EventTarget(f"{name}-events", rule=rule.name, arn=queue.arn, opts=opts)
    return Wakeups(queue, dead)


def wake(
    name: str,
    wakeups: Wakeups,
    function: Function,
    *,
    pace: Pace,
    shared: Shared,
    opts: pulumi.ResourceOptions,
    after: Sequence[pulumi.Resource] = (),
) -> None:
    """Wake ``function`` with what is in the queue, in batches.

    The messages start to flow after ``after`` was created, and stop before it is deleted.
    """
    lambda_.EventSourceMapping(
        f"{name}-wakeups",
        event_source_arn=wakeups.queue.arn,
        function_name=function.function.arn,
        batch_size=pace.batch_size,
        maximum_batching_window_in_seconds=pace.window_seconds,
        function_response_types=["ReportBatchItemFailures"],
        scaling_config=None
        if pace.maximum_concurrency is None
        else {"maximum_concurrency": pace.maximum_concurrency},
        tags=shared.tags,
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(depends_on=[function.policy, *after])
        ),
    )
