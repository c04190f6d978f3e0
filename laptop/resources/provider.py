"""What the AWS provider has: read from the pulumi_aws package itself."""

import importlib
import inspect
import re
import threading
import typing
import warnings
from functools import cache
from typing import Any

import pulumi_aws
from pulumi import _types  # the one place that maps Python to wire names; pulumi exports no other

_importing = threading.Lock()  # pulumi_aws loads its modules lazily, which two threads upset


@cache
def resource_class(type_: str) -> Any | None:
    """The class of a type token such as ``aws:s3/bucket:Bucket``; None if there is none."""
    match = re.fullmatch(r"aws:(\w+)/\w+:(\w+)", type_)
    if match is None:
        return None
    module = "lambda_" if match[1] == "lambda" else match[1]
    with _importing, warnings.catch_warnings():
        # Importing a module of pulumi_aws warns of every deprecated type in it.
        warnings.simplefilter("ignore", DeprecationWarning)
        found = getattr(getattr(pulumi_aws, module, None), match[2], None)
    return found if getattr(found, "pulumi_type", None) == type_ else None


def has_property(type_: str, path: str) -> bool:
    """Whether the provider has the property at ``path`` (``rules[0].filter.prefix``) of a type."""
    owner: Any = _arguments(resource_class(type_))
    for name in re.sub(r"\[\d+\]", "", path).split("."):
        if owner is None:
            return False
        properties = _types.input_type_types(owner)
        if name not in properties:
            return False
        owner = _nested(properties[name])
    return True


def input_properties(type_: str) -> frozenset[str]:
    """Names of the input properties of a type, as on the wire."""
    return frozenset(_types.input_type_types(_arguments(resource_class(type_))))


def output_properties(type_: str) -> frozenset[str]:
    """Names of the output properties of a type, as on the wire; ``id`` and ``urn`` are left out."""
    found = resource_class(type_)
    return frozenset(_types.resource_types(found)) if found else frozenset()


def _arguments(resource: Any) -> Any:
    module = inspect.getmodule(resource)
    name = resource.__name__
    # Where <Name>Args is the name of a nested type, the generator calls the arguments InitArgs.
    return getattr(module, f"{name}InitArgs", None) or getattr(module, f"{name}Args", None)


def _nested(hint: Any) -> Any | None:
    """The class of nested arguments inside a type hint such as Input[Sequence[Input[X]]]."""
    if inspect.isclass(hint) and _types.is_input_type(hint):
        return hint
    if isinstance(hint, typing.ForwardRef):
        name = hint.__forward_arg__.removeprefix("_")
        module, _, cls = name.rpartition(".")
        return getattr(importlib.import_module(module), cls, None) if module else None
    for argument in typing.get_args(hint):
        found = _nested(argument)
        if found is not None:
            return found
    return None
