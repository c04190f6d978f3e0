"""The contract of the package in a form for people: `make contract` writes docs/components.md.

Defaults are contract too, and stand in the descriptions: so these are given in full.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.experimental.host import components_from_module

from components import _public
from components._plugin import PACKAGE, version

DOCUMENT = Path(__file__).parents[2] / "docs" / "components.md"
INTRODUCTION = """\
# The components

Written by `make contract` from the schema that `pulumi package get-schema` gives; a test compares
the two, so that a change of the contract is seen in review. The names are those of the schema, as
every language but Python writes them; Python writes them in snake_case, and so do the sentences
that refuse a wrong value. A *plain* input shapes what is made, and must be known when the program
runs: it takes no output of a resource.
"""


def schema() -> dict[str, Any]:
    """The schema of the package, as its executable serves it."""
    found = ComponentProvider(components_from_module(_public), PACKAGE, version=version())
    read: dict[str, Any] = json.loads(found.schema or "{}")
    return read


def faults(schema: Mapping[str, Any]) -> Iterator[str]:
    """What nobody could use without reading our code: it has no description, or any type."""
    for token, resource in schema["resources"].items():
        if not resource.get("description"):
            yield f"{token} has no description"
        for what in ("inputProperties", "properties"):
            yield from _faults(f"{token}.{what}", resource.get(what, {}))
    for token, described in schema.get("types", {}).items():
        if not described.get("description"):
            yield f"{token} has no description"
        yield from _faults(token, described.get("properties", {}))
        for member in described.get("enum", []):
            if not member.get("description"):
                yield f"{token}.{member['name']} has no description"


def _faults(owner: str, properties: Mapping[str, Any]) -> Iterator[str]:
    for name, described in properties.items():
        if not described.get("description"):
            yield f"{owner}.{name} has no description"
        if "Any" in type_of(described):
            yield f"{owner}.{name} is of type Any"


def type_of(described: Mapping[str, Any]) -> str:
    """The type of a property, in words: `list of string, plain`."""
    plain = ", plain" if described.get("plain") else ""
    if "$ref" in described:
        name: str = described["$ref"].replace("/", ":").rpartition(":")[2]
        return name + plain
    kind: str = described["type"]
    if kind == "array":
        return f"list of {type_of(described['items'])}{plain}"
    if kind == "object":
        return f"map of {type_of(described.get('additionalProperties', {'$ref': 'Any'}))}{plain}"
    return kind + plain


def document(schema: Mapping[str, Any]) -> str:
    """The contract as Markdown: each component with its inputs and outputs, then the types."""
    parts = [INTRODUCTION]
    for token, resource in sorted(schema["resources"].items()):
        parts += [
            _heading(token, resource),
            _inputs(resource["inputProperties"], resource.get("requiredInputs", [])),
            _table(
                ("output", "type", "what it is"),
                (
                    (f"`{name}`", type_of(each), _text(each))
                    for name, each in sorted(resource["properties"].items())
                ),
            ),
        ]
    for token, described in sorted(schema["types"].items()):
        parts.append(_heading(token, described))
        if "enum" in described:
            values = ((f"`{each['value']}`", _text(each)) for each in described["enum"])
            parts.append(_table(("value", "what it means"), values))
        else:
            parts.append(_inputs(described["properties"], described.get("required", [])))
    return "\n".join(parts)


def _heading(token: str, described: Mapping[str, Any]) -> str:
    return f"## {token.rpartition(':')[2]}\n\n{described['description']}\n".replace("\n    ", "\n")


def _inputs(properties: Mapping[str, Any], required: list[str]) -> str:
    """Required ones first."""
    names = sorted(properties, key=lambda name: (name not in required, name))
    return _table(
        ("input", "type", "required", "what it is"),
        (
            (
                f"`{name}`",
                type_of(properties[name]),
                "yes" if name in required else "",
                _text(properties[name]),
            )
            for name in names
        ),
    )


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


def _text(described: Mapping[str, Any]) -> str:
    return " ".join(described["description"].split()).replace("|", "\\|")


if __name__ == "__main__":
    DOCUMENT.write_text(document(schema()))
