"""Outputs inside of texts, lists and mappings.

``Output.all``, ``Output.concat`` and ``Output.json_dumps`` make outputs of all constants and keys
too: in the policies of a loop they were as many as those of all its resources, and Pulumi's SDK
waits for all outputs anew whenever one is ready. Here only what is an output becomes one.
"""

import json
from collections.abc import Callable, Iterator
from inspect import isawaitable
from typing import Any, TypeAlias

import pulumi


class Text:
    """A text with outputs, or such texts, in it; ``lift`` makes a string of it."""

    def __init__(self, *parts: "TextInput") -> None:
        self.parts = parts


TextInput: TypeAlias = pulumi.Input[str] | Text


def lift(value: Any, then: Callable[[Any], Any] = lambda known: known) -> pulumi.Output[Any]:
    """One output of ``value`` when it is known, or of what ``then`` makes of it.

    There may be outputs and texts anywhere in its lists, tuples and mappings.
    """
    inner = {id(each): each for each in _outputs(value)}

    def fill(known: list[Any]) -> Any:
        return then(_filled(value, dict(zip(inner, known, strict=True))))

    return pulumi.Output.all(*inner.values()).apply(fill)


def json_text(value: Any) -> pulumi.Output[str]:
    """JSON of a value in which there may be outputs and texts."""
    return lift(value, json.dumps)


def _is_output(value: Any) -> bool:
    return isinstance(value, pulumi.Output) or isawaitable(value)


def _outputs(value: Any) -> Iterator[Any]:
    if _is_output(value):
        yield value
    elif isinstance(value, Text):
        yield from _outputs(value.parts)
    elif isinstance(value, dict):
        yield from _outputs(list(value.values()))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _outputs(each)


def _filled(value: Any, known: dict[int, Any]) -> Any:
    if _is_output(value):
        return known[id(value)]
    if isinstance(value, Text):
        return "".join(_filled(value.parts, known))
    if isinstance(value, dict):
        return {name: _filled(each, known) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(each, known) for each in value]
    return value
