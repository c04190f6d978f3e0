"""Events of AWS services put on the default event bus."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import eventbridge

from .. import ACCOUNT, REGION

PINS = {
    "ministack.core.responses.request_scope": "(account_id: str, region: str)",
    "ministack.services.eventbridge._put_events": "(data, allow_aws_source=False)",
}


def emit(
    source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str]
) -> None:
    """Put one event of an AWS service (``source`` aws.*) on the bus; callable from any thread."""
    entry = {
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "Resources": list(resources),
    }
    with request_scope(ACCOUNT, REGION):
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
