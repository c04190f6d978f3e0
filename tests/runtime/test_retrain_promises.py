"""The eight promises of docs/retraining.md, each by its number, on an AWS in memory."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from components.runtime import retrain_controller
from components.runtime.orders import PAUSE_KEY, REQUEST_KEY, Pause, Request
from components.runtime.retrain_controller import RetrainController
from components.runtime.retrain_decision import Kind
from components.runtime.retrain_world import Code
from tests.runtime.fakes import Died, Mortal, content_id, refusal, truth
from tests.runtime.test_retrain_controller import SETTINGS, Aws, fail_step

CAPACITY = "ClientError: CapacityError: Unable to provision requested ML compute capacity."


@pytest.fixture
def aws() -> Aws:
    return Aws()


def limited(aws: Aws, monkeypatch: pytest.MonkeyPatch, **limits: Any) -> None:
    """From here on the controllers of `aws` have these limits."""
    settings = replace(SETTINGS, limits=replace(SETTINGS.limits, **limits))
    parts = retrain_controller.Clients(aws.s3, aws.sqs, aws.sagemaker, aws.cloudwatch)
    monkeypatch.setattr(aws, "controller", lambda _=None: RetrainController(settings, parts))


def run_once(aws: Aws, status: str = "Succeeded", reason: str = "") -> None:
    """What is there now is run, and the run ends."""
    aws.clock.forward(minutes=2)
    assert aws.wake() is Kind.START
    end(aws, status, reason)


def end(aws: Aws, status: str = "Succeeded", reason: str = "") -> None:
    aws.clock.forward(minutes=3)
    aws.sagemaker.end(status, [fail_step("Train", FailureReason=reason)] if reason else [])


def registers(version: int) -> list[dict[str, Any]]:
    arn = f"arn:aws:sagemaker:eu-west-1:123456789012:model-package/churn/{version}"
    return [
        {
            "StepName": "Register",
            "StepStatus": "Succeeded",
            "Metadata": {"RegisterModel": {"Arn": arn}},
        }
    ]


def goes_live(aws: Aws, version: int) -> None:
    aws.s3.put("artifacts", "state/deploy.json", json.dumps({"live": version}))
    aws.wake()


def sweeps(aws: Aws, count: int = 12, hours: float = 2) -> list[Kind | None]:
    """Time goes by, and whatever is started succeeds."""
    kinds = []
    for _ in range(count):
        aws.clock.forward(hours=hours)
        kinds.append(aws.wake())
        if aws.sagemaker.active:
            aws.sagemaker.end()
    return kinds


def executions(aws: Aws) -> list[dict[str, Any]]:
    return [execution["parameters"] for execution in aws.sagemaker.executions.values()]


def rules(aws: Aws) -> list[str]:
    return [entry["rule"] for entry in aws.ledger if entry["decision"] != "run ended"]


def calls_for_a_person(aws: Aws) -> list[str]:
    return [entry["reason"] for entry in aws.ledger if entry["decision"] == Kind.PERSON]


# --- 1. nothing is lost -------------------------------------------------------------------------

changes = st.sampled_from(["upload", "delete", "code", "parameter", "alarm", "calm", "request"])


@given(st.lists(st.tuples(changes, st.integers(0, 3), st.booleans()), max_size=12))
@hypothesis_settings(max_examples=60, deadline=None)
def test_1_every_change_gets_its_run_whichever_events_were_lost_doubled_or_late(
    schedule: list[tuple[str, int, bool]],
) -> None:
    aws = Aws().ready()
    for number, (change, wakes, ends) in enumerate(schedule):
        apply(aws, change, number)
        for _ in range(wakes):
            aws.clock.forward(seconds=40)
            aws.wake()
        if ends and aws.sagemaker.active:
            aws.sagemaker.end()
    asked = REQUEST_KEY in aws.s3.keys("artifacts")
    sweeps(aws)
    if aws.s3.keys("data"):
        assert wanted(aws) in executions(aws)
        assert not asked or aws.state["answered_request"]
    assert aws.wake() in (Kind.NOTHING, Kind.WAIT)
    assert aws.state["claim"] is None


def apply(aws: Aws, change: str, number: int) -> None:
    match change:
        case "upload":
            aws.upload(f"{number % 3}.csv", f"body {number}")
        case "delete":
            for key in aws.s3.keys("data")[:1]:
                aws.s3.delete_object(Bucket="data", Key=key)
        case "code":
            aws.publish(f"c{number % 2}")
        case "parameter":
            aws.publish("c1", Seed=str(number % 2))
        case "alarm":
            aws.alarm()
        case "calm":
            aws.alarm("OK")
        case "request":
            request = Request(f"q{number}", "ada", aws.clock.now, "why not")
            aws.s3.put("artifacts", REQUEST_KEY, json.dumps(request.to_json()))


def wanted(aws: Aws) -> dict[str, str]:
    """The parameters of a run on the world as it is."""
    code = aws.s3.json("artifacts", "code/current.json")
    snapshot_id = content_id(truth(aws.s3))
    return {**code["parameters"], "SnapshotId": snapshot_id, "CodeVersion": code["code_version"]}


def test_1_what_came_while_the_controller_was_paused_is_run_after_it(aws: Aws) -> None:
    run_once(aws.ready())
    pause = Pause("ada", aws.clock.now, "audit", until=aws.clock.now + timedelta(hours=9))
    aws.s3.put("artifacts", PAUSE_KEY, json.dumps(pause.to_json()))
    aws.upload(body="other")
    aws.alarm()
    assert sweeps(aws, count=4) == [Kind.WAIT] * 4
    assert aws.ledger[-1]["rule"] == "paused"
    assert "Pending: data: 1 object changed" in aws.reasons[-1]
    aws.alarm("OK")
    aws.clock.forward(hours=2)
    assert aws.wake() is Kind.START
    assert "drift: alarm churn-drift" in aws.reasons[-1]


def test_1_a_pause_ends_when_somebody_resumes(aws: Aws) -> None:
    aws.ready()
    pause = Pause("ada", aws.clock.now, "audit")
    aws.s3.put("artifacts", PAUSE_KEY, json.dumps(pause.to_json()))
    assert set(sweeps(aws)) == {Kind.WAIT}
    aws.s3.put("artifacts", PAUSE_KEY, json.dumps(replace(pause, paused=False).to_json()))
    assert aws.wake() is Kind.START


def test_1_an_order_that_cannot_be_read_starts_nothing_and_says_so(aws: Aws) -> None:
    aws.ready()
    aws.s3.put("artifacts", PAUSE_KEY, '{"paused": "yes"}')
    with pytest.raises(ValueError, match=r"state/pause\.json is not what the controller reads"):
        aws.wake()
    assert not aws.sagemaker.executions


# --- 2. nothing twice ---------------------------------------------------------------------------


def test_2_the_same_inputs_are_never_run_again_however_long_ago_it_was(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrain_controller, "RUNS_KEPT", 2)
    for version in ("c1", "c2", "c3", "c4"):
        aws.upload()
        aws.publish(version)
        run_once(aws)
    assert len(aws.state["runs"]) == 2
    aws.publish("c1")
    assert set(sweeps(aws)) == {Kind.NOTHING}
    assert "run1: Succeeded" in aws.reasons[-1]


def test_2_a_run_that_has_ended_is_not_put_on_record_as_started_by_a_controller_that_is_late(
    aws: Aws,
) -> None:
    aws.ready().wake()
    (started,) = aws.controller()._read_state().state.runs
    aws.sagemaker.end()
    aws.wake()
    aws.controller()._put_on_record(started)
    (run,) = aws.controller()._past(started.identity.inputs)
    assert run.status == "Succeeded"


def test_2_other_parameters_are_another_run(aws: Aws) -> None:
    run_once(aws.ready())
    aws.publish("c1", MinRocAuc="0.7")
    assert aws.wake() is Kind.START
    assert aws.reasons[-1] == "parameters: MinRocAuc none -> 0.7."
    assert executions(aws)[-1]["MinRocAuc"] == "0.7"


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.booleans(), st.integers(-5, 5), st.integers(0, 12)),
        max_size=8,
    ),
    st.booleans(),
)
@hypothesis_settings(max_examples=100, deadline=None)
def test_2_one_execution_whoever_dies_where_and_whatever_their_clocks_say(
    deaths: list[tuple[int, bool, int, int]], forgetful: bool
) -> None:
    """Controllers die before or after any call, their clocks differ by up to 5 minutes, and AWS
    may forget the tokens that it was given (how long it keeps them is not documented)."""
    aws = Aws().ready()
    aws.clock.forward(minutes=10)
    for at, after, ahead, minutes in deaths:
        try:
            aws.wake(Mortal(at, after=after), ahead=timedelta(minutes=ahead))
        except Died:
            aws.clock.forward(minutes=minutes)
        if forgetful:
            aws.sagemaker.tokens.clear()
        assert len(aws.sagemaker.executions) <= 1
    sweeps(aws)
    assert len(aws.sagemaker.executions) == 1
    assert len(aws.state["runs"]) == 1


@given(st.lists(st.integers(0, 25), min_size=1, max_size=4))
@hypothesis_settings(max_examples=100, deadline=None)
def test_2_many_controllers_at_once_start_one_run(calls: list[int]) -> None:
    """Each is overtaken by others at any of its calls, and those by others again."""
    aws = Aws().ready()

    def overtaken(depth: int = 0) -> None:
        mortal = Overtaken(calls[depth], lambda: overtaken(depth + 1)) if calls[depth:] else None
        aws.controller(mortal).wake(aws.clock.now)

    overtaken()
    assert len(aws.sagemaker.executions) == 1
    assert len(aws.sagemaker.active) == 1
    assert [run["status"] for run in aws.state["runs"]] == ["Executing"]
    assert aws.state["claim"] is None
    assert rules(aws).count("change") == 1


class Overtaken(Mortal):
    """Before one of its calls somebody else takes a whole step."""

    def __init__(self, at: int, step: Any) -> None:
        super().__init__()
        self._number, self._step = at, step

    def client(self, client: Any) -> Any:
        counted = super().client(client)
        mortal = self

        class Client:
            def __getattr__(self, name: str) -> Any:
                if name == "get_paginator":
                    return getattr(counted, name)

                def call(**request: Any) -> Any:
                    if len(mortal.calls) == mortal._number:
                        mortal._number = -1
                        mortal._step()
                    return getattr(counted, name)(**request)

                return call

        return Client()


def test_2_a_claim_is_not_taken_from_the_living_by_a_clock_that_is_ahead(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = aws.sagemaker.start_pipeline_execution

    def slow(**request: Any) -> Any:
        aws.clock.forward(seconds=120)  # the function's timeout
        assert aws.wake(ahead=timedelta(minutes=5)) is Kind.WAIT
        return start(**request)

    monkeypatch.setattr(aws.sagemaker, "start_pipeline_execution", slow)
    aws.ready().wake()
    assert aws.sagemaker.starts == 1


def test_2_a_person_may_ask_for_what_was_run_before_and_gets_it_once(aws: Aws) -> None:
    run_once(aws.ready())
    request = Request("q1", "ada", aws.clock.now, "the random seed was unlucky")
    aws.s3.put("artifacts", REQUEST_KEY, json.dumps(request.to_json()))
    run_once(aws)
    assert aws.reasons[-1] == "asked for by ada: the random seed was unlucky."
    assert aws.ledger[-1]["inputs"]["request"] == request.to_json()
    assert set(sweeps(aws)) == {Kind.NOTHING}
    assert len(aws.sagemaker.executions) == len(aws.sagemaker.tokens) == 2


# --- 3. never backwards -------------------------------------------------------------------------


@pytest.mark.parametrize("read", ["_read_data", "_read_code"])
def test_3_who_has_read_the_world_before_a_newer_run_started_looks_again(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    run_once(aws.ready())
    aws.upload(body="second")
    aws.clock.forward(minutes=2)
    slow, fast = aws.controller(), aws.controller()
    look = getattr(slow, read)

    def overtaken(*args: Any) -> Any:
        seen = look(*args)
        monkeypatch.setattr(slow, read, look)
        aws.upload(body="third")
        aws.publish("c2")
        aws.clock.forward(minutes=2)
        fast.wake(aws.clock.now)
        aws.sagemaker.end()
        return seen

    monkeypatch.setattr(slow, read, overtaken)
    slow.wake(aws.clock.now)
    assert [each["CodeVersion"] for each in executions(aws)] == ["c1", "c2"]


def test_3_code_that_was_read_too_late_is_not_run(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.upload()
    pushed = aws.clock.now
    aws.clock.forward(minutes=1)
    aws.publish("c2")
    run_once(aws)
    controller = aws.controller()
    monkeypatch.setattr(controller, "_read_code", lambda: Code("c1", (), pushed))
    decision = controller.wake(aws.clock.now)
    assert decision is not None
    assert (decision.kind, decision.rule) == (Kind.WAIT, "order")


def test_3_code_that_a_person_takes_back_is_run_again_on_newer_data(aws: Aws) -> None:
    for version in ("c1", "c2", "c1"):
        aws.upload(body=f"{len(aws.sagemaker.executions)}")
        aws.publish(version)
        run_once(aws)
    assert [each["CodeVersion"] for each in executions(aws)] == ["c1", "c2", "c1"]


def manifests(aws: Aws) -> list[str]:
    return [key for key in aws.s3.keys("artifacts", "snapshots/") if key.endswith(".json")]


@pytest.mark.parametrize("change", ["overwrite", "delete"])
def test_3_an_overwrite_or_a_deletion_is_a_new_snapshot_and_the_old_one_stays(
    aws: Aws, change: str
) -> None:
    aws.upload("b.csv")
    run_once(aws.ready())
    before = manifests(aws)
    if change == "overwrite":
        aws.upload("b.csv", "other")
    else:
        aws.s3.delete_object(Bucket="data", Key="data/b.csv")
    aws.wake()  # a deletion is as old as the look that finds it
    run_once(aws)
    after = manifests(aws)
    assert len(after) == 2
    assert set(before) < set(after)
    assert len(aws.s3.buckets["artifacts"][before[0]]) == 1


# --- 4. bursts are one run ----------------------------------------------------------------------


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.randoms(use_true_random=False))
@hypothesis_settings(max_examples=40, deadline=None)
def test_4_as_many_runs_as_there_were_snapshots_after_quiet_periods(
    bursts: list[int], random: Any
) -> None:
    aws = Aws()
    aws.publish()
    for burst, uploads in enumerate(bursts):
        for number in range(uploads):
            aws.upload(f"{number}.csv", f"{burst}")
            aws.clock.forward(seconds=random.randint(1, 50))
            aws.wake()
        aws.clock.forward(seconds=60)
        for _ in range(3):
            aws.wake()
        aws.sagemaker.end()
    assert len(aws.sagemaker.executions) == len(bursts)


def test_4_a_stream_that_never_goes_quiet_is_run_every_maximum_wait(aws: Aws) -> None:
    aws.publish()
    started = []
    for minute in range(200):
        aws.upload(f"{minute}.csv")
        aws.clock.forward(seconds=30)
        if aws.wake() is Kind.START:
            started.append(minute)
            aws.sagemaker.end()
        aws.clock.forward(seconds=30)
    # The maximum wait of an hour counts from the first upload after a start.
    assert started == [60, 121, 182]


def test_4_the_maximum_wait_counts_from_the_first_upload_of_the_burst_not_of_an_earlier_one(
    aws: Aws,
) -> None:
    run_once(aws.ready())
    aws.upload()  # the same content: a burst without a run
    aws.wake()
    aws.clock.forward(hours=2)
    aws.wake()
    aws.upload(body="other")
    assert aws.wake() is Kind.WAIT
    assert aws.ledger[-1]["rule"] == "quiet period"


# --- 5. drift is judged, not obeyed --------------------------------------------------------------


def test_5_new_data_and_an_alarm_are_one_run_and_the_episode_is_judged_by_its_model(
    aws: Aws,
) -> None:
    run_once(aws.ready())
    aws.alarm()
    aws.upload(body="labels of the moved population")
    aws.clock.forward(minutes=2)
    assert aws.wake() is Kind.START
    assert "drift: alarm churn-drift" in aws.reasons[-1]
    aws.sagemaker.end(steps=registers(2))
    assert aws.wake() is Kind.WAIT
    assert aws.ledger[-1]["rule"] == "cool-down"
    goes_live(aws, 2)
    aws.clock.forward(minutes=59)
    assert aws.wake() is Kind.WAIT
    aws.clock.forward(minutes=2)
    assert aws.wake() is Kind.PERSON
    assert "its model (version 2) is live since" in aws.reasons[-1]
    assert set(sweeps(aws)) == {Kind.NOTHING}
    assert len(aws.sagemaker.executions) == 2


def test_5_drift_that_the_new_model_ends_calls_nobody(aws: Aws) -> None:
    run_once(aws.ready())
    aws.alarm()
    aws.upload(body="labels of the moved population")
    run_once(aws)
    aws.alarm("OK")
    assert set(sweeps(aws)) == {Kind.NOTHING}
    assert calls_for_a_person(aws) == []


def test_5_drift_with_nothing_to_learn_from_is_said_once_and_runs_nothing(aws: Aws) -> None:
    run_once(aws.ready())
    aws.clock.forward(hours=2)
    aws.wake()
    aws.alarm()
    assert aws.wake() is Kind.PERSON
    assert set(sweeps(aws)) == {Kind.NOTHING}
    assert len(calls_for_a_person(aws)) == 1
    assert aws.cloudwatch.metrics == [
        {
            "Namespace": "Perennial",
            "MetricName": "PersonNeeded",
            "Dimensions": [{"Name": "Loop", "Value": "churn"}],
            "Value": 1.0,
        }
    ]
    assert len(aws.sagemaker.executions) == 1
    aws.alarm("OK")
    sweeps(aws)
    aws.alarm()  # another episode
    assert aws.wake() is Kind.PERSON


@pytest.mark.parametrize("stays", [True, False])
def test_5_an_alarm_that_fires_during_a_run_is_remembered(aws: Aws, stays: bool) -> None:
    aws.ready().wake()
    aws.alarm()
    assert aws.wake() is Kind.WAIT
    if not stays:
        aws.clock.forward(minutes=1)
        aws.alarm("OK")
        aws.wake()
    aws.upload(body="other")
    end(aws)
    assert aws.wake() is Kind.START
    assert "drift: alarm churn-drift in ALARM since 2026-03-01T12:02:00" in aws.reasons[-1]
    (episode,) = aws.ledger[-1]["inputs"]["episodes"]
    assert aws.state["runs"][-1]["identity"]["episodes"] == [episode]


@given(st.lists(st.tuples(st.sampled_from(["ALARM", "OK"]), st.integers(1, 200)), max_size=20))
@hypothesis_settings(max_examples=50, deadline=None)
def test_5_alarms_alone_start_no_run_and_call_a_person_at_most_once_an_episode(
    states: list[tuple[str, int]],
) -> None:
    aws = Aws().ready()
    run_once(aws)
    episodes = set()
    for state, minutes in states:
        if aws.cloudwatch.alarms.get("churn-drift", ("OK",))[0] != state:
            aws.alarm(state)
            episodes |= {aws.clock.now} if state == "ALARM" else set()
        aws.clock.forward(minutes=minutes)
        aws.wake()
    standing = aws.cloudwatch.alarms.get("churn-drift", ("OK",))[0] == "ALARM"
    sweeps(aws)
    assert len(aws.sagemaker.executions) == 1
    assert standing <= len(calls_for_a_person(aws)) <= len(episodes)


# --- 6. bounded spend ---------------------------------------------------------------------------


def test_6_runs_over_the_budget_of_a_day_are_said_and_done_when_it_allows(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(aws, monkeypatch, runs_per_day=2)
    aws.ready()
    for version in ("c1", "c2"):
        aws.publish(version)
        run_once(aws)
    aws.publish("c3")
    assert aws.wake() is Kind.WAIT
    assert aws.ledger[-1]["rule"] == "runs per day"
    assert "Pending: code: c2 -> c3" in aws.reasons[-1]
    aws.clock.forward(hours=23, minutes=59)
    assert aws.wake() is Kind.START


@given(st.lists(st.integers(0, 600), max_size=25))
@hypothesis_settings(max_examples=40, deadline=None)
def test_6_no_day_has_more_runs_than_its_budget(pauses: list[int]) -> None:
    aws = Aws().ready()
    with pytest.MonkeyPatch.context() as patch:
        limited(aws, patch, runs_per_day=3)
        for number, minutes in enumerate(pauses):
            aws.publish(f"c{number}")
            aws.clock.forward(minutes=minutes)
            aws.wake()
            if aws.sagemaker.active:
                aws.sagemaker.end()
    starts = [each["StartTime"] for each in aws.sagemaker.executions.values()]
    for first in starts:
        assert sum(first <= each < first + timedelta(days=1) for each in starts) <= 3


def test_6_hours_over_the_ceiling_of_a_month_wait_for_the_next(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(aws, monkeypatch, hours_per_month=2.0)
    aws.ready().wake()
    aws.clock.forward(hours=2)
    aws.sagemaker.end()
    aws.publish("c2")
    assert aws.wake() is Kind.WAIT
    assert aws.reasons[-1].startswith("2.00 hours of training ended in 2026-03")
    aws.clock.forward(days=30)
    assert aws.wake() is Kind.WAIT
    aws.clock.forward(days=1)
    assert aws.wake() is Kind.START


# --- 7. failure ends ----------------------------------------------------------------------------


def test_7_a_failure_of_awss_is_retried_with_growing_waits_and_then_a_persons(aws: Aws) -> None:
    run_once(aws.ready(), "Failed", CAPACITY)
    ended = aws.clock.now
    waits = []
    for _ in range(2):
        while aws.wake() is Kind.WAIT:
            aws.clock.forward(minutes=1)
        waits.append(round((aws.clock.now - ended).total_seconds() / 60))
        end(aws, "Failed", CAPACITY)
        ended = aws.clock.now
    assert waits == [15, 60]
    assert aws.wake() is Kind.PERSON
    assert set(sweeps(aws)) == {Kind.NOTHING}
    assert len(calls_for_a_person(aws)) == 1
    assert len(set(aws.sagemaker.tokens)) == len(aws.sagemaker.executions) == 3
    assert len({json.dumps(each) for each in executions(aws)}) == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("Failed", "ClientError: AlgorithmError: KeyError: 'age', exit code: 1"),
        ("Failed", ""),
        ("Stopped", ""),
    ],
)
def test_7_a_failure_of_the_data_the_code_or_the_gate_is_never_retried(
    aws: Aws, status: str, reason: str
) -> None:
    run_once(aws.ready(), status, reason)
    assert aws.wake() is Kind.PERSON
    assert set(sweeps(aws)) == {Kind.NOTHING}
    assert len(aws.sagemaker.executions) == 1
    assert len(calls_for_a_person(aws)) == 1
    aws.upload(body="mended")
    aws.clock.forward(minutes=2)
    assert aws.wake() is Kind.START


def test_7_what_sagemaker_refuses_to_start_is_not_tried_for_ever(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: Any) -> Any:
        raise refusal("ValidationException", "Unknown parameters [Seed]")

    with monkeypatch.context() as patch:
        patch.setattr(aws.sagemaker, "start_pipeline_execution", refused)
        aws.ready().wake()
        assert aws.wake() is Kind.PERSON
        assert "refused to start it: Unknown parameters [Seed]" in aws.reasons[-1]
        assert set(sweeps(aws)) == {Kind.NOTHING}
    assert aws.state["claim"] is None
    aws.publish("c2")
    assert aws.wake() is Kind.START


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "ThrottlingException", "InternalFailure"]
)
def test_7_a_start_that_aws_cannot_do_now_is_done_once_it_can(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def refused(**_: Any) -> Any:
        raise refusal(code)

    with monkeypatch.context() as patch:
        patch.setattr(aws.sagemaker, "start_pipeline_execution", refused)
        with pytest.raises(
            Exception, match=code
        ):  # the message comes again, and at last to the DLQ
            aws.ready().wake()
    aws.clock.forward(minutes=15)
    assert aws.wake() is Kind.WAIT  # it looks again, and sees the run that it has just started
    decisions = [entry["decision"] for entry in aws.ledger]
    assert decisions == [Kind.START, Kind.COMPLETE, Kind.WAIT]
    assert len(aws.sagemaker.executions) == 1


def calls_until_a_person_is_told() -> list[str]:
    mortal = Mortal()
    fail(Aws(), mortal)
    return mortal.calls


def fail(aws: Aws, mortal: Mortal | None = None) -> None:
    """A run has failed, and the controller wakes up."""
    run_once(aws.ready(), "Failed", "AlgorithmError: bad")
    aws.wake(mortal)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("number", "call"), list(enumerate(calls_until_a_person_is_told())))
def test_7_a_person_is_told_also_if_the_controller_is_killed_at_any_call(
    aws: Aws, number: int, call: str, after: bool
) -> None:
    mortal = Mortal(number, after=after)
    with pytest.raises(Died):
        fail(aws, mortal)
    assert mortal.calls[-1] == call
    sweeps(aws)
    assert len(calls_for_a_person(aws)) == 1
    assert aws.cloudwatch.metrics
    assert aws.state["unrecorded"] == []


# --- 8. every decision is recorded before its effect ---------------------------------------------


def test_8_nothing_is_started_sent_or_told_that_is_not_in_the_ledger(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each effect finds its decision already there."""
    seen = []

    def watched(client: Any, name: str) -> None:
        call = getattr(client, name)

        def effect(**request: Any) -> Any:
            seen.append((name, aws.ledger[-1]["decision"]))
            return call(**request)

        monkeypatch.setattr(client, name, effect)

    watched(aws.sagemaker, "start_pipeline_execution")
    watched(aws.sqs, "send_message")
    watched(aws.cloudwatch, "put_metric_data")
    aws.publish()
    aws.upload()
    aws.wake()
    run_once(aws, "Failed", "AlgorithmError: bad")
    aws.wake()
    assert seen == [
        ("send_message", "wait"),
        ("start_pipeline_execution", "start"),
        ("put_metric_data", "a person is needed"),
    ]


