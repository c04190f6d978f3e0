"""ModelRegistry: versions are lost only where somebody said so."""

from typing import Any

import pytest

from components import ModelRegistry
from tests.conftest import Deploy, Refusal


def test_the_group_has_the_name_of_project_stack_and_loop(deploy: Deploy) -> None:
    engine = deploy(lambda: ModelRegistry("churn", {}), project="ml", stack="dev")
    group = engine.one("ModelPackageGroup")
    assert group.inputs["modelPackageGroupName"] == "ml-dev-churn"
    assert not group.protect


def test_versions_are_not_deleted_by_default(deploy: Deploy) -> None:
    engine = deploy(lambda: ModelRegistry("churn", {}))
    assert [each.type for each in engine.children()] == [
        "aws:sagemaker/modelPackageGroup:ModelPackageGroup"
    ]


def test_the_group_is_protected_when_told_so(deploy: Deploy) -> None:
    assert (
        deploy(lambda: ModelRegistry("churn", {"protect": True})).one("ModelPackageGroup").protect
    )


def test_the_group_is_emptied_on_destroy_when_told_so(deploy: Deploy) -> None:
    engine = deploy(lambda: ModelRegistry("churn", {"force_destroy": True}))
    function = engine.one("Function")
    assert function.inputs["handler"] == "runtime.registry_teardown.handler"
    variables = function.inputs["environment"]["variables"]
    assert variables["MODEL_PACKAGE_GROUP_NAME"] == "perennial-test-churn"
    invocation = engine.one("Invocation")
    assert invocation.inputs["lifecycleScope"] == "CRUD"
    assert invocation.inputs["functionName"] == function.outputs["name"]
    # Destroyed before the group, and before what it needs to work.
    needs = {engine.one("ModelPackageGroup").urn, engine.one("RolePolicy").urn, function.urn}
    assert needs <= invocation.depends_on


def test_what_uses_the_group_is_gone_before_it_is_emptied(deploy: Deploy, loop: Any) -> None:
    engine = deploy(lambda: loop(force_destroy=True))
    emptied = engine.one("Invocation", "churn-registry-teardown").urn
    assert emptied in engine.one("Pipeline").depends_on
    assert emptied in engine.one("Function", "churn-deploy").depends_on


def test_what_is_protected_cannot_be_emptied(refusal: Refusal) -> None:
    sentence = refusal(lambda: ModelRegistry("churn", {"protect": True, "force_destroy": True}))
    assert sentence == (
        "protect and force_destroy are both true, and what is protected cannot be destroyed: set "
        "one of them to false."
    )


@pytest.mark.parametrize(
    ("name", "stack", "sentence"),
    [
        ("c" * 60, "test", "has 75 characters, and AWS allows 63 here: shorten"),
        ("Churn", "test", "may have only a-z, 0-9 and single hyphens between them"),
        ("churn_", "test", "may have only a-z"),
        ("churn", "Prod", "may have only a-z"),
    ],
)
def test_a_name_that_aws_would_refuse_is_refused_before_anything_is_built(
    refusal: Refusal, name: str, stack: str, sentence: str
) -> None:
    assert sentence in refusal(lambda: ModelRegistry(name, {}), stack=stack)
