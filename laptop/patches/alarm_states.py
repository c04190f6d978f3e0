"""Metric alarms evaluated as CloudWatch does, on each put and each second, with their events.

Source of the event: "Alarm events and EventBridge",
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html.
Of the actions, ministack's SNS notifications are kept.
"""

import json
import logging
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch

from .. import ACCOUNT, REGION, alarms
from . import events

PINS = events.PINS | {
    "ministack.services.cloudwatch._alarms": "AccountRegionScopedDict",
    "ministack.services.cloudwatch._calc_stats": "(points)",
    "ministack.services.cloudwatch._dims_from_list": "(dimensions: list[dict]) -> dict",
    "ministack.services.cloudwatch._dims_key": "(dims: dict) -> str",
    "ministack.services.cloudwatch._dispatch_alarm_actions": (
        "(alarm, old_state, new_state, reason)"
    ),
    "ministack.services.cloudwatch._evaluate_alarm": "(alarm)",
    "ministack.services.cloudwatch._evaluate_all_alarms": "()",
    "ministack.services.cloudwatch._evaluate_parent_alarms": "(child, seen=frozenset())",
    "ministack.services.cloudwatch._metrics": "AccountRegionScopedDict",
    "ministack.services.cloudwatch._record_history": (
        "(alarm_name, old_state, new_state, reason, alarm_type='MetricAlarm', reason_data=None)"
    ),
    "ministack.services.cloudwatch._stat_value": "(stats, stat_name, points=None)",
}

EVALUATION_SECONDS = 1.0
INITIAL_REASON = "Unchecked: Initial alarm creation"

log = logging.getLogger(__name__)
evaluating = threading.RLock()
entered: dict[str, dict[str, Any]] = {}
"""ARN of an alarm -> the state it is in, as an event carries it, and when it entered it."""


def install() -> None:
    act = cloudwatch._dispatch_alarm_actions

    def on_transition(alarm: dict[str, Any], old_state: str, new_state: str, reason: str) -> None:
        act(alarm, old_state, new_state, reason)
        announce(alarm, old_state)

    cloudwatch._dispatch_alarm_actions = on_transition
    cloudwatch._evaluate_alarm = update
    threading.Thread(target=keep_evaluating, daemon=True, name="alarm-evaluation").start()


def keep_evaluating() -> None:
    """Evaluate every alarm again each second: missing data is noticed by the clock alone."""
    while True:
        time.sleep(EVALUATION_SECONDS)
        with request_scope(ACCOUNT, REGION):
            for alarm in list(cloudwatch._alarms.values()):
                try:
                    update(alarm)
                except Exception:  # one alarm must not keep the others from being evaluated
                    log.exception("Alarm %s cannot be evaluated", alarm["AlarmName"])


def update(alarm: dict[str, Any]) -> None:
    """Bring one stored alarm into the state that its metric's data put it in."""
    with evaluating:
        if alarm["StateReason"] == INITIAL_REASON:
            entered[alarm["AlarmArn"]] = state_detail(alarm, alarm["StateUpdatedTimestamp"])
        alarm["StateTransitionedTimestamp"] = entered[alarm["AlarmArn"]]["at"]
        if alarm["ComparisonOperator"] not in alarms.COMPARISONS:
            return
        question, now = question_of(alarm), time.time()
        state, reason, recent = alarms.evaluate(question, datapoints(alarm, question.period), now)
        if state == alarm["StateValue"]:
            return
        old, alarm["StateValue"] = alarm["StateValue"], state
        alarm["StateReason"] = reason
        alarm["StateReasonData"] = json.dumps(reason_data(alarm, recent, now))
        cloudwatch._record_history(alarm["AlarmName"], old, state, reason)
        cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
        cloudwatch._evaluate_parent_alarms(alarm)


def question_of(alarm: dict[str, Any]) -> alarms.Alarm:
    """A stored alarm as the pure evaluation takes it."""
    return alarms.Alarm(
        period=alarm["Period"],
        evaluation_periods=alarm["EvaluationPeriods"],
        datapoints_to_alarm=alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"],
        threshold=alarm["Threshold"],
        comparison=alarm["ComparisonOperator"],
        treat_missing_data=alarm["TreatMissingData"],
        state=alarm["StateValue"],
    )


