"""What people order: to pause, to resume, to train although nothing has changed.

Each is one document in S3, changed by compare-and-swap: of two people at the same moment one is
told that the other was first.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..runtime.document import Document
from ..runtime.orders import PAUSE_KEY, REQUEST_KEY, Pause, Request
from .errors import Refusal
from .moments import written
from .why import paused
from .world import World


@dataclass(frozen=True)
class Outcome:
    """What an order did: a sentence, and the document as it is now."""

    said: str
    document: dict[str, Any] | None


def checked(reason: str) -> str:
    """The reason. Raises Refusal if it says nothing."""
    if not reason.strip():
        raise Refusal("The reason is empty: say why with --reason, for who asks later.")
    return reason.strip()


def later(until: datetime | None, now: datetime) -> datetime | None:
    """The end of a pause. Raises Refusal if it is over already."""
    if until is not None and until <= now:
        raise Refusal(f"--until is {written(until)}, and it is {written(now)}: give a later time.")
    return until


def pause(world: World, who: str, reason: str, until: datetime | None, now: datetime) -> Outcome:
    """Let no run start before `until`, or before somebody resumes.

    Raises Conflict if somebody else wrote meanwhile.
    """
    before = world.pause
    order = Pause(who, now, reason, until)
    Document(world.s3, world.bucket, PAUSE_KEY).write(order.to_json(), world.pause_etag)
    end = f"until {written(until)}" if until else "until somebody resumes"
    said = f"{world.loop} is paused {end}; what changes meanwhile is run afterwards."
    if before and before.holds(now):
        said += f" It takes the place of: {paused(before)}."
    return Outcome(said, order.to_json())


def resume(world: World, who: str, reason: str, now: datetime) -> Outcome:
    """Let runs start again. Raises Conflict if somebody else wrote meanwhile."""
    before = world.pause
    if before is None or not before.holds(now):
        return Outcome(f"{world.loop} is not paused.", before.to_json() if before else None)
    order = Pause(who, now, reason.strip() or "resumed", paused=False)
    Document(world.s3, world.bucket, PAUSE_KEY).write(order.to_json(), world.pause_etag)
    return Outcome(f"{world.loop} goes on; it was: {paused(before)}.", order.to_json())


def retrain(world: World, who: str, reason: str, now: datetime) -> Outcome:
    """Ask for a run on the data and the code as they are.

    Raises Conflict if somebody else wrote meanwhile.
    """
    request = Request(uuid.uuid4().hex, who, now, reason)
    before = world.asked
    Document(world.s3, world.bucket, REQUEST_KEY).write(request.to_json(), world.request_etag)
    said = f"{world.loop} is asked for a run."
    if world.pause and world.pause.holds(now):
        said += f" It starts after the pause. {paused(world.pause)}."
    if before:
        said += (
            f" One run answers it and what {before.who} asked for at {written(before.at)}: "
            f"{before.reason}."
        )
    return Outcome(said, request.to_json())
