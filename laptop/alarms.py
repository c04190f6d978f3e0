"""When a CloudWatch metric alarm changes state, as a function of its datapoints.

Source: "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data" in the
CloudWatch user guide,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html.
AWS does not publish how far back it looks; two periods more than the evaluation periods is what
the guide's own tables show.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"

EXTRA_PERIODS = 2
"""Periods of the evaluation range beyond the evaluation periods."""

COMPARISONS: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
"""ComparisonOperator of an alarm on a static threshold: the test for a breach, and its words."""


@dataclass(frozen=True)
class Alarm:
    """What decides an alarm's state; fields as in ``PutMetricAlarm``, ``period`` in seconds."""

    period: int
    evaluation_periods: int
    datapoints_to_alarm: int
    threshold: float
    comparison: str
    treat_missing_data: str
    state: str


class Evaluation(NamedTuple):
    """The state an alarm is in now, why, and the datapoints (period start -> value) that count."""

    state: str
    reason: str
    recent: Mapping[int, float]


def period_start(timestamp: float, period: int) -> int:
    """The start (epoch seconds) of the period that ``timestamp`` falls in."""
    return int(timestamp // period) * period


def evaluation_range(alarm: Alarm, datapoints: Mapping[int, float], now: float) -> list[int]:
    """Starts of the periods to look at, newest first.

    The period in progress counts as soon as it has data: before it ends, nothing is missing.
    """
    current = period_start(now, alarm.period)
    newest = current if current in datapoints else current - alarm.period
    return [newest - alarm.period * age for age in range(alarm.evaluation_periods + EXTRA_PERIODS)]


def evaluate(alarm: Alarm, datapoints: Mapping[int, float], now: float) -> Evaluation:
    """The state of ``alarm`` at ``now`` (epoch seconds), given one value a period (by its start).

    M of N (``datapoints_to_alarm`` of ``evaluation_periods``) over the newest N datapoints that
    exist in the evaluation range. Only where fewer than N exist does ``treat_missing_data`` fill
    the gap, and then an alarm whose every datapoint breaches, the oldest of them M periods old or
    older, goes off without waiting for more ("premature alarm state" in the guide), except under
    ``ignore``, which keeps the state.
    """
    breaches, _ = COMPARISONS[alarm.comparison]
    starts = evaluation_range(alarm, datapoints, now)
    existing = [start for start in starts if start in datapoints]
    recent = {start: datapoints[start] for start in existing[: alarm.evaluation_periods]}
    breaching = sum(breaches(value, alarm.threshold) for value in recent.values())
    filled = alarm.evaluation_periods - len(recent)
    needed = alarm.datapoints_to_alarm
    missing = alarm.treat_missing_data

    if missing == "breaching":
        state = ALARM if breaching + filled >= needed else OK
    elif missing == "notBreaching" or not filled or breaching >= needed:
        state = ALARM if breaching >= needed else OK
    elif not recent:
        state = alarm.state if missing == "ignore" else INSUFFICIENT_DATA
    elif breaching == len(recent) and starts.index(existing[-1]) + 1 >= needed:
        state = alarm.state if missing == "ignore" else ALARM
    else:
        state = OK
    return Evaluation(state, explain(alarm, state, recent, breaching, filled), recent)


def explain(
    alarm: Alarm, state: str, recent: Mapping[int, float], breaching: int, filled: int
) -> str:
    """The state's reason, in the words in which CloudWatch gives it."""
    if state == INSUFFICIENT_DATA:
        return f"Insufficient Data: {plural(filled, 'datapoint')} {were(filled)} unknown."
    _, words = COMPARISONS[alarm.comparison]
    count = breaching if state == ALARM else len(recent) - breaching
    values = ", ".join(
        f"{value} ({datetime.fromtimestamp(start, UTC):%d/%m/%y %H:%M:%S})"
        for start, value in recent.items()
    )
    missing = f" and {plural(filled, 'missing datapoint')}" if filled else ""
    return (
        f"Threshold Crossed: {count} out of the last {plural(len(recent), 'datapoint')} "
        f"[{values}]{missing} {were(count)} {'' if state == ALARM else 'not '}{words} the "
        f"threshold ({alarm.threshold}) (minimum {plural(alarm.datapoints_to_alarm, 'datapoint')} "
        f"for {'OK -> ALARM' if state == ALARM else 'ALARM -> OK'} transition)."
    )


def plural(count: int, noun: str) -> str:
    """``count`` with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def were(count: int) -> str:
    """The verb for ``count`` things."""
    return "was" if count == 1 else "were"
