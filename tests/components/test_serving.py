"""ModelEndpoint: it follows the registry, or serves the version that is named."""

import json
from typing import Any

import pytest

from components import EndpointMode, ModelEndpoint, ModelEndpointArgs
from tests.components.conftest import IMAGE
from tests.conftest import Deploy, Engine, Refusal

NEEDED: ModelEndpointArgs = {
    "artifact_bucket_name": "artifacts",
    "model_package_group_name": "perennial-test-churn",
    "image": IMAGE,
}
PACKAGE = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/perennial-test-churn/7"


@pytest.fixture(scope="module")
def following(deploy: Deploy) -> Engine:
    return deploy(lambda: ModelEndpoint("churn", NEEDED))


@pytest.fixture(scope="module")
def pinned(deploy: Deploy) -> Engine:
    return deploy(
        lambda: ModelEndpoint(
            "churn", {**NEEDED, "mode": EndpointMode.PINNED, "model_package_arn": PACKAGE}
        )
    )


def test_an_endpoint_that_follows_needs_no_model_to_be_provisioned(following: Engine) -> None:
    for kind in ("Model", "EndpointConfiguration", "Endpoint"):
        assert not following.all(kind)


def test_the_deploy_controller_knows_what_to_deploy(following: Engine) -> None:
    function = following.one("Function", "churn-deploy").inputs
    assert function["handler"] == "runtime.deploy_controller.handler"
    assert function["environment"]["variables"] == {
        "LOOP": "perennial-test-churn",
        "ARTIFACT_BUCKET": "artifacts",
        "QUEUE_URL": following.one("Queue", "churn-deploy-wakeups").outputs["url"],
        "MODEL_PACKAGE_GROUP_NAME": "perennial-test-churn",
        "ENDPOINT_NAME": "perennial-test-churn",
        "EXECUTION_ROLE_ARN": "arn:aws:iam::123456789012:role/churn-endpoint-0a1b2c3",
        "INSTANCE_TYPE": "ml.m5.large",
        "INSTANCE_COUNT": "1",
        "CAPTURE_PERCENT": "100",
        "KMS_KEY_ARN": "",
        "SUBNET_IDS": "[]",
        "SECURITY_GROUP_IDS": "[]",
        "TAGS": "{}",
        "PINNED_CONFIG": "",
    }


