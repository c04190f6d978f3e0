"""S3 events on EventBridge in the shape in which S3 sends them, with the object's version id.

Source: "EventBridge event message structure" in the S3 user guide,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html.
"""

import json
from contextvars import ContextVar
from typing import Any

from ministack.services import eventbridge, s3

PINS = {
    "ministack.services.eventbridge._dispatch_event": "(event, view=None)",
    "ministack.services.s3._fire_s3_event": (
        "(bucket_name: str, key: str, event_name: str, size: int = 0, etag: str = '', "
        "deletion_type: str | None = None, restore_event_data: dict | None = None, "
        "version_id: str | None = None, sequencer: str | None = None, "
        "object_extra: dict | None = None, record_extra: dict | None = None) -> None"
    ),
}


def install() -> None:
    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event
    # ministack runs each event in a thread with a context of its own.
    firing: ContextVar[str | None] = ContextVar("laptop_firing_version", default=None)

    def fire_event(*arguments: Any, version_id: str | None = None, **options: Any) -> None:
        firing.set(version_id)
        fire(*arguments, version_id=version_id, **options)

    def dispatch_event(event: dict[str, Any], view: Any = None) -> None:
        if event["Source"] == "aws.s3":
            event = event | {
                "Detail": json.dumps(detail(json.loads(event["Detail"]), firing.get())),
                "Time": event["Time"][: len("2025-01-01T00:00:00")] + "Z",
            }
            view = None  # made from the event as it was
        dispatch(event, view)

    s3._fire_s3_event = fire_event
    eventbridge._dispatch_event = dispatch_event


def detail(found: dict[str, Any], version_id: str | None) -> dict[str, Any]:
    """The event's detail as S3 sends it, from ministack's."""
    entity = found["object"]
    if version_id:
        entity["version-id"] = version_id
    if "deletion-type" in found:
        del entity["size"]
        if not entity["etag"]:
            del entity["etag"]
    return {name: value for name, value in found.items() if name != "event-version"}
