"""The shapes of SageMaker's own API, as botocore's service model has them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import botocore.session
import botocore.validate

from .references import is_reference


@cache
def session() -> Any:
    """The botocore session of this package; it reads each service model once."""
    return botocore.session.Session()


@cache
def model() -> Any:
    """The service model of SageMaker."""
    return session().get_service_model("sagemaker")


def response(operation: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a record that an operation's response has."""
    return _members(model().operation_model(operation).output_shape, record)


def summary(shape: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a record that a named shape (for instance ``EndpointSummary``) has."""
    return _members(model().shape_for(shape), record)


def _members(shape: Any, record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in shape.members if record.get(name) is not None}


def problems(operation: str, request: Mapping[str, Any], given_later: Mapping[str, Any]) -> str:
    """What botocore's model has against a request in which references stand for values.

    :param given_later: members that the service itself adds before it makes the call.
    :returns: one line a problem; empty if there is none.
    """
    shape = model().operation_model(operation).input_shape
    misplaced: list[str] = []
    filled = _fill({**request, **given_later}, shape, operation, misplaced)
    report = botocore.validate.ParamValidator().validate(filled, shape)
    return "\n".join([*misplaced, *filter(None, [report.generate_report()])])


def _fill(value: Any, shape: Any, path: str, misplaced: list[str]) -> Any:
    """The value with a sample of the right type in place of every reference."""
    if is_reference(value):
        if shape.type_name == "string":
            return "reference".ljust(shape.metadata.get("min", 0), "-")
        if shape.type_name in SAMPLES:
            return SAMPLES[shape.type_name]
        misplaced.append(f"{path}: a reference cannot stand for a {shape.type_name}")
        return {} if shape.type_name in ("structure", "map") else []
    if shape.type_name == "structure" and isinstance(value, dict):
        return {
            name: _fill(member, shape.members[name], f"{path}.{name}", misplaced)
            if name in shape.members
            else member
            for name, member in value.items()
        }
    if shape.type_name == "map" and isinstance(value, dict):
        return {
            name: _fill(member, shape.value, f"{path}.{name}", misplaced)
            for name, member in value.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [
            _fill(element, shape.member, f"{path}[{index}]", misplaced)
            for index, element in enumerate(value)
        ]
    return value


SAMPLES: Mapping[str, Any] = {
    "integer": 1,
    "long": 1,
    "float": 1.0,
    "double": 1.0,
    "boolean": True,
}
