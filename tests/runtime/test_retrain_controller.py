"""The retrain controller, on an AWS in memory: what it does, and what it leaves behind."""

import contextlib
import json
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from components.runtime.ledger import Ledger
from components.runtime.retrain_controller import Clients, RetrainController, Settings
from components.runtime.retrain_decision import Kind
from components.runtime.retrain_world import Limits
from components.runtime.segment import Segments
from components.runtime.snapshot import Snapshot
from tests.runtime.fakes import (
    S3,
    Clock,
    CloudWatch,
    Died,
    Executions,
    Mortal,
    Sqs,
    content_id,
    truth,
)

SETTINGS = Settings(
    loop="churn",
    artifact_bucket="artifacts",
    data_bucket="data",
    data_prefix="data/",
    pipeline="churn",
    alarms=("churn-drift",),
    queue_url="https://queue",
    namespace="Perennial",
    limits=Limits(
        quiet_period=timedelta(seconds=60),
        max_wait=timedelta(hours=1),
        cooldown=timedelta(hours=1),
        claim_period=timedelta(seconds=600),
        runs_per_day=10,
        hours_per_month=None,
        retries=2,
        retry_wait=timedelta(minutes=15),
    ),
)


NO_TIME = timedelta(0)


class Aws:
    """The loop's corner of AWS, and a controller in it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.s3 = S3(self.clock)
        self.s3.page = 1000  # as S3's: one sweep lists all that tests upload
        self.sqs = Sqs()
        self.sagemaker = Executions(self.clock)
        self.cloudwatch = CloudWatch()

    def controller(self, mortal: Mortal | None = None) -> RetrainController:
        parts = (self.s3, self.sqs, self.sagemaker, self.cloudwatch)
        clients = Clients(*(map(mortal.client, parts) if mortal else parts))
        return RetrainController(SETTINGS, clients)

    def wake(self, mortal: Mortal | None = None, *, ahead: timedelta = NO_TIME) -> Kind | None:
        """A controller, whose clock may be ahead of the others, takes a step."""
        now = self.clock.forward(milliseconds=1)  # no two entries of the ledger at one moment
        decision = self.controller(mortal).wake(now + ahead)
        return decision.kind if decision else None

    def upload(self, name: str = "a.csv", body: str = "x") -> None:
        self.s3.put("data", f"data/{name}", body)

    def publish(self, version: str = "c1", **parameters: str) -> None:
        code = {"code_version": version, "git_commit": "unknown", "parameters": parameters}
        self.s3.put("artifacts", "code/current.json", json.dumps(code))

    def alarm(self, state: str = "ALARM") -> None:
        self.cloudwatch.alarms["churn-drift"] = (state, self.clock.now)

    def ready(self) -> "Aws":
        """Data and code are there, and the quiet period is over."""
        self.upload()
        self.publish()
        self.clock.forward(minutes=2)
        return self

    @property
    def state(self) -> Any:
        return self.s3.json("artifacts", "state/retrain.json")

    @property
    def ledger(self) -> list[dict[str, Any]]:
        return list(Ledger(self.s3, "artifacts", "churn").read())

    @property
    def reasons(self) -> list[str]:
        return [entry["reason"] for entry in self.ledger]


@pytest.fixture
def aws() -> Aws:
    return Aws()


def fail_step(name: str, **told: Any) -> dict[str, Any]:
    return {"StepName": name, "StepStatus": "Failed", **told}


# --- starting -----------------------------------------------------------------------------------


def test_a_young_loop_waits_without_a_fault(aws: Aws) -> None:
    assert aws.wake() is Kind.NOTHING
    aws.upload()
    assert aws.wake() is Kind.NOTHING
    assert [entry["rule"] for entry in aws.ledger] == ["no data yet", "no code yet"]


def test_a_burst_of_uploads_is_one_run(aws: Aws) -> None:
    aws.publish()
    for number in range(20):
        aws.upload(f"{number}.csv")
        aws.clock.forward(seconds=10)
        assert aws.wake() is Kind.WAIT
    aws.clock.forward(seconds=60)
    assert aws.wake() is Kind.START
    assert [aws.wake() for _ in range(5)] == [Kind.WAIT] * 5
    assert len(aws.sagemaker.executions) == 1


def test_a_run_is_given_its_snapshot_and_its_code(aws: Aws) -> None:
    aws.ready().wake()
    (execution,) = aws.sagemaker.executions.values()
    snapshot_id = execution["parameters"]["SnapshotId"]
    assert execution["parameters"] == {"SnapshotId": snapshot_id, "CodeVersion": "c1"}
    snapshot = Snapshot.load(aws.s3, "artifacts", snapshot_id)
    assert snapshot is not None
    entries = snapshot.entries(Segments(aws.s3, "artifacts"))
    assert [entry.key for entry in entries] == ["data/a.csv"]


def test_an_execution_shows_the_head_of_its_token(aws: Aws) -> None:
    aws.ready().wake()
    ((token, arn),) = aws.sagemaker.tokens.items()
    name = aws.sagemaker.executions[arn]["PipelineExecutionDisplayName"]
    assert name == f"retrain-{token[:32]}"


def test_a_changed_object_starts_a_run_that_says_so(aws: Aws) -> None:
    aws.ready().wake()
    aws.sagemaker.end()
    aws.upload(body="other")
    aws.clock.forward(minutes=2)
    assert aws.wake() is Kind.START
    assert aws.reasons[-1] == "data: 1 object changed since run run1."


def test_nothing_changed_is_no_run(aws: Aws) -> None:
    aws.ready().wake()
    aws.sagemaker.end()
    aws.upload()  # the same content again
    aws.clock.forward(minutes=2)
    assert aws.wake() is Kind.NOTHING
    assert aws.ledger[-1]["rule"] == "no change, no run"


def test_an_episode_is_the_same_in_every_time_zone(aws: Aws) -> None:
    aws.ready().wake()
    aws.sagemaker.end()
    aws.clock.forward(hours=2)
    aws.alarm()
    assert aws.wake() is Kind.PERSON
    state, since = aws.cloudwatch.alarms["churn-drift"]
    # boto3 gives the time zone of the machine.
    local = since.astimezone(timezone(timedelta(hours=5)))
    aws.cloudwatch.alarms["churn-drift"] = (state, local)
    assert aws.wake() is Kind.NOTHING


def test_only_new_versions_are_asked_for_their_checksum(aws: Aws) -> None:
    for name in "abcde":
        aws.upload(name)
    aws.ready().wake()
    aws.sagemaker.end()
    aws.s3.heads.clear()
    aws.upload("f")
    aws.clock.forward(minutes=2)
    aws.wake()
    assert aws.s3.heads == ["data/f"]


# --- outcomes -----------------------------------------------------------------------------------


def test_a_failed_run_is_recorded_with_the_reason_of_its_step(aws: Aws) -> None:
    aws.ready().wake()
    end = aws.clock.forward(minutes=3)
    aws.sagemaker.end(
        "Failed", [fail_step("Prepare", FailureReason="AlgorithmError: a.csv, column age")]
    )
    aws.clock.forward(minutes=1)
    assert aws.wake() is Kind.PERSON
    ended = next(entry for entry in aws.ledger if entry["decision"] == "run ended")
    assert ended["time"] == end.isoformat()
    assert ended["reason"] == "Run run1 ended: Failed: Prepare: AlgorithmError: a.csv, column age."
    assert aws.ledger[-1]["rule"] == "failed before"
    assert "a.csv, column age" in aws.ledger[-1]["reason"]


def test_what_a_failed_script_said_is_recorded_and_not_that_there_is_a_log(aws: Aws) -> None:
    aws.ready().wake()
    aws.sagemaker.exit_messages["pipelines-run1-Prepare-x"] = "a.csv, column age: 'a lot'"
    job = "arn:aws:sagemaker:eu-west-1:123456789012:processing-job/pipelines-run1-Prepare-x"
    step = fail_step(
        "Prepare",
        FailureReason="AlgorithmError: See job logs for more information",
        Metadata={"ProcessingJob": {"Arn": job}},
    )
    aws.sagemaker.end("Failed", [step])
    aws.wake()
    assert "Prepare: a.csv, column age: 'a lot'" in aws.reasons[-1]


def test_a_refused_model_is_recorded_with_the_words_of_the_gate(aws: Aws) -> None:
    aws.ready().wake()
    refused = {"Fail": {"ErrorMessage": "roc_auc 0.4 is below 0.6"}}
    aws.sagemaker.end("Failed", [fail_step("Refused", Metadata=refused)])
    aws.wake()
    assert "Refused: roc_auc 0.4 is below 0.6" in aws.reasons[-1]


def test_a_run_that_failed_without_a_failed_step_has_its_own_reason(aws: Aws) -> None:
    aws.ready().wake()
    (execution,) = aws.sagemaker.executions.values()
    execution["FailureReason"] = "the definition could not be read"
    aws.sagemaker.end("Failed")
    aws.wake()
    assert "the definition could not be read" in aws.reasons[-1]


def test_an_end_seen_by_two_is_recorded_once(aws: Aws) -> None:
    aws.ready().wake()
    aws.sagemaker.end()
    state = aws.s3.get_object(Bucket="artifacts", Key="state/retrain.json")["Body"].read()
    aws.wake()
    aws.s3.put("artifacts", "state/retrain.json", state)  # as the second one has read it
    aws.wake()
    assert sum(entry["decision"] == "run ended" for entry in aws.ledger) == 1


# --- waiting ------------------------------------------------------------------------------------


def test_who_waits_is_woken_in_time(aws: Aws) -> None:
    aws.publish()
    aws.upload()
    aws.clock.forward(seconds=20)
    aws.wake()
    (message,) = aws.sqs.sent
    assert message["QueueUrl"] == "https://queue"
    assert message["DelaySeconds"] == 41


def test_one_wake_up_is_on_its_way_however_often_the_controller_looks(aws: Aws) -> None:
    aws.publish()
    for _ in range(5):
        aws.upload()
        aws.clock.forward(seconds=10)
        aws.wake()
    assert len(aws.sqs.sent) == 1
    aws.clock.forward(seconds=11)
    aws.wake()  # the wake-up arrives, and the uploads went on meanwhile
    assert len(aws.sqs.sent) == 2
    assert [entry["rule"] for entry in aws.ledger] == ["quiet period"]


def test_a_wait_longer_than_sqs_can_delay_is_waited_for_in_parts(aws: Aws) -> None:
    aws.ready().wake()
    aws.sagemaker.end()
    aws.alarm()
    aws.wake()
    assert [message["DelaySeconds"] for message in aws.sqs.sent] == [900]
    aws.clock.forward(seconds=901)
    aws.wake()
    assert len(aws.sqs.sent) == 2


def test_who_has_to_look_sooner_does_not_wait_for_the_wake_up_that_is_on_its_way(aws: Aws) -> None:
    aws.ready().wake()
    aws.sagemaker.end()
    aws.alarm()
    aws.wake()  # the cool-down
    aws.upload(body="other")
    aws.wake()
    assert [message["DelaySeconds"] for message in aws.sqs.sent] == [900, 61]


# --- the ledger ---------------------------------------------------------------------------------


def test_a_decision_is_recorded_before_its_effect(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    start = aws.sagemaker.start_pipeline_execution

    def look(**request: Any) -> Any:
        seen.append((aws.ledger[-1]["decision"], aws.state["claim"]["token"]))
        return start(**request)

    monkeypatch.setattr(aws.sagemaker, "start_pipeline_execution", look)
    aws.ready().wake()
    assert seen == [("start", next(iter(aws.sagemaker.tokens)))]
    assert aws.state["claim"] is None


def test_the_same_wait_is_recorded_once(aws: Aws) -> None:
    aws.publish()
    for _ in range(10):
        aws.upload()
        aws.clock.forward(seconds=1)
        aws.wake()
    assert [entry["rule"] for entry in aws.ledger] == ["quiet period"]


def test_an_entry_holds_what_the_decision_was_made_of(aws: Aws) -> None:
    aws.ready().wake()
    inputs = aws.ledger[-1]["inputs"]
    (token,) = aws.sagemaker.tokens
    assert inputs["token"] == token
    assert inputs["objects"] == 1
    assert inputs["code_version"] == "c1"
    assert inputs["snapshot_id"] == aws.state["runs"][0]["identity"]["inputs"]["snapshot_id"]


def test_a_decision_is_one_line_of_json_in_the_log(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.ready().wake()
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["decision"] == "start"


# --- races and deaths ---------------------------------------------------------------------------


def test_who_loses_the_race_looks_again_and_starts_nothing(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.ready()
    slow, fast = aws.controller(), aws.controller()
    read = slow._read_world

    def overtaken(*args: Any) -> Any:
        seen = read(*args)
        fast.wake(aws.clock.now)
        return seen

    monkeypatch.setattr(slow, "_read_world", overtaken)
    decision = slow.wake(aws.clock.now)
    assert decision is not None
    assert decision.rule == "single flight"
    assert aws.sagemaker.starts == 1
    assert [entry["decision"] for entry in aws.ledger] == ["start", "wait"]


def test_a_controller_that_is_always_too_late_gives_up(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.ready()
    slow = aws.controller()
    read = slow._read_world

    def overtaken(*args: Any) -> Any:
        seen = read(*args)
        state = aws.s3.buckets["artifacts"].get("state/retrain.json")
        told = {"told": [str(len(state))]} if state else {}
        document = slow._read_state().state.to_json() | told
        aws.s3.put("artifacts", "state/retrain.json", json.dumps(document))
        return seen

    monkeypatch.setattr(slow, "_read_world", overtaken)
    assert slow.wake(aws.clock.now) is None
    assert aws.sagemaker.starts == 0


def test_a_claim_whose_reply_was_lost_is_known_again(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 repeats the write, which then meets itself."""
    aws.ready()
    put = aws.s3.put_object

    def twice(**request: Any) -> Any:
        if request["Key"] == "state/retrain.json" and b'"owner"' in request["Body"]:
            monkeypatch.setattr(aws.s3, "put_object", put)
            put(**request)
        return put(**request)

    monkeypatch.setattr(aws.s3, "put_object", twice)
    assert aws.wake() is Kind.START
    assert aws.state["claim"] is None
    assert len(aws.state["runs"]) == 1


