"""RetrainingTriggers: everything that may matter wakes the controller, and only wakes it."""

import json
from typing import Any

import pytest

from components import RetrainingTriggers, RetrainingTriggersArgs
from tests.conftest import Deploy, Engine, Refusal

NEEDED: RetrainingTriggersArgs = {
    "data_bucket_name": "data",
    "artifact_bucket_name": "artifacts",
    "pipeline_name": "perennial-test-churn",
}
PIPELINE = "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/perennial-test-churn"
UPLOAD = {
    "source": ["aws.s3"],
    "detail-type": ["Object Created", "Object Deleted"],
    "detail": {"bucket": {"name": ["data"]}, "object": {"key": [{"prefix": "data/"}]}},
}
CODE = {
    "source": ["aws.s3"],
    "detail-type": ["Object Created"],
    "detail": {
        "bucket": {"name": ["artifacts"]},
        "object": {"key": ["code/current.json", "state/pause.json", "state/request.json"]},
    },
}
RUN = {
    "source": ["aws.sagemaker"],
    "detail-type": ["SageMaker Model Building Pipeline Execution Status Change"],
    "detail": {"pipelineArn": [PIPELINE]},
}
DRIFT = {
    "source": ["aws.cloudwatch"],
    "detail-type": ["CloudWatch Alarm State Change"],
    "detail": {"alarmName": ["drift"]},
}


@pytest.fixture(scope="module")
def engine(deploy: Deploy) -> Engine:
    return deploy(lambda: RetrainingTriggers("churn", {**NEEDED, "alarm_names": ["drift"]}))


def test_data_code_drift_and_the_end_of_a_run_wake_the_controller(engine: Engine) -> None:
    rule = engine.one("EventRule", "churn-retrain-events")
    assert rule.json("eventPattern") == {"$or": [UPLOAD, CODE, RUN, DRIFT]}
    assert len(rule.inputs["eventPattern"]) <= 2048  # EventBridge quotas, event pattern


def test_the_controller_knows_what_to_watch_and_what_to_start(engine: Engine) -> None:
    function = engine.one("Function").inputs
    assert function["handler"] == "runtime.retrain_controller.handler"
    assert function["environment"]["variables"] == {
        "LOOP": "perennial-test-churn",
        "ARTIFACT_BUCKET": "artifacts",
        "QUEUE_URL": engine.one("Queue", "churn-retrain-wakeups").outputs["url"],
        "DATA_BUCKET": "data",
        "DATA_PREFIX": "data/",
        "PIPELINE_NAME": "perennial-test-churn",
        "ALARM_NAMES": '["drift"]',
        "QUIET_PERIOD_SECONDS": "300",
        "MAX_WAIT_SECONDS": "21600",
        "COOLDOWN_SECONDS": "21600",
        "CLAIM_SECONDS": "900",
        "RUNS_PER_DAY": "10",
        "HOURS_PER_MONTH": "",
        "RETRIES": "3",
        "RETRY_SECONDS": "900",
        "REQUEST_TIMEOUT_SECONDS": "20",
        "REQUEST_ATTEMPTS": "4",
        "NAMESPACE": "Perennial",
    }


def test_without_alarms_drift_is_not_watched(deploy: Deploy) -> None:
    engine = deploy(lambda: RetrainingTriggers("churn", NEEDED))
    pattern = engine.one("EventRule", "churn-retrain-events").json("eventPattern")
    assert pattern == {"$or": [UPLOAD, CODE, RUN]}
    variables = engine.one("Function").inputs["environment"]["variables"]
    assert json.loads(variables["ALARM_NAMES"]) == []
    assert "cloudwatch:DescribeAlarms" not in engine.one("RolePolicy").inputs["policy"]


def test_a_person_is_called_when_one_is_needed_and_for_dead_letters(deploy: Deploy) -> None:
    engine = deploy(lambda: RetrainingTriggers("churn", {**NEEDED, "alarm_actions": ["arn:sns"]}))
    dead = engine.one("Queue", "churn-retrain-dead-letters").outputs["name"]
    for name, metric, dimensions in (
        ("churn-person-needed", "PersonNeeded", {"Loop": "perennial-test-churn"}),
        ("churn-dead-letters", "ApproximateNumberOfMessagesVisible", {"QueueName": dead}),
    ):
        alarm = engine.one("MetricAlarm", name).inputs
        assert (alarm["metricName"], alarm["dimensions"]) == (metric, dimensions)
        assert (alarm["comparisonOperator"], alarm["threshold"], alarm["evaluationPeriods"]) == (
            "GreaterThanOrEqualToThreshold",
            1,
            1,
        )
        assert alarm["treatMissingData"] == "notBreaching"
        assert alarm["alarmActions"] == ["arn:sns"]


