"""The public contract of the package, as every Pulumi language sees it."""

from collections.abc import Mapping
from typing import Any, TypedDict

import pulumi
import pytest
from pulumi.provider.experimental.analyzer import Analyzer
from pulumi.provider.experimental.schema import generate_schema

import components
from tests.components import contract

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
    return contract.schema()


def test_every_component_is_there(schema: dict[str, Any]) -> None:
    assert sorted(schema["resources"]) == [f"perennial-mlops:index:{each}" for each in COMPONENTS]
    assert sorted(schema["types"]) == [
        "perennial-mlops:index:EndpointMode",
        "perennial-mlops:index:NetworkArgs",
    ]


def test_everything_is_described_and_nothing_is_of_any_type(schema: dict[str, Any]) -> None:
    assert list(contract.faults(schema)) == []


def test_the_document_says_what_the_schema_says(schema: dict[str, Any]) -> None:
    """The contract changed? `make contract` rewrites the document; the change belongs in review."""
    assert contract.DOCUMENT.read_text() == contract.document(schema)


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


class CarelessArgs(TypedDict):
    """Inputs that nobody could use without reading the code."""

    silent: pulumi.Input[str]
    anything: pulumi.Input[Any]
    """Described, and it may be whatever it likes."""
    anything_inside: pulumi.Input[Mapping[str, pulumi.Input[Any]]]
    """As above."""


class Careless(pulumi.ComponentResource):
    quiet: pulumi.Output[str]

    def __init__(
        self, name: str, args: CarelessArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        raise NotImplementedError


def test_a_careless_component_is_found_out() -> None:
    found = Analyzer("p").analyze([Careless])
    made = generate_schema("p", "1.0.0", None, found["component_definitions"], {}, [])
    assert sorted(contract.faults(made.to_json())) == [
        "p:index:Careless has no description",
        "p:index:Careless.inputProperties.anything is of type Any",
        "p:index:Careless.inputProperties.anythingInside is of type Any",
        "p:index:Careless.inputProperties.silent has no description",
        "p:index:Careless.properties.quiet has no description",
    ]
