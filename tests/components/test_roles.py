"""The policies of all roles: one job each, no `*` where AWS has a resource type, no approvals."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.components.conftest import IMAGE, Loop
from tests.conftest import ACCOUNT, Deploy, Engine

KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/k"
NETWORK = {"subnet_ids": ["subnet-1", "subnet-2"], "security_group_ids": ["sg-1"]}
NO_RESOURCE_TYPE = {
    # Service Authorization Reference: these actions cannot be limited to a resource.
    "cloudwatch:PutMetricData",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ecr:GetAuthorizationToken",
    "sagemaker:ListEndpointConfigs",
    "sagemaker:ListModels",
}
PREFIX = "churn-artifacts-0a1b2c3/"


@pytest.fixture(scope="module")
def engine(deploy: Deploy, loop: Loop) -> Engine:
    return deploy(lambda: loop(force_destroy=True))


@pytest.fixture(scope="module")
def equipped(deploy: Deploy, loop: Loop) -> Engine:
    """A loop in a private network, with a key of its own."""
    return deploy(lambda: loop(force_destroy=True, kms_key_arn=KEY, network=NETWORK))


def policies(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """The statements of each role, by the name of the role without that of the loop."""
    return {
        policy.name.removeprefix("churn-"): policy.json("policy")["Statement"]
        for policy in engine.all("RolePolicy")
    }


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(statements: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Every pair of action and resource that is allowed."""
    for statement in statements:
        if statement["Effect"] == "Allow":
            for action in listed(statement["Action"]):
                for resource in listed(statement["Resource"]):
                    yield action, resource


def actions(statements: list[dict[str, Any]]) -> set[str]:
    return {action for action, _ in allowed(statements)}


def test_there_is_a_role_for_each_job_and_it_has_one_policy(engine: Engine) -> None:
    assert sorted(policies(engine)) == [
        "deploy",
        "endpoint",
        "monitor",
        "pipeline",
        "registry-teardown",
        "retrain",
        "training",
    ]
    assert len(engine.all("Role")) == len(engine.all("RolePolicy")) == 7


def test_no_role_may_approve_a_model(equipped: Engine) -> None:
    for name, statements in policies(equipped).items():
        denied = {each["Sid"]: each for each in statements if each["Effect"] == "Deny"}
        assert denied["NeverApprovesAModel"] == {
            "Sid": "NeverApprovesAModel",
            "Effect": "Deny",
            "Action": "sagemaker:UpdateModelPackage",
            "Resource": "*",
        }, name
        registers = denied["NeverRegistersAnApprovedModel"]
        assert registers["Action"] == "sagemaker:CreateModelPackage"
        assert registers["Resource"] == "*"
        assert registers["Condition"] == {
            "StringEquals": {"sagemaker:ModelApprovalStatus": "Approved"}
        }


def test_no_action_is_a_wildcard(equipped: Engine) -> None:
    for statements in policies(equipped).values():
        assert not any("*" in action for action in actions(statements))


def test_only_what_aws_cannot_limit_is_allowed_on_everything(equipped: Engine) -> None:
    for statements in policies(equipped).values():
        everywhere = {action for action, resource in allowed(statements) if resource == "*"}
        assert everywhere <= NO_RESOURCE_TYPE


