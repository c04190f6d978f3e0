"""The retrain controller and the inventory: hints, adoption, and hints that were not recorded."""

from typing import Any

import pytest

from components.runtime import inventory as module
from components.runtime.document import Conflict
from components.runtime.inventory import HEAD_KEY, Hints
from components.runtime.retrain_controller import Clients, RetrainController
from components.runtime.retrain_decision import Kind
from tests.runtime.fakes import S3, content_id, refusal, truth
from tests.runtime.test_retrain_controller import SETTINGS, Aws


def no_time() -> float:
    """The function's time is used up after each step."""
    return 0


@pytest.fixture
def aws() -> Aws:
    return Aws()


@pytest.fixture
def adopting(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """A large data set, of which one page was listed."""
    aws.s3.page = 3
    monkeypatch.setattr(module, "STEP_KEYS", 3)
    for number in range(8):
        aws.upload(f"{number}.csv")
    aws.ready()
    return aws


def test_no_run_is_started_on_a_part_of_a_data_set(adopting: Aws) -> None:
    hints = Hints(sweep=False)
    kinds = [
        decision.kind
        for _ in range(3)
        if (decision := adopting.controller().wake(adopting.clock.now, hints, no_time))
    ]
    assert kinds == [Kind.WAIT, Kind.WAIT, Kind.START]
    assert [reason for reason in adopting.reasons if "adopted" in reason] == [
        "The data set is being adopted: 3 objects so far.",
        "The data set is being adopted: 6 objects so far.",
    ]
    (execution,) = adopting.sagemaker.executions.values()
    assert execution["parameters"]["SnapshotId"] == content_id(truth(adopting.s3))


def test_who_adopts_wakes_itself_again_at_once(adopting: Aws) -> None:
    adopting.controller().wake(adopting.clock.now, Hints(sweep=False), no_time)
    (message,) = adopting.sqs.sent
    assert message["DelaySeconds"] <= 1


def test_a_hint_is_recorded_while_uploads_go_on_and_nothing_is_listed(aws: Aws) -> None:
    aws.ready().wake()
    aws.sagemaker.end()
    lists = aws.s3.lists
    aws.upload("b.csv")
    aws.controller().wake(aws.clock.now, Hints(frozenset({"data/b.csv"}), sweep=False))
    assert aws.s3.json("artifacts", HEAD_KEY)["objects"] == 2
    aws.clock.forward(minutes=2)
    decision = aws.controller().wake(aws.clock.now, Hints(sweep=False))
    assert decision is not None
    assert decision.kind is Kind.START
    assert aws.s3.lists == lists


class Contested:
    """S3 where somebody else always writes the inventory first."""

    def __init__(self, s3: S3) -> None:
        self.s3 = s3

    def __getattr__(self, name: str) -> Any:
        return getattr(self.s3, name)

    def put_object(self, **request: Any) -> Any:
        if request["Key"] == HEAD_KEY:
            raise refusal("PreconditionFailed")
        return self.s3.put_object(**request)


def test_hints_that_could_not_be_recorded_come_back(aws: Aws) -> None:
    clients = Clients(Contested(aws.s3), aws.sqs, aws.sagemaker, aws.cloudwatch)
    aws.ready()
    hints = Hints(frozenset({"data/a.csv"}), sweep=False)
    with pytest.raises(Conflict):
        RetrainController(SETTINGS, clients).wake(aws.clock.now, hints, no_time)
