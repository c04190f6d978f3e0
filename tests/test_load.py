"""Bursts of uploads through the real route, in small; `benchmarks.load` does it in thousands."""

import pytest

from benchmarks.load import Result, measure

pytestmark = [pytest.mark.loop, pytest.mark.timeout(120)]

UPLOADS = 300
BURSTS = 2
LAMBDA_MB = 256


@pytest.fixture(scope="module")
def result() -> Result:
    return measure(UPLOADS, BURSTS)


def test_no_upload_is_lost_and_no_wake_up_fails(result: Result) -> None:
    assert (result.objects, result.lost, result.dead_letters) == (UPLOADS, 0, 0)


def test_there_are_as_many_runs_as_distinct_snapshots_and_all_succeed(result: Result) -> None:
    assert len(result.statuses) == len(set(result.snapshots)) >= BURSTS
    assert set(result.statuses) == {"Succeeded"}


def test_a_burst_is_a_few_wake_ups_and_each_upload_is_looked_at(result: Result) -> None:
    assert 0 < result.wake_ups <= UPLOADS / 10
    assert result.requests["s3:HeadObject"] >= UPLOADS
    assert result.requests["sagemaker:StartPipelineExecution"] == len(result.statuses)


def test_the_controller_needs_little_memory(result: Result) -> None:
    assert 0 < result.memory <= LAMBDA_MB * 2**20
