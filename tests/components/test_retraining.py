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
    "detail": {"bucket": {"name": ["artifacts"]}, "object": {"key": ["code/current.json"]}},
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
        "COOLDOWN_SECONDS": "21600",
        "CLAIM_SECONDS": "900",
    }


def test_without_alarms_drift_is_not_watched(deploy: Deploy) -> None:
    engine = deploy(lambda: RetrainingTriggers("churn", NEEDED))
    pattern = engine.one("EventRule", "churn-retrain-events").json("eventPattern")
    assert pattern == {"$or": [UPLOAD, CODE, RUN]}
    variables = engine.one("Function").inputs["environment"]["variables"]
    assert json.loads(variables["ALARM_NAMES"]) == []
    assert "cloudwatch:" not in engine.one("RolePolicy").inputs["policy"]


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
        ({"claim_seconds": 60}, "claim_seconds is 60, and it must be at least 120"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_built(
    refusal: Refusal, args: Any, sentence: str
) -> None:
    assert sentence in refusal(lambda: RetrainingTriggers("churn", {**NEEDED, **args}))
