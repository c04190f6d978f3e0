"""Outputs inside of texts, lists and mappings.

``Output.all``, ``Output.concat`` and ``Output.json_dumps`` make outputs of all constants and keys
too: in the policies of a loop they were as many as those of all its resources, and Pulumi's SDK
waits for all outputs anew whenever one is ready. Here only what is an output becomes one, and what
has none in it stays the value that it is.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, TypeAlias

import pulumi


@dataclass(frozen=True)
class Member:
    """An attribute of what an output will be: ``lift`` waits for it once, however many it takes."""

    output: pulumi.Output[Any]
    name: str


class Text:
    """A text with outputs, or such texts, in it; ``lift`` makes a string of it."""

    def __init__(self, *parts: "TextInput") -> None:
        self.parts = parts


TextInput: TypeAlias = pulumi.Input[str] | Member | Text


def lift(value: Any, then: Callable[[Any], Any] = lambda known: known) -> pulumi.Input[Any]:
    """``value``, or what ``then`` makes of it: one output, or at once if it has none in it.

    There may be outputs, members and texts anywhere in its lists, tuples and mappings.
    """
    inner = {id(each): each for each in _outputs(value)}

    def fill(known: Sequence[Any]) -> Any:
        return then(_filled(value, dict(zip(inner, known, strict=True))))

    return pulumi.Output.all(*inner.values()).apply(fill) if inner else fill(())


def json_text(value: Any) -> pulumi.Input[str]:
    """JSON of a value in which there may be outputs and texts."""
    return lift(value, json.dumps)


def _is_output(value: Any) -> bool:
    return isinstance(value, pulumi.Output) or isawaitable(value)


def _outputs(value: Any) -> Iterator[Any]:
    if _is_output(value):
        yield value
    elif isinstance(value, Member):
        yield value.output
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
    if isinstance(value, Member):
        return getattr(known[id(value.output)], value.name)
    if isinstance(value, Text):
        return "".join(_filled(value.parts, known))
    if isinstance(value, dict):
        return {name: _filled(each, known) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(each, known) for each in value]
    return value
