"""The deploy controller, on an AWS in memory: what it does, and what it leaves behind."""

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components.runtime.deploy_controller import Clients, DeployController, Settings
from components.runtime.deploy_decision import Kind
from components.runtime.ledger import Ledger
from tests.runtime.fakes import S3, Clock, Died, Endpoints, Logs, Mortal, Sqs, refusal

SETTINGS = Settings(
    loop="churn",
    artifact_bucket="artifacts",
    group="churn",
    endpoint="churn",
    role_arn="arn:aws:iam::123456789012:role/churn",
    instance_type="ml.m5.large",
    instance_count=2,
    capture_percent=100,
    kms_key_arn="",
    subnets=(),
    security_groups=(),
    tags={"owner": "me"},
    queue_url="https://queue",
    pinned_config="",
)


class Aws:
    """The endpoint's corner of AWS, and a controller in it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.s3 = S3(self.clock)
        self.sqs = Sqs()
        self.sagemaker = Endpoints(self.clock)
        self.logs = Logs()
        self.settings = SETTINGS

    def controller(self, mortal: Mortal | None = None) -> DeployController:
        parts = (self.s3, self.sqs, self.sagemaker, self.logs)
        clients = Clients(*(map(mortal.client, parts) if mortal else parts))
        return DeployController(self.settings, clients, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        """What SageMaker does in the meantime: it deletes what is being deleted."""
        self.clock.forward(seconds=seconds)
        endpoint = self.sagemaker.endpoint
        if endpoint and endpoint["EndpointStatus"] == "Deleting":
            self.sagemaker.endpoint = None
        elif endpoint and endpoint["EndpointStatus"] in ("Creating", "Updating"):
            self.sagemaker.settle()

    def wake(self, mortal: Mortal | None = None) -> Kind | None:
        decision = self.controller(mortal).wake(self.clock.forward(milliseconds=1))
        return decision.kind if decision else None

    def wake_until_idle(self) -> list[Kind | None]:
        """As the controller's own wake-ups do."""
        kinds = [self.wake()]
        while kinds[-1] not in (Kind.WAIT, Kind.NOTHING):
            assert len(kinds) < 10
            kinds.append(self.wake())
        return kinds

    def deploy(self, number: int) -> None:
        """Approve a version, and see it come up."""
        self.sagemaker.register(number)
        self.wake_until_idle()
        self.sagemaker.settle()
        self.wake_until_idle()

    @property
    def live(self) -> str | None:
        endpoint = self.sagemaker.endpoint
        return str(endpoint["EndpointConfigName"]) if endpoint else None

    @property
    def state(self) -> Any:
        return self.s3.json("artifacts", "state/deploy.json")

    @property
    def ledger(self) -> list[dict[str, Any]]:
        return list(Ledger(self.s3, "artifacts", "churn").read())


@pytest.fixture
def aws() -> Aws:
    return Aws()


# --- coming up ----------------------------------------------------------------------------------


def test_before_the_first_approval_there_is_no_endpoint_and_no_fault(aws: Aws) -> None:
    aws.sagemaker.register(1, "PendingManualApproval")
    assert aws.wake_until_idle() == [Kind.NOTHING]
    assert aws.sagemaker.endpoint is None


def test_the_first_approved_version_comes_up_and_is_confirmed(aws: Aws) -> None:
    aws.sagemaker.register(1)
    assert aws.wake_until_idle() == [Kind.CREATE, Kind.WAIT]
    aws.sagemaker.settle()
    assert aws.wake_until_idle() == [Kind.CONFIRM, Kind.NOTHING]
    assert aws.live == "churn-v1"
    assert aws.state["live"] == 1
    decisions = [entry["decision"] for entry in aws.ledger]
    assert decisions == ["create", "wait", "confirm", "nothing"]


def test_model_and_configuration_are_made_from_the_settings(aws: Aws) -> None:
    aws.sagemaker.register(1)
    aws.wake()
    tags = [{"Key": "owner", "Value": "me"}]
    assert aws.sagemaker.models["churn-v1"] == {
        "ModelName": "churn-v1",
        "PrimaryContainer": {"ModelPackageName": aws.sagemaker.packages[1]["ModelPackageArn"]},
        "ExecutionRoleArn": SETTINGS.role_arn,
        "Tags": tags,
    }
    assert aws.sagemaker.configs["churn-v1"] == {
        "EndpointConfigName": "churn-v1",
        "ProductionVariants": [
            {
                "VariantName": "primary",
                "ModelName": "churn-v1",
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 2,
            }
        ],
        "DataCaptureConfig": {
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": "s3://artifacts/capture",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {
                "CsvContentTypes": ["text/csv"],
                "JsonContentTypes": ["application/json"],
            },
        },
        "Tags": tags,
    }


