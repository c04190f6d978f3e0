"""How each controller is woken: rules -> queue -> function, and nothing that gets lost for good."""

from typing import Any

import pytest

from components._names import NAME_LIMIT
from components.serving import VERSION_SUFFIX
from tests.components.conftest import Loop
from tests.conftest import ACCOUNT, Deploy, Engine

CONTROLLERS = ["churn-retrain", "churn-deploy", "churn-monitor"]
pytestmark = pytest.mark.parametrize("name", CONTROLLERS)


@pytest.fixture(scope="module")
def engine(deploy: Deploy, loop: Loop) -> Engine:
    return deploy(loop)


def queue(engine: Engine, name: str) -> Any:
    return engine.one("Queue", f"{name}-wakeups")


def test_one_rule_sends_events_and_the_sweep_to_the_queue(engine: Engine, name: str) -> None:
    rule = engine.one("EventRule", f"{name}-events")
    target = engine.one("EventTarget", f"{name}-events")
    assert rule.json("eventPattern")
    assert rule.inputs["scheduleExpression"] == "rate(15 minutes)"
    assert target.inputs["rule"] == rule.outputs["name"]
    assert target.inputs["arn"] == queue(engine, name).outputs["arn"]


def test_only_this_rule_of_this_account_may_send_to_the_queue(engine: Engine, name: str) -> None:
    (statement,) = queue(engine, name).json("policy")["Statement"]
    rule = engine.one("EventRule", f"{name}-events")
    assert statement == {
        "Sid": "TheRuleMayWake",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue(engine, name).outputs["arn"],
        "Condition": {
            "ArnEquals": {"aws:SourceArn": rule.outputs["arn"]},
            "StringEquals": {"aws:SourceAccount": ACCOUNT},
        },
    }


def test_a_queue_has_its_policy_from_the_first_moment(engine: Engine, name: str) -> None:
    """So a rule has its target only when the queue lets it in."""
    assert not engine.all("QueuePolicy")
    assert queue(engine, name).urn in engine.one("EventTarget", f"{name}-events").depends_on


def test_the_longest_name_of_a_loop_makes_names_that_sqs_takes(
    deploy: Deploy, loop: Loop, name: str
) -> None:
    longest = "c" * (NAME_LIMIT - VERSION_SUFFIX - len("perennial-test-"))
    engine = deploy(lambda: loop(longest))
    (found,) = [each for each in engine.all("Queue") if each.name.endswith(f"{name[5:]}-wakeups")]
    assert len(found.inputs["name"]) <= 80


def test_the_queue_feeds_the_function_in_batches(engine: Engine, name: str) -> None:
    mapping = engine.one("EventSourceMapping", f"{name}-wakeups").inputs
    assert mapping["eventSourceArn"] == queue(engine, name).outputs["arn"]
    assert mapping["functionName"] == engine.one("Function", name).outputs["arn"]
    assert mapping["functionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["batchSize"] == 1000
    assert mapping["maximumBatchingWindowInSeconds"] >= 1


def test_only_where_events_come_in_bursts_is_concurrency_limited(engine: Engine, name: str) -> None:
    """For a mapping with a limit is polled more, and each poll of an idle queue costs."""
    mapping = engine.one("EventSourceMapping", f"{name}-wakeups").inputs
    limited = {"maximumConcurrency": 2}
    assert mapping.get("scalingConfig") == (None if name == "churn-deploy" else limited)


def test_a_message_is_hidden_six_times_as_long_as_the_function_may_run(
    engine: Engine, name: str
) -> None:
    timeout = engine.one("Function", name).inputs["timeout"]
    assert queue(engine, name).inputs["visibilityTimeoutSeconds"] == 6 * timeout


def test_what_fails_five_times_is_kept_for_two_weeks(engine: Engine, name: str) -> None:
    dead = engine.one("Queue", f"{name}-dead-letters")
    assert dead.inputs["messageRetentionSeconds"] == 14 * 24 * 3600
    assert queue(engine, name).json("redrivePolicy") == {
        "deadLetterTargetArn": dead.outputs["arn"],
        "maxReceiveCount": 5,
    }


def test_queues_are_encrypted(engine: Engine, name: str) -> None:
    for suffix in ("wakeups", "dead-letters"):
        assert engine.one("Queue", f"{name}-{suffix}").inputs["sqsManagedSseEnabled"] is True


def test_the_function_starts_only_with_its_policy(engine: Engine, name: str) -> None:
    policy = engine.one("RolePolicy", name).urn
    assert policy in engine.one("Function", name).depends_on
    assert policy in engine.one("EventSourceMapping", f"{name}-wakeups").depends_on


def test_the_function_writes_to_a_log_that_forgets(engine: Engine, name: str) -> None:
    log = engine.one("LogGroup", name)
    assert log.inputs["retentionInDays"] == 90
    assert engine.one("Function", name).inputs["loggingConfig"] == {
        "logFormat": "JSON",
        "logGroup": log.outputs["name"],
    }


def test_the_function_knows_its_own_queue(engine: Engine, name: str) -> None:
    variables = engine.one("Function", name).inputs["environment"]["variables"]
    assert variables["QUEUE_URL"] == queue(engine, name).outputs["url"]
    assert variables["LOOP"] == "perennial-test-churn"
    assert variables["ARTIFACT_BUCKET"] == "churn-artifacts-0a1b2c3"