def test_who_writes_while_a_run_is_started_does_not_undo_it(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.ready()
    start = aws.sagemaker.start_pipeline_execution

    def overtaken(**request: Any) -> Any:
        answer = start(**request)
        assert aws.wake() is Kind.WAIT
        return answer

    monkeypatch.setattr(aws.sagemaker, "start_pipeline_execution", overtaken)
    aws.wake()
    assert aws.state["claim"] is None
    assert len(aws.state["runs"]) == 1
    assert [entry["rule"] for entry in aws.ledger] == ["change", "claim"]


def cycle(aws: Aws, mortal: Mortal | None = None) -> None:
    """A first run starts, ends and is seen to have ended."""
    aws.wake(mortal)
    if aws.sagemaker.active:
        aws.sagemaker.end()
    aws.wake(mortal)


def calls_of_a_cycle() -> list[str]:
    mortal = Mortal()
    cycle(Aws().ready(), mortal)
    return mortal.calls


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("number", "call"), list(enumerate(calls_of_a_cycle())))
def test_a_controller_killed_at_any_call_leaves_one_run_and_its_record(
    aws: Aws, number: int, call: str, after: bool
) -> None:
    aws.ready()
    mortal = Mortal(number, after=after)
    with pytest.raises(Died):
        cycle(aws, mortal)
    assert mortal.calls[-1] == call
    for _ in range(8):  # the messages come again, and the sweep
        aws.clock.forward(minutes=5)
        aws.wake()
        if aws.sagemaker.active:
            aws.sagemaker.end()
    assert len(aws.sagemaker.executions) == 1
    assert [run["status"] for run in aws.state["runs"]] == ["Succeeded"]
    assert aws.state["claim"] is None
    decisions = [entry["decision"] for entry in aws.ledger]
    assert decisions.count("start") == 1
    assert decisions.count("run ended") == 1


