"""What people order is what the real controller does."""

from datetime import timedelta
from typing import Any

import pytest

from components.cli import orders
from components.cli.errors import Refusal
from components.cli.world import World, read
from components.runtime.document import Conflict
from components.runtime.retrain_decision import Kind
from tests.runtime.test_retrain_controller import Aws

WHO = "arn:aws:iam::123456789012:user/ann"
BEN = "arn:aws:iam::123456789012:user/ben"


@pytest.fixture
def aws() -> Aws:
    return Aws()


def world(aws: Aws) -> World:
    return read(aws.s3, "churn", "artifacts")


def test_a_paused_loop_starts_nothing_and_loses_nothing(aws: Aws) -> None:
    said = orders.pause(world(aws), WHO, "audit", None, aws.clock.now).said
    assert said == (
        "churn is paused until somebody resumes; what changes meanwhile is run afterwards."
    )
    assert aws.ready().wake() is Kind.WAIT
    assert aws.ledger[-1]["inputs"]["pause"]["who"] == WHO
    orders.resume(world(aws), BEN, "", aws.clock.now)
    assert aws.wake() is Kind.START


def test_a_pause_ends_by_itself_where_it_has_an_end(aws: Aws) -> None:
    until = aws.clock.now + timedelta(hours=1)
    orders.pause(world(aws), WHO, "audit", until, aws.clock.now)
    assert aws.ready().wake() is Kind.WAIT
    aws.clock.forward(hours=1)
    assert aws.wake() is Kind.START
    assert orders.resume(world(aws), WHO, "", aws.clock.now).said == "churn is not paused."


def test_a_second_pause_says_whose_it_replaces(aws: Aws) -> None:
    orders.pause(world(aws), WHO, "audit", None, aws.clock.now)
    said = orders.pause(world(aws), BEN, "holiday", None, aws.clock.now).said
    assert said.endswith(
        f"It takes the place of: Paused by {WHO} at 2026-03-01T12:00:00+00:00: audit."
    )


def test_a_pause_that_would_be_over_already_is_refused(aws: Aws) -> None:
    with pytest.raises(Refusal, match=r"--until is .*, and it is .*: give a later time"):
        orders.later(aws.clock.now, aws.clock.now)
    assert orders.later(None, aws.clock.now) is None


def test_resuming_what_is_not_paused_says_so_and_writes_nothing(aws: Aws) -> None:
    outcome = orders.resume(world(aws), WHO, "", aws.clock.now)
    assert outcome == orders.Outcome("churn is not paused.", None)
    assert aws.s3.keys("artifacts", "state/pause.json") == []


def test_a_request_is_one_run_although_nothing_has_changed(aws: Aws) -> None:
    aws.ready().wake()
    aws.sagemaker.end()
    assert aws.wake() is Kind.NOTHING
    outcome = orders.retrain(world(aws), WHO, "new labels", aws.clock.now)
    assert outcome.said == "churn is asked for a run."
    assert aws.wake() is Kind.START
    assert aws.reasons[-1] == f"asked for by {WHO}: new labels."
    assert world(aws).asked is None


def test_a_request_that_replaces_another_says_whose(aws: Aws) -> None:
    orders.retrain(world(aws), WHO, "new labels", aws.clock.now)
    said = orders.retrain(world(aws), BEN, "demo", aws.clock.now).said
    assert said.endswith(
        f"One run answers it and what {WHO} asked for at 2026-03-01T12:00:00+00:00: new labels."
    )


def test_a_request_during_a_pause_says_that_it_waits(aws: Aws) -> None:
    orders.pause(world(aws), WHO, "audit", None, aws.clock.now)
    said = orders.retrain(world(aws), BEN, "demo", aws.clock.now).said
    assert f"It starts after the pause. Paused by {WHO}" in said


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_an_empty_reason_is_refused(reason: str) -> None:
    with pytest.raises(Refusal, match="The reason is empty: say why with --reason"):
        orders.checked(reason)


@pytest.mark.parametrize("order", ["pause", "resume", "retrain"])
def test_of_two_people_at_the_same_moment_the_second_is_told(aws: Aws, order: str) -> None:
    if order == "resume":
        orders.pause(world(aws), WHO, "audit", None, aws.clock.now)
    now, seen = aws.clock.now, world(aws)
    arguments: dict[str, tuple[Any, ...]] = {
        "pause": (seen, BEN, "b", None, now),
        "resume": (seen, BEN, "b", now),
        "retrain": (seen, BEN, "b", now),
    }
    getattr(orders, order)(*arguments[order])
    with pytest.raises(Conflict):
        getattr(orders, order)(*arguments[order])


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("state/pause.json", "{"),
        ("state/pause.json", "{}"),
        ("state/request.json", "[]"),
        ("state/retrain.json", '{"runs": 3}'),
        ("state/deploy.json", "3"),
    ],
)
def test_a_malformed_document_is_named_in_one_sentence(aws: Aws, key: str, body: str) -> None:
    aws.s3.put("artifacts", key, body)
    with pytest.raises(Refusal) as refused:
        world(aws)
    assert str(refused.value).startswith(f"s3://artifacts/{key} is not in the format of its writer")