def test_metrics_are_written_only_in_a_namespace_of_their_own(equipped: Engine) -> None:
    found = {
        name: statement["Condition"]
        for name, statements in policies(equipped).items()
        for statement in statements
        if "cloudwatch:PutMetricData" in listed(statement["Action"])
    }
    sagemaker = {"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}}
    perennial = {"StringEquals": {"cloudwatch:namespace": "Perennial"}}
    assert found == {
        "endpoint": sagemaker,
        "monitor": perennial,
        "retrain": perennial,
        "training": sagemaker,
    }


def test_roles_are_passed_one_by_one_and_to_sagemaker_only(engine: Engine) -> None:
    found = {
        name: (statement["Resource"], statement["Condition"])
        for name, statements in policies(engine).items()
        for statement in statements
        if "iam:PassRole" in listed(statement["Action"])
    }
    to_sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    role = f"arn:aws:iam::{ACCOUNT}:role"
    assert found == {
        "deploy": (f"{role}/churn-endpoint-0a1b2c3", to_sagemaker),
        "pipeline": (f"{role}/churn-training-0a1b2c3", to_sagemaker),
    }


def test_each_role_reads_and_writes_its_own_places_in_the_buckets(engine: Engine) -> None:
    def places(statements: list[dict[str, Any]], action: str) -> set[str]:
        return {
            resource.removeprefix("arn:aws:s3:::").removeprefix(PREFIX)
            for each, resource in allowed(statements)
            if each == action
        }

    found = policies(engine)
    reads = {name: places(statements, "s3:GetObject") for name, statements in found.items()}
    writes = {name: places(statements, "s3:PutObject") for name, statements in found.items()}
    capture = "capture/perennial-test-churn/*"
    assert writes == {
        "deploy": {"state/deploy.json", "state/ledger/*"},
        "endpoint": {capture},
        "monitor": {"monitor/reports/*", "state/monitor.json", "state/ledger/*"},
        "pipeline": set(),
        "registry-teardown": set(),
        "retrain": {
            "snapshots/*",
            "state/inventory.json",
            "state/ledger/*",
            "state/retrain.json",
            "state/runs/*",
        },
        "training": {"runs/*"},
    }
    assert reads == {
        "deploy": {"state/deploy.json", "state/ledger/*"},
        "endpoint": {"runs/*"},
        "monitor": {capture, "runs/*", "state/ledger/*", "state/monitor.json"},
        "pipeline": {"runs/*"},
        "registry-teardown": set(),
        "retrain": {
            "churn-data-0a1b2c3/data/*",
            "code/current.json",
            "snapshots/*",
            "state/deploy.json",
            "state/inventory.json",
            "state/ledger/*",
            "state/pause.json",
            "state/request.json",
            "state/retrain.json",
            "state/runs/*",
        },
        "training": {"churn-data-0a1b2c3/data/*", "code/*", "snapshots/*", "runs/*"},
    }


def test_nobody_may_delete_an_object(engine: Engine) -> None:
    for statements in policies(engine).values():
        assert not any(action.startswith("s3:Delete") for action in actions(statements))


def test_sagemaker_assumes_a_role_only_for_this_account(engine: Engine) -> None:
    for role in engine.all("Role"):
        (trust,) = role.json("assumeRolePolicy")["Statement"]
        service = trust["Principal"]["Service"]
        if service == "sagemaker.amazonaws.com":
            assert trust["Condition"] == {
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
                "ArnLike": {"aws:SourceArn": f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:*"},
            }
        else:
            assert service == "lambda.amazonaws.com"


def test_an_image_is_pulled_from_its_own_repository(engine: Engine) -> None:
    account, _, rest = IMAGE.partition(".")
    repository = f"arn:aws:ecr:eu-west-1:{account}:repository/{rest.split('/')[1].split(':')[0]}"
    for name in ("training", "endpoint"):
        pulled = {
            resource
            for action, resource in allowed(policies(engine)[name])
            if action == "ecr:BatchGetImage"
        }
        assert pulled == {repository}


def test_the_key_is_used_by_all_roles_if_there_is_one(engine: Engine, equipped: Engine) -> None:
    for statements in policies(engine).values():
        assert not any(action.startswith("kms:") for action in actions(statements))
    for statements in policies(equipped).values():
        keys = {resource for action, resource in allowed(statements) if action.startswith("kms:")}
        assert keys == {KEY}
        assert {"kms:Decrypt", "kms:GenerateDataKey"} <= actions(statements)


def test_the_network_is_joined_by_those_who_run_in_it_if_there_is_one(
    engine: Engine, equipped: Engine
) -> None:
    ec2 = f"arn:aws:ec2:eu-west-1:{ACCOUNT}"
    for statements in policies(engine).values():
        assert not any(action.startswith("ec2:") for action in actions(statements))
    for name, statements in policies(equipped).items():
        doors = {
            resource
            for action, resource in allowed(statements)
            if action == "ec2:CreateNetworkInterface"
        }
        expected = {
            f"{ec2}:network-interface/*",
            f"{ec2}:subnet/subnet-1",
            f"{ec2}:subnet/subnet-2",
            f"{ec2}:security-group/sg-1",
        }
        assert doors == (set() if name == "pipeline" else expected)  # it runs nothing itself


def test_a_policy_fits_into_a_role(equipped: Engine) -> None:
    for policy in equipped.all("RolePolicy"):
        assert len(json.dumps(policy.json("policy"), separators=(",", ":"))) <= 10_240