def test_a_claim_is_completed_with_the_execution_that_was_started(aws: Aws) -> None:
    aws.ready()
    calls = calls_of_a_cycle()
    with pytest.raises(Died):
        aws.wake(Mortal(calls.index("start_pipeline_execution"), after=True))
    assert aws.wake() is Kind.WAIT
    aws.clock.forward(minutes=11)
    aws.wake()
    assert aws.ledger[-2]["decision"] == Kind.COMPLETE
    assert aws.sagemaker.starts == 1
    assert len(aws.state["runs"]) == 1


class Loop(RuleBasedStateMachine):
    """People upload and publish, alarms come and go, runs end, controllers die."""

    def __init__(self) -> None:
        super().__init__()
        self.aws = Aws()
        self.aws.publish()

    @rule(name=st.sampled_from("abc"), body=st.sampled_from("xyz"))
    def upload(self, name: str, body: str) -> None:
        self.aws.upload(name, body)

    @rule(name=st.sampled_from("abc"))
    def delete(self, name: str) -> None:
        if f"data/{name}" in self.aws.s3.keys("data"):
            self.aws.s3.delete_object(Bucket="data", Key=f"data/{name}")

    @rule(version=st.sampled_from(["c1", "c2"]))
    def publish(self, version: str) -> None:
        self.aws.publish(version)

    @rule(state=st.sampled_from(["ALARM", "OK"]))
    def alarm(self, state: str) -> None:
        self.aws.alarm(state)

    @rule(minutes=st.sampled_from([0.5, 2, 90]))
    def time_goes_by(self, minutes: float) -> None:
        self.aws.clock.forward(minutes=minutes)

    @rule(failure=st.sampled_from(["", "AlgorithmError: bad", "CapacityError: none left"]))
    def run_ends(self, failure: str) -> None:
        if self.aws.sagemaker.active:
            steps = [fail_step("Train", FailureReason=failure)] if failure else []
            self.aws.sagemaker.end("Failed" if failure else "Succeeded", steps)

    @rule(at=st.none() | st.integers(0, 30), after=st.booleans(), ahead=st.integers(-5, 5))
    def wake(self, at: int | None, after: bool, ahead: int) -> None:
        with contextlib.suppress(Died):
            self.aws.wake(Mortal(at, after=after), ahead=timedelta(minutes=ahead))

    @invariant()
    def one_run_at_a_time(self) -> None:
        assert len(self.aws.sagemaker.active) <= 1

    @invariant()
    def nothing_is_run_twice(self) -> None:
        seen = []
        for execution in self.aws.sagemaker.executions.values():
            last = self.aws.sagemaker.steps.get(execution["PipelineExecutionArn"], [])
            retried = any("CapacityError" in step["FailureReason"] for step in last)
            if not retried:
                seen.append(json.dumps(execution["parameters"]))
        # A drift episode may have started one more on data that had come back.
        drift = sum(run["rule"] == "drift" for run in self.runs)
        assert len(seen) - len(set(seen)) <= drift

    @invariant()
    def an_episode_is_in_one_run_and_its_retries(self) -> None:
        episodes = [
            episode
            for run in self.runs
            if run["rule"] != "retry"
            for episode in run["identity"]["episodes"]
        ]
        assert len(episodes) == len(set(episodes))

    @property
    def runs(self) -> list[Any]:
        written = "state/retrain.json" in self.aws.s3.keys("artifacts")
        return list(self.aws.state["runs"]) if written else []

    def teardown(self) -> None:
        """In the end, what is there now has been run, and there is nothing left to do."""
        aws = self.aws
        for _ in range(20):
            aws.clock.forward(hours=7)
            aws.wake()
            if aws.sagemaker.active:
                aws.sagemaker.end()
        if entries := truth(aws.s3):
            wanted = {
                "SnapshotId": content_id(entries),
                "CodeVersion": aws.s3.json("artifacts", "code/current.json")["code_version"],
            }
            executions = aws.sagemaker.executions.values()
            assert wanted in [execution["parameters"] for execution in executions]
        assert aws.wake() is Kind.NOTHING


