"""The handlers as Lambda calls them: with real events, whose content they never act on."""

import functools
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from components.runtime import (
    deploy_controller,
    drift_monitor,
    registry_teardown,
    retrain_controller,
)
from components.runtime.wakeups import lifecycle_action
from tests.runtime import test_deploy_controller as deploy
from tests.runtime import test_drift_monitor as monitor
from tests.runtime import test_retrain_controller as retrain
from tests.runtime.fakes import Clock, Endpoints, refusal

EVENTS = Path(__file__).parent.parent / "events"
WAKING = sorted(path.stem for path in EVENTS.glob("*.json") if not path.stem.startswith("pulumi"))
ENVIRONMENT = {
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
    "REQUEST_TIMEOUT_SECONDS": "20",
    "REQUEST_ATTEMPTS": "4",
    "RETRIES": "2",
    "RETRY_SECONDS": "900",
    "MODEL_PACKAGE_GROUP_NAME": "churn",
    "ENDPOINT_NAME": "churn",
    "EXECUTION_ROLE_ARN": "arn:aws:iam::123456789012:role/churn",
    "INSTANCE_TYPE": "ml.m5.large",
    "INSTANCE_COUNT": "1",
    "CAPTURE_PERCENT": "100",
    "KMS_KEY_ARN": "",
    "SUBNET_IDS": "[]",
    "SECURITY_GROUP_IDS": "[]",
    "TAGS": "{}",
    "PINNED_CONFIG": "",
    "NAMESPACE": "Perennial",
    "MIN_SAMPLES": "50",
    "PSI_THRESHOLD": "0.2",
    "STORAGE_RESOLUTION": "60",
}


