"""What AWS refuses and botocore lets through: ``pattern``, ``max`` and ``enum``, and more.

botocore checks types, minima, required and unknown members on the client and leaves the rest to the
service. ``problems`` checks all of it against botocore's own service model. Added to the model are
a few rules (``RULES``) that only the API reference states.
"""

import functools
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape

LONGEST_MATCHED = 4096
"""Characters of the longest string held against a pattern; some patterns take exponential time."""

VALUE_SHOWN = 80
"""Characters of a refused value that are shown."""


@functools.cache
def service_model(service: str) -> ServiceModel:
    """botocore's model of a service, by botocore's name (``cloudwatch``, ``events``...)."""
    return botocore.session.get_session().get_service_model(service)


def problems(service: str, operation: str, params: Mapping[str, Any]) -> list[str]:
    """One sentence for each member of a request that AWS would refuse; empty if there is none.

    ``params`` as boto3 takes them. A member is named by its path, for instance
    ``ProductionVariants[0].InstanceType``. Raises botocore's OperationNotFoundError for an
    operation that the service does not have.
    """
    shape = service_model(service).operation_model(operation).input_shape
    found = list(check(shape, params, "")) if shape is not None else []
    rule = RULES.get((service, operation))
    return found or (list(rule(params)) if rule else [])


def check(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """The problems of one value and everything in it."""
    if getattr(shape, "is_document_type", False):
        return
    if not isinstance(value, TYPES[shape.type_name]) or (
        isinstance(value, bool) and shape.type_name != "boolean"
    ):
        yield f"{path or 'The request'} must be of type {shape.type_name}, not {shown(value)}."
        return
    if shape.type_name == "structure":
        yield from check_structure(shape, value, path)
    elif shape.type_name == "list":
        yield from check_size(shape, len(value), path, "items")
        for index, item in enumerate(value):
            yield from check(shape.member, item, f"{path}[{index}]")
    elif shape.type_name == "map":
        yield from check_size(shape, len(value), path, "entries")
        for key, item in value.items():
            yield from check(shape.key, key, f"{path}, key {shown(key)},")
            yield from check(shape.value, item, f"{path}[{key!r}]")
    elif shape.type_name in ("string", "character"):
        yield from check_string(shape, value, path)
    elif shape.type_name == "blob":
        if isinstance(value, (bytes, bytearray)):
            yield from check_size(shape, len(value), path, "bytes")
    elif shape.type_name in NUMBERS:
        yield from check_number(shape, value, path)


def check_structure(shape: Shape, value: Mapping[str, Any], path: str) -> Iterator[str]:
    """Required members are there, unknown ones are not, and each of them is right."""
    prefix = f"{path}." if path else ""
    for name in shape.required_members:
        if name not in value:
            yield f"{prefix}{name} is required."
    for name, item in value.items():
        if name not in shape.members:
            yield f"{prefix}{name} is not a member: there are {', '.join(shape.members)}."
        elif item is not None:
            yield from check(shape.members[name], item, f"{prefix}{name}")


def check_string(shape: Shape, value: str, path: str) -> Iterator[str]:
    """Length, then the values or the pattern that the model allows."""
    yield from check_size(shape, len(value), path, "characters")
    if shape.enum and value not in shape.enum:
        yield f"{path} is {shown(value)}, and must be one of {', '.join(shape.enum)}."
    pattern = shape.metadata.get("pattern")
    matcher = compiled(pattern) if pattern and len(value) <= LONGEST_MATCHED else None
    if matcher and not matcher.fullmatch(value):
        yield f"{path} is {shown(value)}, and must match the pattern {pattern}."


def check_number(shape: Shape, value: float, path: str) -> Iterator[str]:
    """A whole number where one is asked for, in the model's range."""
    if shape.type_name in ("integer", "long") and value != int(value):
        yield f"{path} is {value}, and must be a whole number."
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and value < low) or (high is not None and value > high):
        yield f"{path} is {value}, and must be {span(low, high)}."