Loop.TestCase.settings = hypothesis_settings(max_examples=40, stateful_step_count=25, deadline=None)
TestLoop = Loop.TestCase


# --- settings -----------------------------------------------------------------------------------


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_environment(
        {
            "LOOP": "churn",
            "ARTIFACT_BUCKET": "artifacts",
            "DATA_BUCKET": "data",
            "DATA_PREFIX": "data/",
            "PIPELINE_NAME": "churn",
            "ALARM_NAMES": '["churn-drift"]',
            "QUEUE_URL": "https://queue",
            "QUIET_PERIOD_SECONDS": "60",
            "COOLDOWN_SECONDS": "3600",
            "CLAIM_SECONDS": "600",
            "MAX_WAIT_SECONDS": "3600",
            "RUNS_PER_DAY": "10",
            "HOURS_PER_MONTH": "",
            "RETRIES": "2",
            "RETRY_SECONDS": "900",
            "NAMESPACE": "Perennial",
        }
    )
    assert settings == SETTINGS


def test_a_loop_without_alarms_asks_for_none(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    # DescribeAlarms without names would answer with every alarm of the account.
    monkeypatch.setattr(aws.cloudwatch, "describe_alarms", None)
    controller = aws.ready().controller()
    controller.settings = replace(SETTINGS, alarms=())
    decision = controller.wake(aws.clock.now)
    assert decision is not None
    assert decision.kind is Kind.START
