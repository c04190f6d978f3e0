"""EventBridge delivers to a queue only where the queue's policy lets the rule send.

Source: "Using resource-based policies for Amazon EventBridge",
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sqs-permissions.
AWS retries for a day and then drops the event; here it is dropped at once, with a line in the log.
"""

import logging
from typing import Any

from ministack.services import eventbridge, sqs

from .. import ACCOUNT

PINS = {
    "ministack.services.eventbridge._invoke_target": "(target, event, rule, view=None)",
    "ministack.services.eventbridge._SCHEDULER_TICK_INTERVAL": "int",
    "ministack.services.sqs.queue_policy_allows": (
        "(queue_arn: str, service: str, source_arn: str, source_account: str) -> bool"
    ),
}

SCHEDULE_SECONDS = 1
"""How often the schedules of rules are looked at."""

log = logging.getLogger(__name__)


def install() -> None:
    invoke = eventbridge._invoke_target

    def invoke_target(
        target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None
    ) -> None:
        queue, sender = target["Arn"], rule["Arn"]
        if queue.startswith("arn:aws:sqs:") and not sqs.queue_policy_allows(
            queue, "events.amazonaws.com", sender, ACCOUNT
        ):
            log.warning("Event dropped: the policy of %s does not let %s send.", queue, sender)
            return
        invoke(target, event, rule, view)

    eventbridge._invoke_target = invoke_target
    eventbridge._SCHEDULER_TICK_INTERVAL = SCHEDULE_SECONDS
