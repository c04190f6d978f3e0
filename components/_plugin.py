"""Serve the components to every Pulumi language, with no language host in between.

The engine looks a package up on PATH as ``pulumi-resource-<package>``; that executable comes with
the distribution, and stands beside this file for a checkout.
"""

import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pulumi
from pulumi.provider import ConstructResult, main
from pulumi.provider.experimental.analyzer import ComponentDefinition, PropertyDefinition
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.experimental.host import components_from_module
from pulumi.provider.server import ComponentInitError
from pulumi.runtime.proto.engine_pb2 import RequirePulumiVersionRequest
from pulumi.runtime.settings import get_engine

from . import _public
from ._args import ArgumentError

PACKAGE = "perennial-mlops"
"""As ``python -m pulumi.run.plugin perennial-mlops`` derives it from the distribution."""

OLDEST_ENGINE = "3.259.0"
"""No older engine was tried; ``PulumiPlugin.yaml`` says the same where it is read."""


class ComponentPackage(ComponentProvider):
    """Pulumi's own provider of components, but what it refuses is refused by the component.

    So a wrong argument is the same sentence in every language, and no stack trace goes with it.
    """

    def __init__(self) -> None:
        super().__init__(components_from_module(_public), PACKAGE, version=version())

    def map_inputs(
        self, inputs: Mapping[str, Any], component_def: ComponentDefinition
    ) -> dict[str, Any]:
        """The inputs by their Python names, unchecked."""
        return self._renamed(inputs, component_def.inputs, component_def.inputs_mapping)

    def _renamed(
        self,
        values: Mapping[str, Any],
        declared: Mapping[str, PropertyDefinition],
        names: Mapping[str, str],
    ) -> dict[str, Any]:
        return {
            names.get(key) or snake_case(key): self._value(value, declared.get(key))
            for key, value in values.items()
        }

    def _value(self, value: Any, declared: PropertyDefinition | None) -> Any:
        structure = self.get_type_definition(declared) if declared and declared.ref else None
        if structure is None or not isinstance(value, dict):
            return value
        return self._renamed(value, structure.properties, structure.properties_mapping)

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: Mapping[str, Any],
        options: pulumi.ResourceOptions | None = None,
    ) -> ConstructResult:
        """Make a component. Raises ``InputPropertiesError`` with the sentence that refuses it."""
        refuse_old_engine()
        try:
            return super().construct(name, resource_type, inputs, options)
        except ComponentInitError as error:
            if isinstance(error.inner, ArgumentError):
                # Without a list of properties the SDK (3.272) fails to answer at all.
                raise pulumi.InputPropertiesError(str(error.inner), []) from error
            raise


def refuse_old_engine() -> None:
    """Raise ``InputPropertiesError`` if the engine is too old, or too old to say what it is."""
    engine = get_engine()
    request = RequirePulumiVersionRequest(pulumi_version_range=f">={OLDEST_ENGINE}")
    try:
        if engine is not None:
            engine.RequirePulumiVersion(request)
    except grpc.RpcError as error:
        sentence = (
            f"{PACKAGE} needs Pulumi {OLDEST_ENGINE} or newer, and this engine is older: upgrade "
            "the pulumi command (https://www.pulumi.com/docs/install)."
        )
        raise pulumi.InputPropertiesError(sentence, []) from error


def snake_case(name: str) -> str:
    """A name of the schema as Python writes it."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def version() -> str:
    """The version of the distribution: installed, or of this checkout."""
    project = Path(__file__).with_name("pyproject.toml")
    if project.is_file():  # it is not in the wheel
        found: str = tomllib.loads(project.read_text())["project"]["version"]
        return found
    return importlib.metadata.version(PACKAGE)


def run() -> None:
    """Serve until the engine stops this process; its address is the first argument."""
    main(ComponentPackage(), sys.argv[1:])
