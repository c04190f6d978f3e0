"""Moments as people write them: ISO 8601, or a duration such as 2h."""

import re
from datetime import UTC, datetime, timedelta

from .errors import Refusal

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(rf"(\d+)([{''.join(_UNITS)}])")


def duration(text: str) -> timedelta | None:
    """30m, 2h, 7d or 2w; None if `text` is no duration."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        return None
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        return None


def moment(text: str, now: datetime, *, ago: bool) -> datetime:
    """The moment in UTC: an ISO 8601 date or time, which is UTC unless it says its zone, or a
    duration before (`ago`) or after `now`.

    Raises Refusal with one sentence.
    """
    try:
        if (length := duration(text)) is not None:
            return now - length if ago else now + length
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise Refusal(
            f"{text!r} is not a time: write 2026-03-01, 2026-03-01T12:00 (UTC), "
            "2026-03-01T12:00+01:00, or a duration such as 30m, 2h, 7d or 2w."
        ) from error


def written(time: datetime) -> str:
    """As the command line shows it: ISO 8601 in UTC, to the second."""
    return time.astimezone(UTC).replace(microsecond=0).isoformat()
