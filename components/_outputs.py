"""Outputs inside of texts, lists and mappings.

``Output.all``, ``Output.concat`` and ``Output.json_dumps`` make outputs of every key and every leaf
too. Pulumi's SDK waits for all outputs again whenever one is ready, so that the policies of a loop
cost as much as all its resources (`benchmarks/`). Here only what is an output becomes one.
"""

import json
from collections.abc import Iterator
from inspect import isawaitable
from typing import Any

import pulumi


def lift(value: Any) -> pulumi.Output[Any]:
    """One output of a value in whose lists, tuples and mappings there may be outputs."""
    inner = {id(each): each for each in _outputs(value)}

    def fill(known: list[Any]) -> Any:
        return _filled(value, dict(zip(inner, known, strict=True)))

    return pulumi.Output.all(*inner.values()).apply(fill)


def text(*parts: pulumi.Input[str]) -> pulumi.Output[str]:
    """The parts, one behind the other."""
    return lift(parts).apply("".join)


def json_text(value: Any) -> pulumi.Output[str]:
    """A value in which there may be outputs, as JSON."""
    return lift(value).apply(json.dumps)


def _is_output(value: Any) -> bool:
    return isinstance(value, pulumi.Output) or isawaitable(value)


def _outputs(value: Any) -> Iterator[Any]:
    if _is_output(value):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _outputs(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _outputs(each)


def _filled(value: Any, known: dict[int, Any]) -> Any:
    if _is_output(value):
        return known[id(value)]
    if isinstance(value, dict):
        return {name: _filled(each, known) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(each, known) for each in value]
    return value