def test_key_and_network_are_used_where_they_are_set(aws: Aws) -> None:
    aws.settings = replace(SETTINGS, kms_key_arn="key", subnets=("s",), security_groups=("g",))
    aws.sagemaker.register(1)
    aws.wake()
    network = aws.sagemaker.models["churn-v1"]["VpcConfig"]
    assert network == {"Subnets": ["s"], "SecurityGroupIds": ["g"]}
    config = aws.sagemaker.configs["churn-v1"]
    assert config["KmsKeyId"] == config["DataCaptureConfig"]["KmsKeyId"] == "key"


def test_a_version_that_never_comes_up_gives_way_to_the_older_one(aws: Aws) -> None:
    aws.sagemaker.register(1)
    aws.sagemaker.register(2)
    aws.wake_until_idle()
    aws.logs.lines = ["starting", "ImportError: no module named model"]
    aws.sagemaker.settle("The container did not answer /ping.")
    assert aws.wake() is Kind.MARK_FAILED
    assert aws.wake() is Kind.DELETE_ENDPOINT
    aws.sleep(60)
    assert aws.wake() is Kind.CREATE
    aws.sagemaker.settle()
    aws.wake_until_idle()
    assert aws.live == "churn-v1"
    assert aws.state["failed"]["2"]["log_tail"][-1] == "ImportError: no module named model"


# --- moving on ----------------------------------------------------------------------------------


def test_a_newer_version_replaces_the_live_one_and_the_one_before_stays_at_hand(aws: Aws) -> None:
    for number in (1, 2, 3):
        aws.deploy(number)
    assert aws.live == "churn-v3"
    assert sorted(aws.sagemaker.configs) == ["churn-v2", "churn-v3"]
    assert sorted(aws.sagemaker.models) == ["churn-v2", "churn-v3"]
    assert (aws.state["live"], aws.state["previous"]) == (3, 2)


def test_an_update_that_is_rolled_back_marks_the_version_with_its_log_and_is_not_repeated(
    aws: Aws,
) -> None:
    aws.deploy(1)
    aws.sagemaker.register(2)
    aws.wake_until_idle()
    aws.logs.lines = [f"line {number}" for number in range(100)]
    aws.sagemaker.settle("The container did not answer /ping.")
    kinds = aws.wake_until_idle()
    assert kinds == [Kind.MARK_FAILED, Kind.CLEAN_UP, Kind.NOTHING]
    assert aws.live == "churn-v1"
    assert sorted(aws.sagemaker.configs) == ["churn-v1"]
    failure = aws.state["failed"]["2"]
    assert failure["reason"] == "Version 2 was rolled back: The container did not answer /ping."
    assert failure["log_tail"] == [f"line {number}" for number in range(70, 100)]
    entry = next(entry for entry in aws.ledger if entry["decision"] == "mark failed")
    assert entry["inputs"]["log_tail"] == failure["log_tail"]


def test_a_version_after_a_failed_one_is_deployed(aws: Aws) -> None:
    aws.deploy(1)
    aws.sagemaker.register(2)
    aws.wake_until_idle()
    aws.sagemaker.settle("no")
    aws.wake_until_idle()
    aws.deploy(3)
    assert aws.live == "churn-v3"


def test_rejecting_the_live_version_goes_back_to_the_one_before(aws: Aws) -> None:
    aws.deploy(1)
    aws.deploy(2)
    aws.sagemaker.register(2, "Rejected")
    aws.wake_until_idle()
    aws.sagemaker.settle()
    aws.wake_until_idle()
    assert aws.live == "churn-v1"


def test_a_container_without_a_log_is_no_fault(aws: Aws) -> None:
    aws.deploy(1)
    aws.sagemaker.register(2)
    aws.wake_until_idle()
    aws.sagemaker.settle("no")
    aws.wake()
    assert aws.state["failed"]["2"]["log_tail"] == []


def test_after_each_step_the_controller_wakes_itself_and_at_rest_it_does_not(aws: Aws) -> None:
    aws.sagemaker.register(1)
    aws.wake()
    assert [message["DelaySeconds"] for message in aws.sqs.sent] == [1]
    aws.wake()
    assert len(aws.sqs.sent) == 1


# --- races and deaths ---------------------------------------------------------------------------


