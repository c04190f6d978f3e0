"""Properties on the wire of Pulumi's provider protocol (pulumi/proto/pulumi/provider.proto)."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2
from pulumi.runtime import rpc

from ..resources.compare import is_asset
from ..resources.shape import UNKNOWN, Properties


def read(struct: struct_pb2.Struct) -> Properties:
    """The properties of a message: whole numbers as int, nulls left out, assets as they are."""
    found: Properties = _plain(json_format.MessageToDict(struct))
    return found


def write(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """A message of properties."""
    return json_format.ParseDict(dict(properties), struct_pb2.Struct())


def assets(properties: Properties) -> Properties:
    """The properties with assets and archives as objects of Pulumi's SDK, which can be read."""
    return {
        name: rpc.deserialize_property(write(value)) if is_asset(value) else value
        for name, value in properties.items()
    }


def knows(value: Any) -> bool:
    """Whether nothing in a value is unknown."""
    if isinstance(value, dict):
        return all(map(knows, value.values()))
    if isinstance(value, list):
        return all(map(knows, value))
    return bool(value != UNKNOWN)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
