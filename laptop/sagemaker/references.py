"""References in a pipeline definition, found and resolved: ``Get``, ``Std:Join``, ``Std:JsonGet``.

Source: the SageMaker pipeline definition schema 2020-12-01
(https://aws-sagemaker-mlops-pipelines.github.io/schema) and the Amazon SageMaker AI Developer
Guide, "Pass Data Between Steps".
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

KINDS = frozenset({"Get", "Std:Join", "Std:JsonGet"})
NAMED_BY = ("OutputName", "InputName", "ChannelName", "MetricName", "Name")
"""The member that names an element of a list, so that ``Outputs['train']`` finds it."""

_SEGMENT = re.compile(r"\.?([A-Za-z_][\w-]*)|\[(\d+)\]|\[(['\"])(.*?)\3\]")


class BadReferenceError(Exception):
    """A reference that leads nowhere; the message says where it broke."""


def is_reference(value: object) -> bool:
    """Whether a JSON value stands for another value."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in KINDS


def split(path: str) -> list[str | int]:
    """The segments of ``Steps.Train.Outputs['a b'][0].Uri``: names as str, list indexes as int.

    :raises BadReferenceError: if the path does not parse.
    """
    segments: list[str | int] = []
    position = 0
    while position < len(path):
        match = _SEGMENT.match(path, position)
        if match is None:
            raise BadReferenceError(f"{path!r} does not parse at character {position + 1}")
        name, index, _, quoted = match.groups()
        segments.append(int(index) if index is not None else name or quoted)
        position = match.end()
    if not segments:
        raise BadReferenceError("an empty reference points nowhere")
    return segments


def walk(value: Any, segments: list[str | int]) -> Any:
    """What lies at a path inside a JSON value.

    A name selects a member of an object, or the element of a list that bears that name.

    :raises BadReferenceError: if there is nothing at that path.
    """
    for segment in segments:
        try:
            value = _child(value, segment)
        except (KeyError, IndexError, TypeError, StopIteration):
            raise BadReferenceError(f"there is no {segment!r} in {_shorten(value)}") from None
    return value


def _child(value: Any, segment: str | int) -> Any:
    if isinstance(value, list) and isinstance(segment, str):
        return next(
            element
            for element in value
            if any(element.get(member) == segment for member in NAMED_BY)
        )
    return value[segment]


def _shorten(value: object, limit: int = 200) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= limit else text[:limit] + "..."


def paths(value: Any) -> Iterator[str]:
    """Every ``Get`` path inside a JSON value, in document order."""
    if isinstance(value, dict):
        if is_reference(value) and "Get" in value:
            yield value["Get"]
            return
        value = list(value.values())
    if isinstance(value, list):
        for element in value:
            yield from paths(element)


def resolve(value: Any, get: Callable[[str], Any], json_get: Callable[[Any, str], Any]) -> Any:
    """A JSON value with every reference in it replaced by what it stands for.

    :param get: answers a ``Get`` path.
    :param json_get: answers a ``Std:JsonGet``: takes its source (``{"PropertyFile": path}`` or
        ``{"S3Uri": uri}``, resolved) and the JSON path inside that document.
    """
    if isinstance(value, list):
        return [resolve(element, get, json_get) for element in value]
    if not isinstance(value, dict):
        return value
    if not is_reference(value):
        return {name: resolve(member, get, json_get) for name, member in value.items()}
    kind, body = next(iter(value.items()))
    if kind == "Get":
        return get(body)
    if kind == "Std:Join":
        return body["On"].join(as_text(resolve(part, get, json_get)) for part in body["Values"])
    if "PropertyFile" in body:
        return json_get({"PropertyFile": body["PropertyFile"]["Get"]}, body["Path"])
    return json_get({"S3Uri": resolve(body["S3Uri"], get, json_get)}, body["Path"])


def as_text(value: object) -> str:
    """A resolved value as a string: text as it is, anything else as JSON (true, 0.5, null)."""
    return value if isinstance(value, str) else json.dumps(value)