def check_size(shape: Shape, size: int, path: str, unit: str) -> Iterator[str]:
    """The number of characters, items, entries or bytes is in the model's range."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and size < low) or (high is not None and size > high):
        yield f"{path} has {size} {unit}, and must have {span(low, high)}."


def span(low: float | None, high: float | None) -> str:
    """A range in words; at least one of its ends is given."""
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"


def shown(value: Any) -> str:
    """The value, shortened."""
    text = repr(value)
    return text if len(text) <= VALUE_SHOWN else f"{text[:VALUE_SHOWN]}..."


NUMBERS = ("integer", "long", "float", "double")

TYPES: Mapping[str, Any] = {
    "structure": Mapping,
    "list": (list, tuple),
    "map": Mapping,
    "string": str,
    "character": str,
    "boolean": bool,
    "blob": object,  # bytes, text or anything that can be read
    "timestamp": object,  # datetime, number or text
    **dict.fromkeys(NUMBERS, (int, float)),
}


# --- Patterns: Java's regular expressions, matched against the whole string


@functools.cache
def compiled(pattern: str) -> re.Pattern[str] | None:
    """A model's pattern for Python, or None where it cannot be said in Python.

    Java matches the whole string, so an anchor is superfluous; ``\\w`` and ``\\d`` are ASCII.
    """
    try:
        return re.compile(python_pattern(pattern), re.ASCII)
    except re.error:
        return None


def python_pattern(pattern: str) -> str:
    """Java's regular expression in Python's syntax, where they differ in the models of AWS."""
    # A surrogate pair range is how the models write U+10000 to U+10FFFF.
    text = pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", "\U00010000-\U0010ffff")
    text = text.replace(r"\z", r"\Z")
    # `\w-_` in a class: after a shorthand, the hyphen is one.
    text = re.sub(r"(\\[wds])-(?=[^\]])", r"\1\\-", text)
    # `$` takes no quantifier here; in Java it is matched once or more, to the same effect.
    text = re.sub(r"\$\{\d+,\d+\}$", "$", text)
    return re.sub(r"\\p\{(\w+)\}", lambda found: unicode_class(found[1], found, text), text)


def unicode_class(name: str, found: re.Match[str], text: str) -> str:
    """The characters of ``\\p{name}``, as ranges: bare inside a class, else as a class."""
    before = text[: found.start()].replace(r"\[", "").replace(r"\]", "")
    inside = before.count("[") > before.count("]")
    ranges = CLASSES.get(name) or category(name)
    return ranges if inside else f"[{ranges}]"


BASIC_PLANE = 0x10000

CLASSES = {"ASCII": r"\x00-\x7f", "Alnum": "a-zA-Z0-9", "Print": r"\x20-\x7e"}


@functools.cache
def category(initial: str) -> str:
    """A Unicode category (its initial: L, M, N, P, S, Z) as ranges for a character class."""
    return "".join(
        f"{re.escape(chr(start))}-{re.escape(chr(end))}" for start, end in categories()[initial]
    )


@functools.cache
def categories() -> dict[str, list[tuple[int, int]]]:
    """Initial of each Unicode category -> its ranges; beyond the basic plane every one has all."""
    ranges: dict[str, list[tuple[int, int]]] = {}
    for code in range(BASIC_PLANE):
        known = ranges.setdefault(unicodedata.category(chr(code))[0], [])
        if known and known[-1][1] == code - 1:
            known[-1] = (known[-1][0], code)
        else:
            known.append((code, code))
    return {initial: [*known, (BASIC_PLANE, sys.maxunicode)] for initial, known in ranges.items()}


# --- Rules that the API reference states and the model does not hold


def metric_alarm(params: Mapping[str, Any]) -> Iterator[str]:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""
    period, periods = params.get("Period"), params["EvaluationPeriods"]
    if period is not None:
        if period not in (10, 20, 30) and period % 60:
            yield f"Period is {period}, and must be 10, 20, 30 or a multiple of 60 seconds."
        longest = 86_400 if period < 3600 else 604_800
        if period * periods > longest:
            yield (
                f"Period times EvaluationPeriods is {period * periods} seconds, and must be at "
                f"most {longest}."
            )
    if params.get("DatapointsToAlarm", periods) > periods:
        yield (
            f"DatapointsToAlarm is {params['DatapointsToAlarm']}, and must be at most "
            f"EvaluationPeriods, {periods}."
        )


RULES: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], Iterator[str]]] = {
    ("cloudwatch", "PutMetricAlarm"): metric_alarm,
}
