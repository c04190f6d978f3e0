"""Whole loops: they never collide, and what is given to them reaches every child."""

import inspect
import json
from typing import Any

import pulumi_aws
import pytest

from tests.components.conftest import Loop
from tests.conftest import Deploy, Engine, Resource

KEY = "arn:aws:kms:eu-west-1:123456789012:key/k"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
TAGS = {"team": "growth"}
VPC = {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]}


@pytest.fixture(scope="module")
def equipped(deploy: Deploy, loop: Loop) -> Engine:
    return deploy(
        lambda: loop(
            force_destroy=True,
            kms_key_arn=KEY,
            network={"subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]},
            permissions_boundary_arn=BOUNDARY,
            log_retention_days=30,
            tags=TAGS,
        )
    )


def test_two_loops_in_one_program_never_collide(deploy: Deploy, loop: Loop) -> None:
    def program() -> None:
        loop("churn")
        loop("fraud")

    engine = deploy(program)
    urns = [each.urn for each in engine.resources]
    assert len(set(urns)) == len(urns)
    fixed = [
        (each.type, each.inputs[key])
        for each in engine.children()
        for key in ("name", "pipelineName", "modelPackageGroupName")
        if key in each.inputs
    ]
    assert len(fixed) == len(set(fixed)) == 12


def test_every_child_belongs_to_its_component_and_bears_its_name(equipped: Engine) -> None:
    components = {each.urn for each in equipped.resources if each.is_component}
    for child in equipped.children():
        assert child.parent in components
        assert child.name.startswith("churn-")


def test_a_loop_is_not_more_than_it_needs(deploy: Deploy, loop: Loop, equipped: Engine) -> None:
    assert len(list(deploy(loop).children())) == 56
    assert len(list(equipped.children())) == 63


def can_have(resource: Resource, argument: str) -> bool:
    """Whether the provider's resource type takes this argument."""
    module, _, name = resource.type.removeprefix("aws:").partition(":")
    package = {"lambda": "lambda_"}.get(folder := module.partition("/")[0], folder)
    arguments = getattr(getattr(pulumi_aws, package), f"{name}Args")
    return argument in inspect.signature(arguments.__init__).parameters


def test_tags_reach_every_child_that_can_have_them(equipped: Engine) -> None:
    for child in equipped.children():
        if can_have(child, "tags") and not child.type.endswith(":BucketObjectv2"):
            assert child.inputs["tags"] == TAGS, child.urn
    # S3 takes at most ten tags for an object, fewer than for anything else.
    assert "tags" not in equipped.one("BucketObjectv2", "churn-code").inputs


def test_the_key_reaches_all_that_is_stored(equipped: Engine) -> None:
    for kind, key in (
        ("Queue", "kmsMasterKeyId"),
        ("LogGroup", "kmsKeyId"),
        ("Function", "kmsKeyArn"),
    ):
        assert equipped.all(kind)
        for child in equipped.all(kind):
            assert child.inputs[key] == KEY, child.urn
    for child in equipped.all("BucketServerSideEncryptionConfiguration"):
        assert KEY in json.dumps(child.inputs["rules"])


def test_every_function_runs_in_the_network(equipped: Engine) -> None:
    functions = equipped.all("Function")
    assert len(functions) == 4
    for function in functions:
        assert function.inputs["vpcConfig"] == VPC


def test_the_boundary_is_on_every_role(equipped: Engine) -> None:
    for role in equipped.all("Role"):
        assert role.inputs["permissionsBoundary"] == BOUNDARY


def test_every_log_is_kept_as_long_as_told(equipped: Engine) -> None:
    logs = equipped.all("LogGroup")
    assert len(logs) == 5
    for log in logs:
        assert log.inputs["retentionInDays"] == 30


@pytest.mark.parametrize(
    "nothing",
    [
        {"kms_key_arn": "", "permissions_boundary_arn": ""},
        {"network": {"subnet_ids": [], "security_group_ids": []}},
    ],
)
def test_an_empty_setting_is_as_good_as_none(
    deploy: Deploy, loop: Loop, nothing: dict[str, Any]
) -> None:
    def inputs(engine: Engine) -> list[tuple[str, str]]:
        return sorted(
            (each.urn, json.dumps(each.inputs, default=lambda asset: type(asset).__name__))
            for each in engine.resources
        )

    assert inputs(deploy(lambda: loop(**nothing))) == inputs(deploy(loop))


def test_all_functions_run_the_same_archive_of_the_runtime(equipped: Engine) -> None:
    for function in equipped.all("Function"):
        names = set(function.inputs["code"].assets)
        module = function.inputs["handler"].removesuffix(".handler").replace(".", "/")
        assert {"runtime/__init__.py", f"{module}.py"} <= names
        assert all(name.startswith("runtime/") and name.endswith(".py") for name in names)