class Context:
    """Lambda's, as far as it is used."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def event(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


def messages(*bodies: str) -> dict[str, Any]:
    """A batch as the event source mapping delivers it (Lambda Developer Guide, "Amazon SQS")."""
    return {
        "Records": [
            {
                "messageId": f"059f36b4-87a3-44ab-83d2-66197{number:07}",
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:churn-retrain",
                "awsRegion": "eu-west-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def retraining(monkeypatch: pytest.MonkeyPatch) -> retrain.Aws:
    aws = retrain.Aws().ready()
    parts = (aws.s3, aws.sqs, aws.sagemaker, aws.cloudwatch)
    monkeypatch.setattr(retrain_controller, "_clients", lambda: retrain_controller.Clients(*parts))
    return aws


@pytest.fixture
def deploying(monkeypatch: pytest.MonkeyPatch) -> deploy.Aws:
    aws = deploy.Aws()
    aws.sagemaker.register(1)
    parts = (aws.s3, aws.sqs, aws.sagemaker, aws.logs)
    monkeypatch.setattr(deploy_controller, "_clients", lambda: deploy_controller.Clients(*parts))
    return aws


@pytest.fixture
def monitoring(monkeypatch: pytest.MonkeyPatch) -> monitor.Aws:
    aws = monitor.Aws()
    aws.serve(1)
    parts = (aws.s3, aws.sqs, aws.sagemaker, aws.cloudwatch)
    monkeypatch.setattr(drift_monitor, "_clients", lambda: drift_monitor.Clients(*parts))
    return aws


@pytest.mark.parametrize("name", [*WAKING, "nonsense", "nothing"])
def test_whatever_the_message_says_the_world_decides(
    retraining: retrain.Aws, deploying: deploy.Aws, monitoring: monitor.Aws, name: str
) -> None:
    strange = {"nonsense": ["<xml/>", ""], "nothing": []}
    batch = messages(*(strange[name] if name in strange else [json.dumps(event(name))] * 2))
    for module in (retrain_controller, deploy_controller, drift_monitor):
        assert module.handler(batch, Context()) == {"batchItemFailures": []}
    assert len(retraining.sagemaker.executions) == 1
    assert deploying.sagemaker.endpoint is not None
    assert deploying.sagemaker.endpoint["EndpointStatus"] == "Creating"
    assert monitoring.state.model is not None


def test_a_batch_is_one_look_at_the_world(
    retraining: retrain.Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    retrain_controller.handler(messages(*["{}"] * 10), Context())
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert retraining.sagemaker.starts == 1


@pytest.mark.parametrize("module", [retrain_controller, deploy_controller, drift_monitor])
def test_an_error_of_aws_is_raised_so_that_the_messages_come_again(
    retraining: retrain.Aws,
    deploying: deploy.Aws,
    monitoring: monitor.Aws,
    module: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def throttled(**_: object) -> None:
        raise refusal("SlowDown")

    for aws in (retraining, deploying, monitoring):
        monkeypatch.setattr(aws.s3, "get_object", throttled)
    with pytest.raises(Exception, match="SlowDown"):
        module.handler(messages("{}"), Context())


# --- Pulumi's lifecycle -------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_a_lifecycle_action_is_told_from_a_message(action: str) -> None:
    assert lifecycle_action(event(f"pulumi_{action}")) == action
    assert lifecycle_action(messages(json.dumps(event(f"pulumi_{action}")))) is None


@pytest.mark.parametrize("action", ["create", "update"])
def test_creating_and_updating_is_an_ordinary_wake_up(deploying: deploy.Aws, action: str) -> None:
    deploy_controller.handler(event(f"pulumi_{action}"), Context())
    assert deploying.sagemaker.endpoint is not None


def test_destroy_takes_the_endpoint_away_and_up_brings_it_back(
    deploying: deploy.Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = functools.partial(deploy_controller.DeployController, sleep=deploying.sleep)
    monkeypatch.setattr(deploy_controller, "DeployController", patient)
    deploying.deploy(2)
    deploy_controller.handler(event("pulumi_delete"), Context())
    assert deploying.sagemaker.endpoint is None
    assert deploying.sagemaker.configs == deploying.sagemaker.models == {}
    deploy_controller.handler(messages(json.dumps(event("sagemaker_endpoint"))), Context())
    assert deploying.sagemaker.endpoint is None
    deploy_controller.handler(event("pulumi_create"), Context())
    assert deploying.sagemaker.endpoint is not None


# --- the registry's teardown --------------------------------------------------------------------


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Endpoints:
    sagemaker = Endpoints(Clock())
    for number in range(1, 8):
        sagemaker.register(number, "Approved" if number % 2 else "Rejected")
    monkeypatch.setattr(registry_teardown, "_sagemaker", lambda: sagemaker)
    return sagemaker


def test_deleting_empties_the_group_of_every_version(registry: Endpoints) -> None:
    answer = registry_teardown.handler(event("pulumi_delete"), Context())
    assert registry.packages == {}
    assert len(answer["deleted"]) == 7
    assert registry_teardown.handler(event("pulumi_delete"), Context()) == {"deleted": []}


@pytest.mark.parametrize("action", ["create", "update"])
def test_creating_and_updating_leaves_the_registry_alone(registry: Endpoints, action: str) -> None:
    registry_teardown.handler(event(f"pulumi_{action}"), Context())
    assert len(registry.packages) == 7


# --- the package --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "module", [retrain_controller, deploy_controller, drift_monitor, registry_teardown]
)
def test_clients_are_built_once_a_process(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def client(name: str, **_: Any) -> str:
        made.append(name)
        return name

    monkeypatch.setattr(module.boto3, "client", client)
    build = getattr(module, "_clients", None) or module._sagemaker
    build.cache_clear()
    assert build() is build()
    assert len(made) == len(set(made)) > 0
    build.cache_clear()


def test_the_retrain_controller_waits_and_repeats_as_the_component_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("REQUEST_TIMEOUT_SECONDS", "7")
    monkeypatch.setenv("REQUEST_ATTEMPTS", "2")
    retrain_controller._clients.cache_clear()
    clients = retrain_controller._clients()
    retrain_controller._clients.cache_clear()
    for client in (clients.s3, clients.sqs, clients.sagemaker, clients.cloudwatch):
        config = client.meta.config
        assert (config.connect_timeout, config.read_timeout) == (7, 7)
        assert config.retries == {"mode": "standard", "total_max_attempts": 2}
    assert clients.s3.meta.config.signature_version == "s3v4"
