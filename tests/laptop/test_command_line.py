"""`perennial` against an AWS that enforces IAM: every command, and every way to be refused."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from components.cli import main as command_line
from components.runtime.document import Document
from components.runtime.ledger import Ledger
from components.runtime.orders import PAUSE_KEY, REQUEST_KEY, Pause, Request
from components.runtime.retrain_state import STATE_KEY, State
from laptop import ACCOUNT, REGION
from laptop.server import LaptopAWS

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
POLICY = json.loads(re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)[0])
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
Client = Callable[[str], Any]


@dataclass(frozen=True)
class Typed:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def refusal(self) -> str:
        """The sentence with which it was refused."""
        assert (self.code, self.out) == (1, "")
        (line,) = self.err.splitlines()
        return line


Perennial = Callable[..., Typed]


@pytest.fixture
def perennial(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Perennial:
    """Types a command, as the root user unless the environment is set to be another."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))

    def type_(*arguments: str) -> Typed:
        code = command_line.main(list(arguments))
        return Typed(code, *capsys.readouterr())

    return type_


@dataclass(frozen=True)
class Made:
    """A loop as far as the command line knows it."""

    name: str
    bucket: str
    client: Client
    queue: str
    dead: str

    def read(self, key: str) -> Any:
        return Document(self.client("s3"), self.bucket, key).read()[0]

    def die(self, *bodies: str) -> None:
        """Let these messages come to the dead-letter queue."""
        sqs = self.client("sqs")
        for body in bodies:
            sqs.send_message(QueueUrl=self.queue, MessageBody=body)
        for _ in range(2):
            sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)