def datapoints(alarm: dict[str, Any], period: int) -> dict[int, float]:
    """The alarm's statistic for each period (by its start) that has data of its very metric."""
    dimensions = cloudwatch._dims_from_list(alarm["Dimensions"])
    metric = (alarm["Namespace"], alarm["MetricName"], cloudwatch._dims_key(dimensions))
    samples: dict[int, list[dict[str, Any]]] = {}
    for point in list(cloudwatch._metrics.get(metric) or ()):
        if alarm["Unit"] in (None, point["Unit"]):
            samples.setdefault(alarms.period_start(point["Timestamp"], period), []).append(point)
    name = alarm["ExtendedStatistic"] or alarm["Statistic"]
    values = {start: statistic(name, points) for start, points in samples.items()}
    return {start: value for start, value in values.items() if value is not None}


def statistic(name: str, points: Iterable[dict[str, Any]]) -> float | None:
    """One statistic of a period's samples."""
    points = list(points)
    value: float | None = cloudwatch._stat_value(cloudwatch._calc_stats(points), name, points)
    return value


def reason_data(alarm: dict[str, Any], recent: Mapping[int, float], now: float) -> dict[str, Any]:
    """What StateReasonData holds: the datapoints that decided, newest last."""
    return {
        "version": "1.0",
        "queryDate": timestamp(now),
        "startDate": timestamp(min(recent, default=now)),
        "statistic": alarm["ExtendedStatistic"] or alarm["Statistic"],
        "period": alarm["Period"],
        "recentDatapoints": [recent[start] for start in sorted(recent)],
        "threshold": alarm["Threshold"],
    }


def announce(alarm: dict[str, Any], old_state: str) -> None:
    """Record a transition and put its event on the bus."""
    with evaluating:
        now = round(time.time(), 3)
        arn = alarm["AlarmArn"]
        previous = entered.get(arn) or {"value": old_state, "at": now}
        entered[arn] = state_detail(alarm, now)
        alarm["StateUpdatedTimestamp"] = alarm["StateTransitionedTimestamp"] = now
    events.emit(
        "aws.cloudwatch",
        "CloudWatch Alarm State Change",
        {
            "alarmName": alarm["AlarmName"],
            "configuration": configuration(alarm),
            "previousState": without_moment(previous),
            "state": without_moment(entered[arn]),
        },
        [arn],
    )


def state_detail(alarm: dict[str, Any], at: float) -> dict[str, Any]:
    """A state as the event carries it, and the moment ``at`` (epoch seconds) it was entered."""
    detail = {
        "at": at,
        "reason": alarm["StateReason"],
        "timestamp": timestamp(at),
        "value": alarm["StateValue"],
    }
    if alarm.get("StateReasonData"):
        detail["reasonData"] = alarm["StateReasonData"]
    return detail


def without_moment(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != "at"}


def configuration(alarm: dict[str, Any]) -> dict[str, Any]:
    """The alarm's configuration as the event carries it: of a metric alarm, its metric."""
    described = {"description": alarm["AlarmDescription"]} if alarm.get("AlarmDescription") else {}
    if "MetricName" not in alarm:
        return described | {"alarmRule": alarm.get("AlarmRule")}
    metric = {
        "dimensions": cloudwatch._dims_from_list(alarm["Dimensions"]),
        "name": alarm["MetricName"],
        "namespace": alarm["Namespace"],
    }
    statistic_of = {
        "metric": metric,
        "period": alarm["Period"],
        "stat": alarm["ExtendedStatistic"] or alarm["Statistic"],
    }
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, alarm["AlarmArn"]))
    return described | {
        "metrics": [{"id": identity, "metricStat": statistic_of, "returnData": True}]
    }


def timestamp(moment: float) -> str:
    """As in the events of CloudWatch: milliseconds and a numeric offset."""
    at = datetime.fromtimestamp(moment, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"
