"""Parameters of a pipeline: declared by the definition, given as text by a start, bound to values.

Source: the SageMaker pipeline definition schema 2020-12-01 and StartPipelineExecution.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from laptop.errors import AwsError


def _integer(text: str) -> int:
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


TYPES: Mapping[str, Callable[[str], Any]] = {
    "String": str,
    "Integer": _integer,
    "Float": _float,
    "Boolean": _boolean,
}


def read(declaration: Mapping[str, Any], text: str) -> Any:
    """The value that a text has under a parameter's type, if its enumeration allows it.

    :raises AwsError: ValidationException naming the parameter, the value and the rule.
    """
    name, kind = declaration["Name"], declaration["Type"]
    try:
        value = TYPES[kind](text)
    except (ValueError, KeyError):
        raise AwsError(
            "ValidationException",
            f"Parameter [{name}] is of type {kind}, but its value is {text!r}.",
        ) from None
    allowed = declaration.get("EnumValues")
    if allowed and value not in allowed:
        raise AwsError(
            "ValidationException",
            f"Parameter [{name}] must be one of {allowed}, but its value is {text!r}.",
        )
    return value


def bind(
    declarations: Sequence[Mapping[str, Any]], given: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    """The value of every declared parameter: what was given, else its default.

    :param given: ``[{"Name": ..., "Value": text}]`` as StartPipelineExecution takes it.
    :raises AwsError: ValidationException for an unknown, repeated, missing or unfit parameter.
    """
    texts = {parameter["Name"]: parameter["Value"] for parameter in given}
    if len(texts) < len(given):
        raise AwsError("ValidationException", "A pipeline parameter was given more than once.")
    known = {declaration["Name"]: declaration for declaration in declarations}
    if unknown := sorted(texts.keys() - known.keys()):
        raise AwsError(
            "ValidationException",
            f"The pipeline does not declare these parameters: {unknown}. "
            f"It declares {sorted(known)}.",
        )
    missing = [name for name, it in known.items() if name not in texts and "DefaultValue" not in it]
    if missing:
        raise AwsError(
            "ValidationException",
            f"These parameters have no default value and were not given: {missing}.",
        )
    return {
        name: read(it, texts[name]) if name in texts else it["DefaultValue"]
        for name, it in known.items()
    }
