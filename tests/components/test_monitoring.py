"""DriftMonitor: counts what is captured, and alarms by M of N."""

from typing import Any

import pytest

from components import DriftMonitor, DriftMonitorArgs
from tests.conftest import Deploy, Engine, Refusal

NEEDED: DriftMonitorArgs = {
    "artifact_bucket_name": "artifacts",
    "endpoint_name": "perennial-test-churn",
    "model_package_group_name": "perennial-test-churn",
}


@pytest.fixture(scope="module")
def engine(deploy: Deploy) -> Engine:
    return deploy(lambda: DriftMonitor("churn", NEEDED))


def test_the_alarm_looks_at_the_share_of_drifted_columns_of_this_loop(engine: Engine) -> None:
    alarm = dict(engine.one("MetricAlarm").inputs)
    assert alarm.pop("alarmDescription")
    assert alarm == {
        "namespace": "Perennial",
        "metricName": "DriftedShare",
        "dimensions": {"Loop": "perennial-test-churn"},
        "statistic": "Maximum",
        "period": 300,
        "evaluationPeriods": 3,
        "datapointsToAlarm": 2,
        "comparisonOperator": "GreaterThanOrEqualToThreshold",
        "threshold": 0.3,
        "treatMissingData": "ignore",
    }


def test_the_monitor_writes_the_metric_that_the_alarm_reads(engine: Engine) -> None:
    function = engine.one("Function").inputs
    assert function["handler"] == "runtime.drift_monitor.handler"
    variables = function["environment"]["variables"]
    alarm = engine.one("MetricAlarm").inputs
    assert variables["NAMESPACE"] == alarm["namespace"]
    assert variables["LOOP"] == alarm["dimensions"]["Loop"]
    assert (variables["MIN_SAMPLES"], variables["PSI_THRESHOLD"]) == ("500", "0.2")


def test_captured_traffic_of_this_endpoint_wakes_the_monitor(engine: Engine) -> None:
    assert engine.one("EventRule", "churn-monitor-events").json("eventPattern") == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": ["artifacts"]},
            "object": {"key": [{"prefix": "capture/perennial-test-churn/"}]},
        },
    }


@pytest.mark.parametrize(("period", "resolution"), [(10, "1"), (30, "1"), (60, "60"), (300, "60")])
def test_short_periods_have_metrics_of_high_resolution(
    deploy: Deploy, period: int, resolution: str
) -> None:
    engine = deploy(lambda: DriftMonitor("churn", {**NEEDED, "period_seconds": period}))
    variables = engine.one("Function").inputs["environment"]["variables"]
    assert variables["STORAGE_RESOLUTION"] == resolution
    assert engine.one("MetricAlarm").inputs["period"] == period


def test_people_are_notified_when_told_so(deploy: Deploy) -> None:
    engine = deploy(lambda: DriftMonitor("churn", {**NEEDED, "alarm_actions": ["arn:topic"]}))
    assert engine.one("MetricAlarm").inputs["alarmActions"] == ["arn:topic"]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({"periods_to_alarm": 4}, "periods_to_alarm is 4 and evaluation_periods is 3"),
        ({"period_seconds": 45}, "period_seconds is 45, and CloudWatch takes 10, 20, 30 or a"),
        ({"period_seconds": 43_200}, "CloudWatch looks back one day (86400 seconds) at most"),
        ({"drifted_share": 1.1}, "drifted_share is 1.1, and it must be between 0.001 and 1"),
        ({"psi_threshold": 0}, "psi_threshold is 0, and it must be between 0.001 and 10"),
        ({"min_samples": 0}, "min_samples is 0, and it must be at least 1"),
        ({"min_samples": float("nan")}, "min_samples is nan, and it must be a whole number"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_built(
    refusal: Refusal, args: Any, sentence: str
) -> None:
    assert sentence in refusal(lambda: DriftMonitor("churn", {**NEEDED, **args}))
