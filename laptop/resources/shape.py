"""How a property of Pulumi is spelt in an AWS request: a table, which is also what is known."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pulumi.runtime import rpc

Properties: TypeAlias = dict[str, Any]
"""Properties as on Pulumi's wire: camelCase keys; assets and archives already read into bytes."""

UNKNOWN: str = rpc.UNKNOWN
"""Stands, in a preview, for a value that only AWS will know; whatever holds it is unknown too."""


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Field:
    """One property of a resource.

    ``aws`` is the member's name in the request and in the answer, None for a property that the
    handler sends by a call of its own. ``of`` is the table of a nested object, or of each object
    of a list. ``encode`` and ``decode`` convert where the two sides differ in more than names.
    """

    aws: str | None = None
    of: "Shape | None" = None
    encode: Callable[[Any], Any] = _same
    decode: Callable[[Any], Any] = _same


Shape: TypeAlias = Mapping[str, Field]


def same(*names: str) -> dict[str, Field]:
    """Fields whose AWS name is the Pulumi name with a capital first letter."""
    return {name: Field(name[0].upper() + name[1:]) for name in names}


def lower(*names: str) -> dict[str, Field]:
    """Fields that have the same name on both sides (CloudWatch Logs writes camelCase too)."""
    return {name: Field(name) for name in names}


def own(*names: str) -> dict[str, Field]:
    """Fields that the handler sends by calls of its own."""
    return {name: Field() for name in names}


def single(aws: str, of: "Shape") -> Field:
    """A property that holds one object where AWS has a list of at most one."""
    return Field(
        aws,
        encode=lambda value: [to_aws(of, value)],
        decode=lambda items: from_aws(of, items[0]) if items else None,
        of=of,
    )


def first(aws: str, of: "Shape") -> Field:
    """A property that holds a list of at most one where AWS has one object."""
    return Field(
        aws,
        encode=lambda items: to_aws(of, items[0]),
        decode=lambda value: [from_aws(of, value)],
        of=of,
    )


def to_aws(shape: Shape, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The request members of ``properties``; properties with calls of their own are left out."""
    return {
        field.aws: _encode(field, properties[name])
        for name, field in shape.items()
        if field.aws is not None and properties.get(name) is not None
    }


def from_aws(shape: Shape, answer: Mapping[str, Any]) -> Properties:
    """The properties that an answer of AWS holds; what the table does not name is left out."""
    found = {
        name: _decode(field, answer[field.aws])
        for name, field in shape.items()
        if field.aws is not None and answer.get(field.aws) is not None
    }
    return {name: value for name, value in found.items() if value is not None}


def unknown(shape: Shape, properties: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Paths of the properties that ``shape`` does not name, as in ``rules[0].filter.tagg``."""
    for name, value in properties.items():
        field = shape.get(name)
        if field is None:
            yield f"{prefix}{name}"
        elif field.of is not None and isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    yield from unknown(field.of, item, f"{prefix}{name}[{index}].")
        elif field.of is not None and isinstance(value, dict):
            yield from unknown(field.of, value, f"{prefix}{name}.")


def _encode(field: Field, value: Any) -> Any:
    if field.encode is not _same:
        return field.encode(value)
    if field.of is None:
        return value
    if isinstance(value, list):
        return [to_aws(field.of, item) for item in value]
    return to_aws(field.of, value)


def _decode(field: Field, value: Any) -> Any:
    if field.decode is not _same:
        return field.decode(value)
    if field.of is None:
        return value
    if isinstance(value, list):
        return [from_aws(field.of, item) for item in value]
    return from_aws(field.of, value)