def test_8_the_record_of_a_dead_controller_shows_how_far_it_came(aws: Aws) -> None:
    aws.ready()
    mortal = Mortal()
    Aws().ready().wake(mortal)
    start = mortal.calls.index("start_pipeline_execution")
    with pytest.raises(Died):
        aws.wake(Mortal(start, after=True))
    assert [entry["decision"] for entry in aws.ledger] == ["start"]
    owner = aws.ledger[0]["inputs"]["owner"]
    assert aws.state["claim"]["owner"] == owner
    aws.clock.forward(minutes=11)
    aws.wake()
    decisions = [entry["decision"] for entry in aws.ledger]
    assert decisions == ["start", "complete the claim", "wait"]  # for the run that is under way
    first, second = (entry["inputs"] for entry in aws.ledger[:2])
    assert first["token"] == second["token"]
    assert first["owner"] != second["owner"]


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=6))
@hypothesis_settings(max_examples=60, deadline=None)
def test_8_a_decision_is_recorded_once_whoever_dies_where(deaths: list[tuple[int, bool]]) -> None:
    aws = Aws()
    aws.publish()
    aws.upload()
    for at, after in deaths:
        try:
            aws.wake(Mortal(at, after=after))
        except Died:
            aws.clock.forward(seconds=1)
    sweeps(aws)
    for decision in ("start", "run ended"):
        assert [entry["decision"] for entry in aws.ledger].count(decision) == 1
    assert rules(aws).count("quiet period") <= 1


def test_8_an_entry_says_by_which_rule_from_what_and_why(aws: Aws) -> None:
    run_once(aws.ready())
    aws.wake()
    for entry in aws.ledger:
        assert entry["rule"]
        assert entry["reason"].endswith(".")
        assert entry["inputs"]["snapshot_id"]
        assert entry["inputs"]["code_version"] == "c1"
