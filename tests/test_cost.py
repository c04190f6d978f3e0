"""What the controllers add to an idle loop: `python -m benchmarks.cost`, held to its limits."""

import pytest

from benchmarks.cost import Bill, measure

pytestmark = [pytest.mark.loop, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def bill() -> Bill:
    return measure()


def test_an_idle_loop_costs_at_most_a_dollar_a_month(bill: Bill) -> None:
    assert 0 < bill.monthly <= 1


def test_a_sweep_that_finds_nothing_writes_nothing_and_wakes_nobody(bill: Bill) -> None:
    for asked in bill.counted.sweeps.values():
        assert asked
        assert not asked.keys() & {"s3:PutObject", "sqs:SendMessage", "cloudwatch:PutMetricData"}


def test_a_decision_asks_in_proportion_to_what_has_changed(bill: Bill) -> None:
    assert bill.counted.start["s3:HeadObject"] == 1
    assert bill.counted.start["sagemaker:StartPipelineExecution"] == 1
    assert bill.counted.start.total() <= 100
