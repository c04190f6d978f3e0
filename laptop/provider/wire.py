"""Properties on the wire of Pulumi's provider protocol (pulumi/proto/pulumi/provider.proto)."""

from collections.abc import Mapping, Set
from typing import Any

from google.protobuf import json_format, struct_pb2
from pulumi.runtime import rpc

from ..resources.compare import is_asset
from ..resources.shape import UNKNOWN, Properties


def read(struct: struct_pb2.Struct) -> Properties:
    """The properties of a message: whole numbers as int, nulls left out, assets as they are.

    A secret is its value here; ``secrets`` tells which they are.
    """
    found: Properties = _plain(json_format.MessageToDict(struct))
    return found


def secrets(struct: struct_pb2.Struct) -> frozenset[str]:
    """Names of the properties of a message that are secret, or hold a secret."""
    return frozenset(n for n, value in json_format.MessageToDict(struct).items() if _hides(value))


def write(properties: Mapping[str, Any], secret: Set[str] = frozenset()) -> struct_pb2.Struct:
    """A message of properties, those that are named in ``secret`` marked so."""
    marked = {
        name: {rpc._special_sig_key: rpc._special_secret_sig, "value": value}
        if name in secret
        else value
        for name, value in properties.items()
    }
    return json_format.ParseDict(marked, struct_pb2.Struct())


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
    if _is_secret(value):
        return _plain(value["value"])
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _hides(value: Any) -> bool:
    if isinstance(value, dict):
        return _is_secret(value) or any(map(_hides, value.values()))
    return isinstance(value, list) and any(map(_hides, value))


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(rpc._special_sig_key) == rpc._special_secret_sig