def test_who_loses_the_race_does_nothing(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.sagemaker.register(1)
    slow = aws.controller()
    read = slow._read_world

    def overtaken(*seen: Any) -> Any:
        world = read(*seen)
        aws.wake()
        return world

    monkeypatch.setattr(slow, "_read_world", overtaken)
    assert slow.wake(aws.clock.now) is None
    assert [entry["decision"] for entry in aws.ledger] == ["create"]


def update(aws: Aws, mortal: Mortal) -> None:
    """Version 2 replaces version 1, and version 0 is left over."""
    for _ in range(4):
        aws.wake(mortal)
        if aws.sagemaker.endpoint and aws.sagemaker.endpoint["EndpointStatus"] == "Updating":
            aws.sagemaker.settle()


def before_update() -> Aws:
    aws = Aws()
    aws.deploy(0)
    aws.deploy(1)
    aws.sagemaker.register(2)
    return aws


def calls_of_an_update() -> list[str]:
    mortal = Mortal()
    update(before_update(), mortal)
    return mortal.calls


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("number", "call"), list(enumerate(calls_of_an_update())))
def test_a_controller_killed_at_any_call_is_carried_on_by_the_next(
    number: int, call: str, after: bool
) -> None:
    aws = before_update()
    mortal = Mortal(number, after=after)
    with pytest.raises(Died):
        update(aws, mortal)
    assert mortal.calls[-1] == call
    update(aws, Mortal())
    update(aws, Mortal())
    assert aws.live == "churn-v2"
    assert aws.state["failed"] == {}
    assert (aws.state["live"], aws.state["previous"]) == (2, 1)
    assert sorted(aws.sagemaker.configs) == sorted(aws.sagemaker.models) == ["churn-v1", "churn-v2"]


@pytest.mark.parametrize(
    "operation", ["describe_endpoint", "create_model", "create_endpoint_config", "create_endpoint"]
)
@pytest.mark.parametrize("code", ["ThrottlingException", "ValidationException"])
def test_an_error_is_never_taken_for_an_answer(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, operation: str, code: str
) -> None:
    def refuse(**_: object) -> None:
        raise refusal(code, "Rate exceeded.")

    aws.sagemaker.register(1)
    monkeypatch.setattr(aws.sagemaker, operation, refuse)
    with pytest.raises(ClientError, match="Rate exceeded"):
        aws.wake()


# --- the end ------------------------------------------------------------------------------------


def test_tearing_down_leaves_nothing_and_nothing_comes_back(aws: Aws) -> None:
    aws.deploy(1)
    aws.deploy(2)
    aws.controller().tear_down(aws.clock.now, patience=60)
    assert aws.sagemaker.endpoint is None
    assert aws.sagemaker.configs == aws.sagemaker.models == {}
    assert aws.wake() is Kind.NOTHING
    assert aws.sagemaker.endpoint is None


def test_tearing_down_before_the_first_endpoint_is_no_fault(aws: Aws) -> None:
    aws.controller().tear_down(aws.clock.now, patience=60)
    assert aws.wake() is Kind.NOTHING


def test_tearing_down_waits_for_a_change_under_way(aws: Aws) -> None:
    aws.deploy(1)
    aws.sagemaker.register(2)
    aws.wake()
    aws.controller().tear_down(aws.clock.now, patience=60)
    assert aws.sagemaker.endpoint is None
    assert aws.sagemaker.configs == {}