def test_tags_network_and_key_reach_what_the_deploy_controller_makes(deploy: Deploy) -> None:
    engine = deploy(
        lambda: ModelEndpoint(
            "churn",
            {
                **NEEDED,
                "kms_key_arn": "arn:key",
                "network": {"subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]},
                "tags": {"team": "growth"},
            },
        )
    )
    variables = engine.one("Function", "churn-deploy").inputs["environment"]["variables"]
    assert variables["KMS_KEY_ARN"] == "arn:key"
    assert json.loads(variables["SUBNET_IDS"]) == ["subnet-1"]
    assert json.loads(variables["SECURITY_GROUP_IDS"]) == ["sg-1"]
    assert json.loads(variables["TAGS"]) == {"team": "growth"}


def test_approvals_and_the_endpoint_itself_wake_the_deploy_controller(following: Engine) -> None:
    assert following.one("EventRule", "churn-deploy-events").json("eventPattern") == {
        "$or": [
            {
                "source": ["aws.sagemaker"],
                "detail-type": ["SageMaker Model Package State Change"],
                "detail": {"ModelPackageGroupName": ["perennial-test-churn"]},
            },
            {
                "source": ["aws.sagemaker"],
                "detail-type": ["SageMaker Endpoint State Change"],
                "detail": {"EndpointName": ["perennial-test-churn"]},
            },
        ]
    }


def test_destroy_removes_the_endpoint_before_what_its_removal_needs(following: Engine) -> None:
    teardown = following.one("Invocation")
    assert teardown.inputs["lifecycleScope"] == "CRUD"
    needs = {
        following.one("Function", "churn-deploy").urn,
        following.one("RolePolicy", "churn-deploy").urn,
        following.one("RolePolicy", "churn-endpoint").urn,
    }
    assert needs <= teardown.depends_on


def test_no_wake_up_comes_after_the_removal(following: Engine) -> None:
    mapping = following.one("EventSourceMapping")
    assert following.one("Invocation").urn in mapping.depends_on


def test_of_a_pinned_version_model_and_config_are_plain_resources(pinned: Engine) -> None:
    model, config = pinned.one("Model"), pinned.one("EndpointConfiguration")
    assert model.inputs["primaryContainer"] == {"modelPackageName": PACKAGE}
    (variant,) = config.inputs["productionVariants"]
    assert variant == {
        "variantName": "primary",
        "modelName": model.outputs["name"],
        "instanceType": "ml.m5.large",
        "initialInstanceCount": 1,
    }


def test_the_deploy_controller_is_called_to_serve_what_is_pinned_before_the_old_is_deleted(
    following: Engine, pinned: Engine
) -> None:
    config = pinned.one("EndpointConfiguration").outputs["name"]
    function = pinned.one("Function", "churn-deploy")
    assert function.inputs["environment"]["variables"]["PINNED_CONFIG"] == config
    call, other = pinned.one("Invocation"), following.one("Invocation")
    assert call.json("input") == {"endpoint": "perennial-test-churn", "config": config}
    assert other.json("input") == {"endpoint": "perennial-test-churn"}
    assert {function.urn, pinned.one("RolePolicy", "churn-deploy").urn} <= call.depends_on


def test_an_endpoint_has_one_owner_whatever_the_mode(following: Engine, pinned: Engine) -> None:
    assert not following.all("Endpoint") + pinned.all("Endpoint")
    assert {each.urn for each in following.children()} < {each.urn for each in pinned.children()}


def test_the_deploy_controller_may_use_the_pinned_config_and_not_delete_it(pinned: Engine) -> None:
    name = f":endpoint-config/{pinned.one('EndpointConfiguration').outputs['name']}"
    policy = pinned.one("RolePolicy", "churn-deploy").json("policy")
    assert [statement["Action"] for statement in policy["Statement"] if name in str(statement)] == [
        ["sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"]
    ]


def test_a_new_pinned_version_is_made_before_the_old_one_is_deleted(pinned: Engine) -> None:
    """The engine could not make the successor of a resource with a fixed name beside it."""
    assert "name" not in pinned.one("Model").inputs
    assert "name" not in pinned.one("EndpointConfiguration").inputs


def test_a_pinned_endpoint_captures_its_traffic_where_the_monitor_looks(pinned: Engine) -> None:
    capture = pinned.one("EndpointConfiguration").inputs["dataCaptureConfig"]
    assert capture["enableCapture"] is True
    assert capture["initialSamplingPercentage"] == 100
    assert capture["destinationS3Uri"] == "s3://artifacts/capture"
    assert capture["captureOptions"] == [{"captureMode": "Input"}, {"captureMode": "Output"}]


@pytest.mark.parametrize("mode", ["following", "pinned"])
def test_the_log_of_the_endpoint_goes_with_it(mode: str, request: pytest.FixtureRequest) -> None:
    engine: Engine = request.getfixturevalue(mode)
    log = engine.one("LogGroup", "churn-endpoint").inputs
    assert log["name"] == "/aws/sagemaker/Endpoints/perennial-test-churn"
    assert log["retentionInDays"] == 90


def test_versions_fit_into_the_names_of_models(refusal: Refusal) -> None:
    """The deploy controller appends the version to the name of the endpoint."""
    assert "and AWS allows 55 here" in refusal(lambda: ModelEndpoint("c" * 41, NEEDED))


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({"mode": "pinned"}, "mode is pinned and model_package_arn is missing"),
        ({"model_package_arn": PACKAGE}, "model_package_arn is given and mode is follow"),
        ({"mode": "latest"}, "mode is 'latest', and it may be follow or pinned: choose one."),
        ({"instance_count": 0}, "instance_count is 0, and it must be at least 1"),
        ({"capture_percent": 101}, "capture_percent is 101, and it must be between 1 and 100"),
        ({"sweep_schedule": "hourly"}, "EventBridge takes rate(...) or cron(...)"),
        ({"batch_window_seconds": 0}, "batch_size is 1000 and batch_window_seconds is 0"),
        ({"batch_size": 10_001}, "batch_size is 10001, and it must be between 1 and 10000"),
        ({"log_retention_days": 91}, "log_retention_days is 91, and CloudWatch Logs keeps"),
        (
            {"network": {"subnet_ids": ["subnet-1"], "security_group_ids": []}},
            "network has subnet_ids and no security_group_ids",
        ),
        ({"image": "docker.io/model:1"}, "image is 'docker.io/model:1', and SageMaker pulls only"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_built(
    refusal: Refusal, args: Any, sentence: str
) -> None:
    assert sentence in refusal(lambda: ModelEndpoint("churn", {**NEEDED, **args}))
