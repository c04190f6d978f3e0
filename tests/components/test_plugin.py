"""The executable of the package: what other languages send arrives as if written in Python."""

from typing import Any

import pulumi
import pytest

from components._plugin import PACKAGE, ComponentPackage, snake_case
from tests.components import contract


@pytest.fixture(scope="module")
def package() -> ComponentPackage:
    return ComponentPackage()


def mapped(package: ComponentPackage, component: str, inputs: dict[str, Any]) -> dict[str, Any]:
    return package.map_inputs(inputs, package._component_defs[component])


def test_names_are_written_as_in_python_down_to_structures(package: ComponentPackage) -> None:
    network = {"subnetIds": ["s"], "securityGroupIds": ["g"]}
    tags = {"costCenter": "a"}  # a name of the user's own
    assert mapped(package, "ModelRegistry", {"network": network, "tags": tags}) == {
        "network": {"subnet_ids": ["s"], "security_group_ids": ["g"]},
        "tags": {"costCenter": "a"},
    }


def test_what_does_not_fit_is_left_for_the_component_to_refuse(package: ComponentPackage) -> None:
    sent = {"network": "vpc-1", "logRetentionDay": 90, "pipelineName": None}
    assert mapped(package, "RetrainingTriggers", sent) == {
        "network": "vpc-1",
        "log_retention_day": 90,
        "pipeline_name": None,
    }


@pytest.mark.parametrize("component", list(contract.schema()["resources"]))
def test_every_name_of_the_schema_has_its_python_name(
    package: ComponentPackage, component: str
) -> None:
    definition = package._component_defs[component.rpartition(":")[2]]
    assert {each: snake_case(each) for each in definition.inputs} == definition.inputs_mapping


def test_a_refusal_is_the_sentence_and_nothing_else(package: ComponentPackage) -> None:
    with pytest.raises(pulumi.InputPropertiesError) as refused:
        package.construct("churn", f"{PACKAGE}:index:DataStore", {"protect": "no"})
    assert refused.value.message == (
        "protect is 'no', and it must be a boolean, true or false: change it."
    )
