"""The public contract of the package, as every Pulumi language sees it."""

import json
from typing import Any

import pytest
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.experimental.host import components_from_module

import components

COMPONENTS = [
    "DataStore",
    "DriftMonitor",
    "ModelEndpoint",
    "ModelRegistry",
    "RetrainingTriggers",
    "TrainingPipeline",
]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    provider = ComponentProvider(components_from_module(components), "perennial-mlops")
    read: dict[str, Any] = json.loads(provider.schema or "{}")
    return read


def test_every_component_is_there(schema: dict[str, Any]) -> None:
    assert sorted(schema["resources"]) == [f"perennial-mlops:index:{each}" for each in COMPONENTS]


def test_every_component_and_each_of_its_properties_is_described(schema: dict[str, Any]) -> None:
    for token, resource in schema["resources"].items():
        assert resource["description"], token
        for name, described in {**resource["inputProperties"], **resource["properties"]}.items():
            assert described.get("description"), f"{token}.{name}"


def test_every_type_and_each_of_its_members_is_described(schema: dict[str, Any]) -> None:
    assert sorted(schema["types"]) == [
        "perennial-mlops:index:EndpointMode",
        "perennial-mlops:index:NetworkArgs",
    ]
    for token, described in schema["types"].items():
        assert described["description"], token
        for member in (*described.get("properties", {}).values(), *described.get("enum", [])):
            assert member["description"], f"{token}: {member}"


def test_few_inputs_are_required(schema: dict[str, Any]) -> None:
    required = {
        token.rpartition(":")[2]: sorted(resource.get("requiredInputs", []))
        for token, resource in schema["resources"].items()
    }
    assert required == {
        "DataStore": [],
        "DriftMonitor": ["artifactBucketName", "endpointName", "modelPackageGroupName"],
        "ModelEndpoint": ["artifactBucketName", "image", "modelPackageGroupName"],
        "ModelRegistry": [],
        "RetrainingTriggers": ["artifactBucketName", "dataBucketName", "pipelineName"],
        "TrainingPipeline": [
            "artifactBucketName",
            "code",
            "codeVersion",
            "dataBucketName",
            "definition",
            "image",
            "modelPackageGroupName",
        ],
    }


def test_all_that_is_public_is_exported_and_nothing_else() -> None:
    """What a user imports, each with its arguments."""
    names = {*COMPONENTS, *(f"{each}Args" for each in COMPONENTS), "EndpointMode", "NetworkArgs"}
    assert set(components.__all__) == names
    assert all(hasattr(components, name) for name in names)
