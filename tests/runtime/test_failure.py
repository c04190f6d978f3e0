"""Whose fault a failed run is, by what SageMaker says of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.runtime.failure import Cause, FailedStep, cause_of, cause_of_run

AWSS = [
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a "
    "different ML instance type.",
    "ClientError: CapacityError: Unable to provision requested ML compute capacity.",
    "InternalServerError: We encountered an internal error. Please try again.",
    "ClientError: InternalServerError: We encountered an internal error. Please try again.",
    "ThrottlingException: Rate exceeded",
    "ClientError: Failed to invoke sagemaker:CreateTrainingJob. Error Details: Rate exceeded",
    "ResourceLimitExceeded: The account-level service limit 'ml.m5.large for training job usage' "
    "is 0 Instances, with current utilization of 0 Instances.",
    "ClientError: Failed to invoke sagemaker:CreateProcessingJob. Error Details: The account-level "
    "service limit 'ml.m5.large for processing job usage' is 2 Instances.",
]
OURS = [
    "",
    "AlgorithmError: ExecuteUserScriptError: ExitCode 1",
    "ClientError: AlgorithmError: See job logs for more information",
    "AlgorithmError: botocore.exceptions.ClientError: ThrottlingException: Rate exceeded",
    "ClientError: AlgorithmError: CapacityError: printed by a script",
    "ClientError: Data download failed: AccessDenied",
    "ClientError: Please use an instance type with more memory, or reduce the size of job data",
    "The capacity of the model was too small",
    "ClientError: A reference could not be resolved: no such file",
]


@pytest.mark.parametrize("reason", AWSS)
def test_capacity_throttling_limits_and_internal_errors_are_awss(reason: str) -> None:
    assert cause_of(reason) is Cause.AWS


@pytest.mark.parametrize("reason", OURS)
def test_everything_else_is_ours(reason: str) -> None:
    assert cause_of(reason) is Cause.OURS


@pytest.mark.parametrize("reason", AWSS)
def test_what_the_script_or_the_gate_said_is_ours_whatever_sagemaker_adds(reason: str) -> None:
    step = FailedStep("Prepare", reason, said="a.csv, column age: not a number: 'x'")
    assert step.cause is Cause.OURS
    assert step.text == "Prepare: a.csv, column age: not a number: 'x'"


def test_a_run_is_awss_failure_only_if_all_its_failed_steps_are() -> None:
    aws, ours = FailedStep("Train", AWSS[0]), FailedStep("Evaluate", OURS[1])
    assert cause_of_run("Failed", [aws, aws], "") is Cause.AWS
    assert cause_of_run("Failed", [aws, ours], "") is Cause.OURS


def test_a_run_without_a_failed_step_is_judged_by_its_own_reason() -> None:
    assert cause_of_run("Failed", [], AWSS[2]) is Cause.AWS
    assert cause_of_run("Failed", [], "no reason given") is Cause.OURS


@given(st.lists(st.sampled_from(AWSS).map(lambda reason: FailedStep("Train", reason))))
def test_a_run_that_a_person_stopped_is_nobody_elses(steps: list[FailedStep]) -> None:
    assert cause_of_run("Stopped", steps, AWSS[0]) is Cause.OURS
    assert cause_of_run("Succeeded", steps, "") is Cause.NONE


@given(st.text())
def test_a_script_that_failed_is_ours_whatever_it_printed(text: str) -> None:
    assert cause_of(f"ClientError: AlgorithmError: {text}") is Cause.OURS