def test_a_slower_controller_holds_its_claim_for_longer(deploy: Deploy) -> None:
    engine = deploy(lambda: RetrainingTriggers("churn", {**NEEDED, "timeout_seconds": 900}))
    function = engine.one("Function").inputs
    assert function["timeout"] == 900
    assert function["environment"]["variables"]["CLAIM_SECONDS"] == "1200"


def test_all_attempts_of_a_request_fit_in_the_shortest_look(deploy: Deploy) -> None:
    engine = deploy(lambda: RetrainingTriggers("churn", {**NEEDED, "timeout_seconds": 30}))
    variables = engine.one("Function").inputs["environment"]["variables"]
    assert variables["REQUEST_TIMEOUT_SECONDS"] == "7"
    assert variables["REQUEST_ATTEMPTS"] == "4"


def test_how_many_look_at_once_and_how_often_a_wake_up_is_tried_can_be_said(
    deploy: Deploy,
) -> None:
    args: Any = {**NEEDED, "maximum_concurrency": 5, "maximum_receives": 8}
    engine = deploy(lambda: RetrainingTriggers("churn", args))
    mapping = engine.one("EventSourceMapping").inputs
    queue = engine.one("Queue", "churn-retrain-wakeups")
    assert mapping["scalingConfig"] == {"maximumConcurrency": 5}
    assert queue.json("redrivePolicy")["maxReceiveCount"] == 8
    assert (
        "failed 8 times"
        in engine.one("MetricAlarm", "churn-dead-letters").inputs["alarmDescription"]
    )


def test_a_ceiling_of_hours_is_handed_on(deploy: Deploy) -> None:
    args: Any = {**NEEDED, "training_hours_per_month": 1.5}
    variables = deploy(lambda: RetrainingTriggers("churn", args)).one("Function").inputs
    assert variables["environment"]["variables"]["HOURS_PER_MONTH"] == "1.5"


def test_no_quiet_period_is_a_choice(deploy: Deploy) -> None:
    engine = deploy(lambda: RetrainingTriggers("churn", {**NEEDED, "quiet_period_seconds": 0}))
    variables = engine.one("Function").inputs["environment"]["variables"]
    assert variables["QUIET_PERIOD_SECONDS"] == "0"


def test_whole_numbers_may_arrive_as_floats(deploy: Deploy) -> None:
    """As they do from other languages."""
    args: Any = {**NEEDED, "quiet_period_seconds": 60.0}
    engine = deploy(lambda: RetrainingTriggers("churn", args))
    variables = engine.one("Function").inputs["environment"]["variables"]
    assert variables["QUIET_PERIOD_SECONDS"] == "60"


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({"quiet_period_seconds": -1}, "quiet_period_seconds is -1, and it must be at least 0"),
        ({"cool_down_seconds": 0.5}, "cool_down_seconds is 0.5, and it must be a whole number"),
        ({"claim_seconds": 419}, "claim_seconds is 419, and it must be at least 420"),
        (
            {"timeout_seconds": 900, "claim_seconds": 900},
            "claim_seconds is 900, and it must be at least 1200",
        ),
        ({"max_wait_seconds": 299}, "max_wait_seconds is 299, and it must be at least 300"),
        ({"runs_per_day": 0}, "runs_per_day is 0, and it must be between 1 and 100"),
        ({"runs_per_day": 101}, "runs_per_day is 101, and it must be between 1 and 100"),
        ({"request_attempts": 0}, "request_attempts is 0, and it must be between 1 and 10"),
        (
            {"request_timeout_seconds": 31},
            "request_timeout_seconds is 31, and it must be between 1 and 30",
        ),
        (
            {"maximum_concurrency": 1},
            "maximum_concurrency is 1, and it must be between 2 and 1000",
        ),
        ({"maximum_receives": 0}, "maximum_receives is 0, and it must be between 1 and 1000"),
        ({"retries": 11}, "retries is 11, and it must be between 0 and 10"),
        (
            {"training_hours_per_month": -1},
            "training_hours_per_month is -1, and it must be between 0 and",
        ),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_built(
    refusal: Refusal, args: Any, sentence: str
) -> None:
    assert sentence in refusal(lambda: RetrainingTriggers("churn", {**NEEDED, **args}))
