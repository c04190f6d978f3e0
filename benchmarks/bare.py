"""The same resources without components: each an object of pulumi_aws, written out one by one."""

import re
from collections.abc import Iterator
from typing import Any

import pulumi
import pulumi_aws as aws

from laptop.resources.provider import resource_class

from .recording import REFERENCE, Declaration, Key


def declare(declarations: list[Declaration]) -> None:
    """Declare what was recorded, with the same inputs, outputs of others and options."""
    made: dict[Key, Any] = {
        ("aws:index/getPartition:getPartition", ""): aws.get_partition_output(),
        ("aws:index/getRegion:getRegion", ""): aws.get_region_output(),
        ("aws:index/getCallerIdentity:getCallerIdentity", ""): aws.get_caller_identity_output(),
    }
    for each in declarations:
        kind = resource_class(each.type)
        assert kind is not None, each.type  # noqa: S101  it was declared by its class
        made[each.type, each.name] = kind(
            each.name,
            opts=pulumi.ResourceOptions(
                depends_on=[made[type_, name] for type_, name in each.depends_on],
                protect=each.protect,
                retain_on_delete=each.retain_on_delete,
            ),
            **{_snake(name): _input(value, made) for name, value in each.inputs.items()},
        )


def _input(value: Any, made: dict[Key, Any]) -> Any:
    """An input as it is written by hand: an asset, a value, an output, or a text around outputs."""
    if isinstance(value, dict) and value.keys() == {"path"}:
        return pulumi.FileAsset(value["path"])
    if isinstance(value, dict) and value.keys() == {"paths"}:
        return pulumi.AssetArchive(
            {name: pulumi.FileAsset(path) for name, path in value["paths"].items()}
        )
    references = sorted(set(_references(value)))
    if not references:
        return value
    outputs = {
        text: getattr(made[type_, name], _snake(of)) for text, (type_, name, of) in references
    }
    if isinstance(value, str) and value in outputs:
        return outputs[value]
    return pulumi.Output.all(**outputs).apply(lambda known: _filled(value, known))


def _references(value: Any) -> Iterator[tuple[str, tuple[str, str, str]]]:
    if isinstance(value, str):
        for match in REFERENCE.finditer(value):
            yield match[0], (match[1], match[2], match[3])
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _references(each)


def _filled(value: Any, known: dict[str, str]) -> Any:
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: known[match[0]], value)
    if isinstance(value, dict):
        return {name: _filled(each, known) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, known) for each in value]
    return value


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