def test_tearing_down_ends_with_a_sentence_when_it_takes_too_long(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.deploy(1)
    monkeypatch.setattr(aws, "sleep", lambda _: None)  # nothing ever happens
    with pytest.raises(TimeoutError, match="not gone after 20 seconds"):
        aws.controller().tear_down(aws.clock.now, patience=20)


def test_a_wake_up_under_way_does_not_outlive_the_tear_down(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.sagemaker.register(1)
    slow = aws.controller()
    read = slow._read_world

    def overtaken(*seen: Any) -> Any:
        world = read(*seen)
        aws.controller().tear_down(aws.clock.now, patience=60)
        return world

    monkeypatch.setattr(slow, "_read_world", overtaken)
    assert slow.wake(aws.clock.now) is None
    assert aws.sagemaker.endpoint is None


def test_an_endpoint_made_again_forgets_the_failures_of_the_one_before(aws: Aws) -> None:
    aws.deploy(1)
    aws.controller().tear_down(aws.clock.now, patience=60)
    aws.controller().begin()
    assert aws.wake() is Kind.CREATE


def test_beginning_changes_nothing_while_the_endpoint_stands(aws: Aws) -> None:
    aws.deploy(1)
    before = aws.state
    aws.controller().begin()
    assert aws.state == before


# --- pinned -------------------------------------------------------------------------------------


@pytest.fixture
def pinned(aws: Aws) -> Aws:
    """An AWS where version 1 follows the registry, and Pulumi has just declared `by-hand`."""
    aws.deploy(1)
    return pin(aws, "by-hand")


def pin(aws: Aws, config: str) -> Aws:
    """Pulumi declares a configuration; "" is none."""
    if config:
        aws.sagemaker.configs[config] = {}
    aws.settings = replace(SETTINGS, pinned_config=config)
    return aws


def hand_over(aws: Aws, patience: float = 60) -> None:
    """What the handler does when Pulumi creates or updates."""
    controller = aws.controller()
    controller.begin()
    controller.hand_over(aws.clock.now, patience=patience)


def test_an_endpoint_that_follows_moves_to_what_is_pinned_and_back(pinned: Aws) -> None:
    hand_over(pinned)
    assert pinned.live == "by-hand"
    pinned.wake_until_idle()
    assert set(pinned.sagemaker.configs) == {"by-hand"}
    pin(pinned, "")
    hand_over(pinned)
    assert pinned.live == "churn-v1"
    pinned.sagemaker.delete_endpoint_config(EndpointConfigName="by-hand")  # as Pulumi does next


def test_what_is_pinned_is_made_without_any_approved_version(aws: Aws) -> None:
    hand_over(pin(aws, "by-hand"))
    assert aws.live == "by-hand"


def test_what_is_pinned_stays_when_a_newer_version_is_approved(pinned: Aws) -> None:
    hand_over(pinned)
    pinned.sagemaker.register(9)
    pinned.wake_until_idle()
    assert pinned.live == "by-hand"


def test_another_pinned_version_replaces_the_one_before(pinned: Aws) -> None:
    hand_over(pinned)
    hand_over(pin(pinned, "by-hand-2"))
    assert pinned.live == "by-hand-2"


def test_a_pinned_endpoint_that_is_gone_is_made_again(pinned: Aws) -> None:
    hand_over(pinned)
    pinned.sagemaker.endpoint = None
    assert pinned.wake() is Kind.CREATE
    pinned.sagemaker.settle()
    assert pinned.live == "by-hand"


def test_a_pinned_version_that_does_not_come_up_fails_the_update_and_is_tried_once(
    pinned: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = pinned.sagemaker.settle
    monkeypatch.setattr(pinned.sagemaker, "settle", lambda: settle("no answer to /ping"))
    with pytest.raises(RuntimeError, match=r"goes on serving.*did not come up: no answer to /ping"):
        hand_over(pinned)
    assert pinned.live == "churn-v1"
    assert pinned.wake() is Kind.NOTHING
    monkeypatch.undo()
    hand_over(pinned)  # `pulumi up` once more, when what was wrong is mended
    assert pinned.live == "by-hand"


def test_a_pinned_version_that_never_came_up_is_deleted_before_it_is_tried_again(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin(aws, "by-hand")
    settle = aws.sagemaker.settle
    monkeypatch.setattr(aws.sagemaker, "settle", lambda: settle("no answer to /ping"))
    with pytest.raises(RuntimeError, match="did not come up"):
        hand_over(aws)
    monkeypatch.undo()
    hand_over(pin(aws, "by-hand-2"))
    assert aws.live == "by-hand-2"


def test_without_an_approved_version_the_pinned_one_is_not_let_go(aws: Aws) -> None:
    hand_over(pin(aws, "by-hand"))
    pin(aws, "")
    with pytest.raises(RuntimeError, match=r"No version is approved yet. Pin .* or approve one"):
        hand_over(aws)
    assert aws.live == "by-hand"


def test_a_move_that_takes_too_long_ends_with_a_sentence(
    pinned: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pinned, "sleep", lambda _: None)  # nothing ever happens
    with pytest.raises(TimeoutError, match="has not moved after 20 seconds"):
        hand_over(pinned, patience=20)


# --- settings -----------------------------------------------------------------------------------


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_environment(
        {
            "LOOP": "churn",
            "ARTIFACT_BUCKET": "artifacts",
            "MODEL_PACKAGE_GROUP_NAME": "churn",
            "ENDPOINT_NAME": "churn",
            "EXECUTION_ROLE_ARN": "arn:aws:iam::123456789012:role/churn",
            "INSTANCE_TYPE": "ml.m5.large",
            "INSTANCE_COUNT": "2",
            "CAPTURE_PERCENT": "100",
            "KMS_KEY_ARN": "",
            "SUBNET_IDS": "[]",
            "SECURITY_GROUP_IDS": "[]",
            "TAGS": json.dumps({"owner": "me"}),
            "QUEUE_URL": "https://queue",
            "PINNED_CONFIG": "",
        }
    )
    assert settings == SETTINGS
