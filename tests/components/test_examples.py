"""The YAML example against the schema: no language host for YAML is to be had, so it is not run."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components._plugin import PACKAGE
from tests.components import contract

PROGRAM = Path(__file__).parents[2] / "examples" / "platform-yaml" / "Pulumi.yaml"


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(PROGRAM.read_text())
    return read


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    """What the schema says of each component, by the type that YAML writes."""
    return {
        token.replace(":index:", ":"): resource
        for token, resource in contract.schema()["resources"].items()
    }


def test_yaml_gives_the_inputs_that_there_are(
    program: dict[str, Any], declared: dict[str, Any]
) -> None:
    for resource in program["resources"].values():
        known = declared[resource["type"]]
        given = resource["properties"]
        assert given.keys() <= known["inputProperties"].keys()
        assert set(known.get("requiredInputs", ())) <= given.keys()
        for name, value in given.items():
            kinds = {"integer": int, "number": float, "boolean": bool, "string": str}
            kinds |= {"object": dict, "array": list}
            assert isinstance(value, kinds[known["inputProperties"][name]["type"]]), name


def test_yaml_reads_the_outputs_that_there_are(
    program: dict[str, Any], declared: dict[str, Any]
) -> None:
    references = re.findall(r"\$\{(\w+)\.(\w+)\}", str(program))
    assert len(references) == len(program["outputs"])
    for resource, output in references:
        assert output in declared[program["resources"][resource]["type"]]["properties"]


def test_yaml_takes_the_package_of_this_repository(program: dict[str, Any]) -> None:
    (package,) = program["packages"].items()
    assert package[0] == PACKAGE
    assert (PROGRAM.parent / package[1] / "PulumiPlugin.yaml").is_file()
