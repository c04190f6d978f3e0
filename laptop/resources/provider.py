"""What the AWS provider has: read from the pulumi_aws package itself."""

import importlib
import inspect
import re
import threading
import typing
import warnings
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import pulumi
import pulumi_aws
from pulumi import _types  # the one place that maps Python to wire names; pulumi exports no other

from .compare import is_asset
from .shape import UNKNOWN

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


@cache
def settings() -> frozenset[str]:
    """Names of the provider's own settings."""
    return frozenset(_types.input_type_types(_arguments(pulumi_aws.Provider)))


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


@cache
def required(type_: str) -> tuple[str, ...]:
    """Names of the properties that a program has to give a type, in alphabetical order."""
    owner = _arguments(resource_class(type_))
    names = _types.input_type_py_to_pulumi_names(owner)
    given = inspect.signature(owner.__init__).parameters.values()
    return tuple(sorted(names[p.name] for p in given if p.name in names and p.default is p.empty))


def misfits(type_: str, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The values that are not of the type that the provider declares.

    Each with its path, what it is and what it should be, in words: the value may be a secret.
    Names that the provider does not have are left out, and so is UNKNOWN.
    """
    yield from _in_object(_arguments(resource_class(type_)), inputs, "")


@cache
def input_properties(type_: str) -> frozenset[str]:
    """Names of the input properties of a type, as on the wire."""
    return frozenset(_types.input_type_types(_arguments(resource_class(type_))))


@cache
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


_SCALARS = {
    str: (str, "a string"),
    bool: (bool, "true or false"),
    int: (int, "a whole number"),
    float: (int | float, "a number"),
}


def _in_object(owner: Any, value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str, str]]:
    hints = _hints(owner)
    for name, item in value.items():
        if name in hints:
            yield from _misfit(hints[name], item, prefix + name)


@cache
def _hints(owner: Any) -> dict[str, Any]:
    return _types.input_type_types(owner)


def _misfit(hint: Any, value: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """What in ``value`` does not fit a type hint such as Sequence[Union[X, Awaitable, Output]]."""
    hint = _meant(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    wanted = None
    if value is None or value == UNKNOWN:
        return
    if hint in _SCALARS:
        class_, words = _SCALARS[hint]
        if not isinstance(value, class_) or (isinstance(value, bool) and hint is not bool):
            wanted = words
    elif inspect.isclass(hint) and issubclass(hint, pulumi.Asset | pulumi.Archive):
        if not is_asset(value) and not isinstance(value, pulumi.Asset | pulumi.Archive):
            wanted = "an asset or an archive"
    elif inspect.isclass(hint) and _types.is_input_type(hint):
        if isinstance(value, dict):
            yield from _in_object(hint, value, f"{path}.")
        else:
            wanted = "an object"
    elif origin is Sequence:
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _misfit(arguments[0], item, f"{path}[{index}]")
        else:
            wanted = "a list"
    elif origin is Mapping:
        if isinstance(value, dict):
            for name, item in value.items():
                yield from _misfit(arguments[1], item, f"{path}.{name}")
        else:
            wanted = "an object"
    if wanted:
        yield path, _in_words(value), wanted


def _meant(hint: Any) -> Any:
    """The first type of a union that is a value: a policy is a string here, never an object."""
    if typing.get_origin(hint) is not typing.Union:
        return hint
    for option in typing.get_args(hint):
        if typing.get_origin(option) not in {Awaitable, pulumi.Output} and option is not type(None):
            return option
    return hint


def _in_words(value: Any) -> str:
    if is_asset(value) or isinstance(value, pulumi.Asset | pulumi.Archive):
        return "an asset"
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "a string"}
    return kinds.get(type(value), "a list" if isinstance(value, list) else "an object")
