"""Alarms over the wire: evaluated on each put, by the metric's dimensions, with their events."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from laptop import ACCOUNT, REGION
from laptop.patches import alarm_states

Client = Callable[[str], Any]
NextEvent = Callable[[dict[str, Any]], Callable[[], dict[str, Any]]]


@pytest.fixture
def cloudwatch(client: Client) -> Any:
    return client("cloudwatch")


def put_alarm(cloudwatch: Any, name: str, **settings: Any) -> None:
    cloudwatch.put_metric_alarm(
        **{
            "AlarmName": name,
            "AlarmDescription": "The share of drifted columns.",
            "Namespace": "Perennial",
            "MetricName": "DriftedShare",
            "Dimensions": [{"Name": "Loop", "Value": name}],
            "Statistic": "Maximum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 0.5,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "ignore",
        }
        | settings
    )


def put_value(cloudwatch: Any, loop: str, value: float, **datum: Any) -> None:
    cloudwatch.put_metric_data(
        Namespace="Perennial",
        MetricData=[
            {
                "MetricName": "DriftedShare",
                "Dimensions": [{"Name": "Loop", "Value": loop}],
                "Value": value,
            }
            | datum
        ],
    )


def described(cloudwatch: Any, name: str) -> dict[str, Any]:
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    found: dict[str, Any] = alarm
    return found


def test_only_data_of_the_very_dimensions_moves_an_alarm(cloudwatch: Any, name: str) -> None:
    put_alarm(cloudwatch, name)
    put_value(cloudwatch, f"{name}-other", 1.0)
    put_value(cloudwatch, name, 1.0, Dimensions=[])
    assert described(cloudwatch, name)["StateValue"] == "INSUFFICIENT_DATA"
    put_value(cloudwatch, name, 1.0)
    assert described(cloudwatch, name)["StateValue"] == "ALARM"


def test_m_of_n_is_counted_in_periods_and_not_in_values(cloudwatch: Any, name: str) -> None:
    put_alarm(cloudwatch, name, EvaluationPeriods=3, DatapointsToAlarm=2)
    now = datetime.now(UTC).timestamp()
    for _ in range(3):
        put_value(cloudwatch, name, 1.0, Timestamp=now)
    assert described(cloudwatch, name)["StateValue"] != "ALARM"
    put_value(cloudwatch, name, 1.0, Timestamp=now - 60)
    assert described(cloudwatch, name)["StateValue"] == "ALARM"


def test_the_moment_of_transition_is_that_of_the_last_change_of_state(
    cloudwatch: Any, name: str
) -> None:
    put_alarm(cloudwatch, name)
    created = described(cloudwatch, name)["StateTransitionedTimestamp"]
    put_value(cloudwatch, name, 1.0)
    changed = described(cloudwatch, name)["StateTransitionedTimestamp"]
    put_value(cloudwatch, name, 1.0)
    put_alarm(cloudwatch, name, AlarmDescription="Described anew.")
    kept = described(cloudwatch, name)
    assert created <= changed == kept["StateTransitionedTimestamp"]
    assert kept["StateValue"] == "ALARM"


def test_an_alarm_made_again_is_a_new_alarm(cloudwatch: Any, name: str) -> None:
    put_alarm(cloudwatch, name)
    put_value(cloudwatch, name, 1.0)
    cloudwatch.delete_alarms(AlarmNames=[name])
    put_alarm(cloudwatch, name, MetricName="Another")
    assert described(cloudwatch, name)["StateValue"] == "INSUFFICIENT_DATA"


def test_a_transition_is_an_event_in_the_shape_of_cloudwatch(
    cloudwatch: Any, name: str, next_event: NextEvent
) -> None:
    received = next_event(
        {
            "source": ["aws.cloudwatch"],
            "detail": {"alarmName": [name], "state": {"value": ["ALARM"]}},
        }
    )
    put_alarm(cloudwatch, name)
    put_value(cloudwatch, name, 0.75)
    event = received()
    alarm = described(cloudwatch, name)
    detail = event["detail"]
    (metric,) = detail["configuration"].pop("metrics")
    assert metric.pop("id")
    assert metric == {
        "metricStat": {
            "metric": {
                "dimensions": {"Loop": name},
                "name": "DriftedShare",
                "namespace": "Perennial",
            },
            "period": 60,
            "stat": "Maximum",
        },
        "returnData": True,
    }
    assert detail["configuration"] == {"description": "The share of drifted columns."}
    assert detail["previousState"]["value"] == "INSUFFICIENT_DATA"
    assert detail["state"]["reason"] == alarm["StateReason"]
    assert json.loads(detail["state"]["reasonData"])["recentDatapoints"] == [0.75]
    assert (
        datetime.fromisoformat(detail["state"]["timestamp"])
        == (alarm["StateTransitionedTimestamp"])
    )
    assert event["detail-type"] == "CloudWatch Alarm State Change"
    assert event["resources"] == [f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"]


def test_a_state_set_by_hand_is_an_event_and_lasts_until_the_next_evaluation(
    cloudwatch: Any, name: str, next_event: NextEvent
) -> None:
    put_alarm(cloudwatch, name)
    put_value(cloudwatch, name, 0.0)
    received = next_event({"detail": {"alarmName": [name]}})
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a drill")
    by_hand, by_itself = received()["detail"], received()["detail"]
    assert by_hand["state"]["reason"] == "a drill"
    assert by_hand["previousState"]["value"] == "OK"
    assert by_itself["previousState"] == by_hand["state"]
    assert by_itself["state"]["value"] == "OK"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"Period": 15}, "Period is 15, and must be 10, 20, 30 or a multiple of 60 seconds."),
        ({"DatapointsToAlarm": 2}, "DatapointsToAlarm is 2, and must be at most"),
        ({"EvaluationPeriods": 1441}, "Period times EvaluationPeriods is 86460 seconds"),
        ({"Statistic": "Median"}, "Statistic is 'Median', and must be one of"),
    ],
)
def test_an_alarm_that_cloudwatch_refuses_is_refused(
    cloudwatch: Any, name: str, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ClientError, match=sentence):
        put_alarm(cloudwatch, name, **settings)


def test_the_time_of_a_state_has_milliseconds_and_an_offset() -> None:
    assert alarm_states.timestamp(1_570_035_880.9876) == "2019-10-02T17:04:40.987+0000"