@pytest.fixture
def made(client: Client, name: str) -> Made:
    """A young loop: two decisions, one queue with its dead letters."""
    bucket, loop = f"{name}-artifacts-0a1b2c3", f"perennial-dev-{name}"
    client("s3").create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    ledger = Ledger(client("s3"), bucket, loop)
    for decision, rule, reason in (
        ("nothing", "no data yet", "There is no data yet."),
        ("nothing", "no code yet", "There is no code yet."),
    ):
        now = datetime.now(UTC)
        ledger.append(now, "retrain", decision=decision, rule=rule, reason=reason, inputs={})
    state = State(last_decision=("nothing", "no code yet", "There is no code yet."))
    Document(client("s3"), bucket, STATE_KEY).write(state.to_json(), None)
    dead = client("sqs").create_queue(QueueName=f"{name}-retrain-dead-letters-1")["QueueUrl"]
    target = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-retrain-dead-letters-1"
    redrive = {"deadLetterTargetArn": target, "maxReceiveCount": 1}
    settings = {"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "0"}
    queue = client("sqs").create_queue(QueueName=f"{loop}-retrain-wakeups", Attributes=settings)
    return Made(loop, bucket, client, queue["QueueUrl"], dead)


@pytest.fixture
def allowed(
    client: Client, role: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """From here on commands are typed by a role that may do only this; gives the ARN it has."""

    def act(*statements: dict[str, Any]) -> str:
        answer = client("sts").assume_role(
            RoleArn=role(*statements, service="sagemaker.amazonaws.com"), RoleSessionName="ann"
        )
        keys = answer["Credentials"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["SecretAccessKey"])
        monkeypatch.setenv("AWS_SESSION_TOKEN", keys["SessionToken"])
        return str(answer["AssumedRoleUser"]["Arn"])

    return act


def policy(made: Made, *sids: str) -> list[dict[str, Any]]:
    """The statements of the documented policy for this loop, or some of them."""
    text = json.dumps([each for each in POLICY["Statement"] if not sids or each["Sid"] in sids])
    for placeholder, value in {
        "ARTIFACT_BUCKET": made.bucket,
        "REGION": REGION,
        "ACCOUNT": ACCOUNT,
        "LOOP": made.name,
        "NAME-": made.dead.rpartition("/")[2].removesuffix("retrain-dead-letters-1"),
    }.items():
        text = text.replace(placeholder, value)
    statements: list[dict[str, Any]] = json.loads(text)
    return statements


# --- the commands -------------------------------------------------------------------------------


def test_why_tells_the_answer_and_the_timeline(perennial: Perennial, made: Made) -> None:
    typed = perennial("why", "--loop", made.name)
    answer, empty, header, first, second = typed.out.splitlines()
    assert answer == "Did not retrain yet, because: There is no code yet."
    assert empty == ""
    assert header.split() == ["TIME", "KIND", "WHAT"]
    assert first.endswith("  decision  nothing (no data yet): There is no data yet.")
    assert second.endswith("  decision  nothing (no code yet): There is no code yet.")


def test_why_as_json_has_every_entry_with_its_inputs(perennial: Perennial, made: Made) -> None:
    told = perennial("why", "--loop", made.name, "--json").json
    assert told.keys() == {"loop", "bucket", "time", "since", "answer", "entries"}
    assert told["answer"] == "Did not retrain yet, because: There is no code yet."
    assert told["entries"] == Ledger(made.client("s3"), made.bucket, made.name).read()


def test_why_begins_where_it_is_told_to(perennial: Perennial, made: Made) -> None:
    typed = perennial("why", "--loop", made.name, "--since", "2099-01-01", "--json")
    assert typed.json["entries"] == []


def test_status_tells_how_the_loop_stands(perennial: Perennial, made: Made) -> None:
    made.die("a", "b")
    facts = dict(
        re.split(r"  +", line, maxsplit=1)
        for line in perennial("status", "--loop", made.name).out.splitlines()
    )
    assert facts["loop"] == made.name
    assert facts["bucket"] == made.bucket
    assert facts["retraining"] == "Did not retrain yet, because: There is no code yet."
    assert facts["paused"] == "no"
    assert facts["dead letters"] == "retrain 2"
    told = perennial("status", "--loop", made.name, "--json").json
    assert told["dead_letters"] == {"retrain": 2}
    assert (told["paused"], told["run"], told["live_version"]) == (None, None, None)


def test_pause_and_resume_are_written_with_who_and_why(perennial: Perennial, made: Made) -> None:
    typed = perennial("pause", "--loop", made.name, "--reason", "audit", "--until", "2h")
    assert typed.out.startswith(f"{made.name} is paused until 20")
    pause = Pause.from_json(made.read(PAUSE_KEY))
    assert (pause.who, pause.reason) == (ROOT, "audit")
    assert pause.until is not None
    assert pause.holds(pause.at)
    assert perennial("status", "--loop", made.name, "--json").json["paused"] == pause.to_json()
    typed = perennial("resume", "--loop", made.name, "--reason", "audit is over", "--json")
    assert typed.json["document"] == made.read(PAUSE_KEY)
    assert Pause.from_json(made.read(PAUSE_KEY)).paused is False
    assert perennial("resume", "--loop", made.name).out == f"{made.name} is not paused.\n"


def test_retrain_is_written_with_who_and_why(perennial: Perennial, made: Made) -> None:
    typed = perennial("retrain", "--loop", made.name, "--reason", "new labels", "--json")
    request = Request.from_json(made.read(REQUEST_KEY))
    assert (request.who, request.reason) == (ROOT, "new labels")
    assert typed.json == {
        "loop": made.name,
        "said": f"{made.name} is asked for a run.",
        "document": request.to_json(),
    }


def test_redrive_gives_the_dead_letters_back_and_counts_them(
    perennial: Perennial, made: Made
) -> None:
    made.die("a", "b")
    _, row = perennial("redrive", "--loop", made.name).out.splitlines()
    assert row.split()[:2] == ["retrain", "2"]
    received = made.client("sqs").receive_message(QueueUrl=made.queue, MaxNumberOfMessages=10)
    assert sorted(message["Body"] for message in received["Messages"]) == ["a", "b"]
    again = perennial("redrive", "--loop", made.name, "--json").json
    assert again == {"loop": made.name, "moving": {"retrain": 0}}


# --- which loop ---------------------------------------------------------------------------------


def test_a_loop_is_found_by_the_end_of_its_name_or_by_its_bucket(
    perennial: Perennial, made: Made, name: str
) -> None:
    assert perennial("why", "--loop", name, "--json").json["loop"] == made.name
    assert perennial("why", "--bucket", made.bucket, "--json").json["loop"] == made.name


def test_the_only_loop_of_a_region_needs_no_name(
    perennial: Perennial, monkeypatch: pytest.MonkeyPatch, laptop: LaptopAWS, name: str
) -> None:
    s3 = laptop.session().client("s3", region_name="eu-north-1")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert perennial("why").refusal.startswith("There is no loop in eu-north-1: look at AWS_REGION")
    for number in (1, 2):
        bucket = f"{name}-artifacts-{number}"
        s3.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-north-1"}
        )
        said = {"decision": "nothing", "rule": "r", "reason": "r"}
        ledger = Ledger(s3, bucket, f"perennial-{number}-churn")
        ledger.append(datetime.now(UTC), "retrain", **said, inputs={})
        if number == 1:
            assert perennial("why", "--json").json["loop"] == "perennial-1-churn"
    assert perennial("why").refusal == (
        "There are several loops in eu-north-1, give one with --loop: "
        "perennial-1-churn, perennial-2-churn."
    )


def test_a_bucket_that_is_no_loops_is_refused(perennial: Perennial, bucket: str) -> None:
    assert perennial("why", "--bucket", bucket).refusal.startswith(
        f"s3://{bucket} has no ledger of a loop: give the artifact bucket"
    )
    refused = perennial("why", "--bucket", f"{bucket}-none").refusal
    assert refused == f"There is no bucket {bucket}-none: correct --bucket."


def test_a_loop_without_queues_cannot_be_redriven(perennial: Perennial, made: Made) -> None:
    made.client("sqs").delete_queue(QueueUrl=made.queue)
    assert perennial("redrive", "--loop", made.name).refusal.startswith(
        f"{made.name} has no queues in this region: its stack was destroyed"
    )


# --- permissions --------------------------------------------------------------------------------


def test_the_documented_policy_is_enough_for_every_command(
    perennial: Perennial, made: Made, allowed: Callable[..., str]
) -> None:
    made.die("a")
    who = allowed(*policy(made))
    for typed in (
        ("status",),
        ("pause", "--reason", "audit"),
        ("retrain", "--reason", "new labels"),
        ("resume",),
        ("why",),
        ("redrive",),
    ):
        answer = perennial(*typed, "--loop", made.name)
        assert (answer.code, answer.err) == (0, ""), typed
    assert made.read(REQUEST_KEY)["who"] == who


def test_why_needs_nothing_but_to_read_the_bucket(
    perennial: Perennial, made: Made, allowed: Callable[..., str]
) -> None:
    allowed(*policy(made, "ReadTheLoop"))
    assert perennial("why", "--bucket", made.bucket).code == 0


@pytest.mark.parametrize(
    ("without", "typed", "lacks"),
    [
        ("FindLoops", ("why",), "s3:ListAllMyBuckets on this account"),
        ("ReadTheLoop", ("why", "--bucket"), "s3:ListBucket on s3://{bucket}/state/ledger"),
        (
            "OrderIt",
            ("pause", "--reason", "r", "--bucket"),
            "s3:PutObject on s3://{bucket}/state/pause.json",
        ),
        (
            "OrderIt",
            ("retrain", "--reason", "r", "--bucket"),
            "s3:PutObject on s3://{bucket}/state/request.json",
        ),
        (
            "SeeItsQueues",
            ("status", "--bucket"),
            "sqs:GetQueueUrl on the queue {loop}-retrain-wakeups",
        ),
        ("Redrive", ("redrive", "--bucket"), "sqs:StartMessageMoveTask on the queue "),
    ],
)
def test_a_missing_permission_is_named_with_its_resource(
    perennial: Perennial,
    made: Made,
    allowed: Callable[..., str],
    without: str,
    typed: tuple[str, ...],
    lacks: str,
) -> None:
    made.die("a")
    sids = {each["Sid"] for each in POLICY["Statement"]} - {without}
    allowed(*policy(made, *sids))
    arguments = (*typed, made.bucket) if typed[-1] == "--bucket" else typed
    said = lacks.format(bucket=made.bucket, loop=made.name)
    assert f"You lack the permission {said}" in perennial(*arguments).refusal


def test_a_loop_that_may_not_be_read_is_not_called_missing(
    perennial: Perennial, made: Made, allowed: Callable[..., str]
) -> None:
    allowed(*policy(made, "FindLoops"))
    refused = perennial("why", "--loop", made.name).refusal
    assert (
        f"There is no loop {made.name} among the buckets of {REGION} that you may read" in refused
    )


# --- logins, network, arguments -----------------------------------------------------------------


def test_no_credentials_is_one_sentence(
    perennial: Perennial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert perennial("why").refusal.startswith("There are no AWS credentials: log in")


def test_unknown_credentials_are_one_sentence(
    perennial: Perennial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    assert perennial("why").refusal.startswith("AWS does not know these credentials")


def test_no_region_is_one_sentence(perennial: Perennial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert perennial("why").refusal.startswith("No AWS region is set: set AWS_REGION")


def test_an_unreachable_aws_is_one_sentence(
    perennial: Perennial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert perennial("why").refusal.startswith("AWS cannot be reached: Could not connect")


def test_a_malformed_document_is_one_sentence(perennial: Perennial, made: Made) -> None:
    made.client("s3").put_object(Bucket=made.bucket, Key=PAUSE_KEY, Body=b"{}")
    assert perennial("status", "--bucket", made.bucket).refusal.startswith(
        f"s3://{made.bucket}/{PAUSE_KEY} is not in the format of its writer"
    )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("retrain", "--reason", " "), "The reason is empty: say why with --reason"),
        (("pause", "--reason", ""), "The reason is empty: say why with --reason"),
        (("pause", "--reason", "r", "--until", "2020-01-01"), "--until is 2020-01-01T00:00:00"),
        (("pause", "--reason", "r", "--until", "soon"), "'soon' is not a time: write 2026-03-01"),
        (("why", "--since", "soon"), "'soon' is not a time: write 2026-03-01"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_asked_of_aws(
    perennial: Perennial, monkeypatch: pytest.MonkeyPatch, typed: tuple[str, ...], said: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert perennial(*typed).refusal.startswith(said)


def test_two_people_at_the_same_moment_do_not_overwrite_each_other(
    perennial: Perennial, made: Made, monkeypatch: pytest.MonkeyPatch, laptop: LaptopAWS
) -> None:
    who = command_line.Command.who

    def overtaken(command: command_line.Command) -> str:
        monkeypatch.setattr(command_line.Command, "who", who)
        laptop.client("s3").put_object(Bucket=made.bucket, Key=PAUSE_KEY, Body=b"{}")
        return who(command)

    monkeypatch.setattr(command_line.Command, "who", overtaken)
    assert perennial("pause", "--bucket", made.bucket, "--reason", "r").refusal == (
        f"s3://{made.bucket}/{PAUSE_KEY} was changed by another. Nothing was done: look with "
        "perennial status, and repeat if it is still wanted."
    )
    assert made.read(PAUSE_KEY) == {}
