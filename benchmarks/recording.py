"""What a program declares, written down so that another can declare the very same.

In a recording every output is a reference: text that names the resource and the property. So it
shows where a program used which output, inside of JSON documents too.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pulumi

from laptop.program import Registration, run
from laptop.resources.provider import output_properties
from laptop.resources.shape import Properties

PROJECT, STACK = "perennial", "bench"
CONFIG = {"aws:region": "eu-west-1"}

Key: TypeAlias = tuple[str, str]
"""A resource, by type and name."""

REFERENCE = re.compile(r"\$\{([^|{}]+)\|([^|{}]*)\|([^|{}]+)\}")
"""Type, name and property; of a call the token, nothing, and the member of its result."""


class Declaration(NamedTuple):
    """One resource that is no component. An asset is its path, an archive its paths by name."""

    type: str
    name: str
    inputs: dict[str, Any]
    depends_on: list[list[str]]
    """Types and names of what it waits for without using an output of it."""
    protect: bool
    retain_on_delete: bool


def record(program: Callable[[], object]) -> list[Declaration]:
    """Run ``program`` and write down what it declares, in the order in which it does."""
    recorder, order = _Recorder(), dict[Key, int]()

    def number(resource: pulumi.ResourceTransformationArgs) -> None:
        order[resource.type_, resource.name] = len(order)

    def numbered() -> None:
        pulumi.runtime.register_stack_transformation(number)
        program()

    run(numbered, recorder, project=PROJECT, stack=STACK, config=CONFIG, preview=False)
    return sorted(recorder.declarations, key=lambda each: order[each.type, each.name])


def save(declarations: list[Declaration], path: Path) -> None:
    """Write a recording to a file."""
    path.write_text(json.dumps(declarations))


def load(path: Path) -> list[Declaration]:
    """Read a recording from a file."""
    return [Declaration(*each) for each in json.loads(path.read_text())]


class _Recorder:
    """An engine that answers with references."""

    def __init__(self) -> None:
        self.declarations: list[Declaration] = []

    def register(self, registration: Registration) -> Properties:
        if not registration.custom:
            return {}
        type_, name = registration.type, registration.name
        used = frozenset[str]().union(*(registration.property_dependencies or {}).values())
        self.declarations.append(
            Declaration(
                type=type_,
                name=name,
                inputs={key: _written(value) for key, value in registration.inputs.items()},
                depends_on=sorted(list(_key(urn)) for urn in registration.dependencies - used),
                protect=registration.protect,
                retain_on_delete=registration.retain_on_delete,
            )
        )
        return {each: f"${{{type_}|{name}|{each}}}" for each in {"id", *output_properties(type_)}}

    def invoke(self, token: str, arguments: Properties) -> Properties:
        del arguments
        return {each: f"${{{token}||{each}}}" for each in ("accountId", "partition", "region")}


def _key(urn: str) -> Key:
    _, _, types, name = urn.split("::")
    return types.rpartition("$")[2], name


def _written(value: Any) -> Any:
    if isinstance(value, pulumi.FileAsset):
        return {"path": str(value.path)}
    if isinstance(value, pulumi.AssetArchive):
        return {"paths": {name: _written(each)["path"] for name, each in value.assets.items()}}
    return value
