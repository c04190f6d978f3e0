"""A pipeline definition: parsed, and refused with step and field if SageMaker could not run it.

Source: the SageMaker pipeline definition schema 2020-12-01; step types as in the Amazon SageMaker
AI Developer Guide, "Pipelines steps".
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from laptop.errors import AwsError

from . import caching, conditions, parameters, references, shapes

VERSION = "2020-12-01"
EXECUTION_VARIABLES = frozenset(
    {
        "CurrentDateTime",
        "PipelineArn",
        "PipelineExecutionArn",
        "PipelineExecutionId",
        "PipelineName",
        "StartDateTime",
    }
)
OPERATIONS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "Processing": ("CreateProcessingJob", {"ProcessingJobName": "name"}),
    "Training": ("CreateTrainingJob", {"TrainingJobName": "name"}),
    "RegisterModel": ("CreateModelPackage", {}),
    "Model": ("CreateModel", {"ModelName": "name"}),
}
"""The call that SageMaker makes for a step, and the members of the request that it adds itself."""

TYPES = frozenset({*OPERATIONS, "Condition", "Fail"})


@dataclass(frozen=True)
class Step:
    """One step of a pipeline."""

    name: str
    kind: str
    arguments: Mapping[str, Any]
    needs: frozenset[str]
    """Steps that must have succeeded before this one starts."""

    branches: Mapping[bool, tuple[str, ...]]
    """For a condition: the steps that follow each outcome. Empty for every other step."""

    property_files: Mapping[str, Mapping[str, str]]
    """By name: ``{"OutputName": ..., "FilePath": ...}``."""

    cached: bool
    expire_after: str | None
    display_name: str | None
    description: str | None


@dataclass(frozen=True)
class Definition:
    """A pipeline definition that can run."""

    parameters: tuple[Mapping[str, Any], ...]
    steps: Mapping[str, Step]
    roots: tuple[str, ...]
    """The steps that no condition decides about."""


def parse(text: str) -> Definition:
    """Read a definition.

    :raises AwsError: ValidationException that names the step and the field, and the rule.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise _refused(f"it is not JSON ({error})") from None
    if not isinstance(document, dict) or document.get("Version") != VERSION:
        raise _refused(f"Version must be {VERSION!r}")
    declared = _declared(document.get("Parameters", []))
    raw = document.get("Steps")
    if not isinstance(raw, list) or not raw:
        raise _refused("Steps must be a list of at least one step")
    found = list(_flatten(raw, parent=None, visible=frozenset()))
    _no_twins([it.name for it in found])
    by_name = {it.name: it for it in found}
    steps = {it.name: _step(it, by_name, {p["Name"] for p in declared}) for it in found}
    _no_cycle(steps, by_name)
    return Definition(tuple(declared), steps, tuple(step["Name"] for step in raw))


@dataclass(frozen=True)
class _Found:
    """A step as it stands in the document: the condition it hangs on, and the steps it may see."""

    name: str
    document: Mapping[str, Any]
    parent: str | None
    visible: frozenset[str]


def _flatten(raw: Sequence[Any], parent: str | None, visible: frozenset[str]) -> Iterator[_Found]:
    for step in raw:
        if not isinstance(step, dict) or not isinstance(step.get("Name"), str):
            raise _refused("every step needs a Name")
    visible = visible | {step["Name"] for step in raw}
    for step in raw:
        yield _Found(step["Name"], step, parent, visible)
        if step.get("Type") == "Condition":
            arguments = _object(step, "Arguments")
            for branch in ("IfSteps", "ElseSteps"):
                yield from _flatten(arguments.get(branch, []), step["Name"], visible)


def _step(found: _Found, by_name: Mapping[str, _Found], declared: set[str]) -> Step:
    document, name = found.document, found.name
    kind = document.get("Type")
    if kind not in TYPES:
        raise _refused(
            f"step {name!r}, Type: {kind!r} cannot run here; this SageMaker runs {sorted(TYPES)}"
        )
    arguments = _object(document, "Arguments")
    own = _own_arguments(kind, arguments)
    if kind in OPERATIONS:
        operation, given = OPERATIONS[kind]
        if problems := shapes.problems(operation, arguments, given):
            raise _refused(f"step {name!r}, Arguments: {'; '.join(problems.splitlines())}")
    elif kind == "Condition":
        for condition in arguments.get("Conditions") or [{}]:
            _check_condition(name, condition)
    elif "ErrorMessage" not in arguments:
        raise _refused(f"step {name!r}, Arguments: a Fail step needs an ErrorMessage")
    needs = {_depended(it) for it in document.get("DependsOn", [])}
    for path in references.paths(own):
        needs |= _check_path(name, path, by_name, declared)
    for other in needs:
        if other not in found.visible:
            state = "is inside a branch of a condition" if other in by_name else "does not exist"
            raise _refused(f"step {name!r} depends on step {other!r}, which {state}")
    cache = document.get("CacheConfig") or {}
    if cache.get("ExpireAfter"):
        try:
            caching.duration(cache["ExpireAfter"])
        except ValueError as error:
            raise _refused(f"step {name!r}, CacheConfig: {error}") from None
    return Step(
        name=name,
        kind=kind,
        arguments=own,
        needs=frozenset(needs),
        branches={
            outcome: tuple(step["Name"] for step in arguments.get(member, []))
            for outcome, member in ((True, "IfSteps"), (False, "ElseSteps"))
            if kind == "Condition"
        },
        property_files={it["PropertyFileName"]: it for it in document.get("PropertyFiles", [])},
        cached=bool(cache.get("Enabled")) and kind in caching.KEY_ATTRIBUTES,
        expire_after=cache.get("ExpireAfter"),
        display_name=document.get("DisplayName"),
        description=document.get("Description"),
    )


def _own_arguments(kind: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """A step's arguments without the steps that are nested in them."""
    nested = ("IfSteps", "ElseSteps") if kind == "Condition" else ()
    return {member: value for member, value in arguments.items() if member not in nested}


def _check_condition(name: str, condition: Mapping[str, Any]) -> None:
    kind = condition.get("Type")
    if kind not in conditions.TYPES:
        raise _refused(
            f"step {name!r}, Conditions: type {kind!r} is not one of {sorted(conditions.TYPES)}"
        )
    members = {"In": {"QueryValue", "Values"}, "Not": {"Condition"}, "Or": {"Conditions"}}
    if missing := members.get(kind, {"LeftValue", "RightValue"}) - condition.keys():
        raise _refused(f"step {name!r}, Conditions: {kind} needs {sorted(missing)}")
    for part in conditions.parts(condition):
        _check_condition(name, part)


def _depended(entry: str | Mapping[str, str]) -> str:
    """The step that an element of DependsOn names (its output, if any, does not matter)."""
    return (entry if isinstance(entry, str) else entry["Step"]).partition(".")[0]


def _check_path(
    name: str, path: str, by_name: Mapping[str, _Found], declared: set[str]
) -> set[str]:
    """The steps that a ``Get`` path needs, after checking that it can lead somewhere."""
    try:
        head, *rest = references.split(path)
    except references.BadReferenceError as error:
        raise _refused(f"step {name!r}: {error}") from None
    target = str(rest[0]) if rest else ""
    if head == "Parameters":
        if target not in declared:
            raise _refused(f"step {name!r} refers to parameter {target!r}, which does not exist")
        return set()
    if head == "Execution":
        if target not in EXECUTION_VARIABLES:
            raise _refused(
                f"step {name!r} refers to {path!r}; the execution has {sorted(EXECUTION_VARIABLES)}"
            )
        return set()
    if head != "Steps":
        raise _refused(f"step {name!r} refers to {path!r}, which is no parameter and no step")
    if len(rest) > 2 and rest[1] == "PropertyFiles" and target in by_name:
        files = [it["PropertyFileName"] for it in by_name[target].document.get("PropertyFiles", [])]
        if rest[2] not in files:
            raise _refused(
                f"step {name!r} refers to property file {rest[2]!r} of step {target!r}, "
                f"which has {files}"
            )
    return {target}


def _declared(raw: Any) -> list[Mapping[str, Any]]:
    for parameter in raw:
        name, kind = parameter.get("Name"), parameter.get("Type")
        if not isinstance(name, str) or kind not in parameters.TYPES:
            raise _refused(
                f"parameter {name!r}: Type {kind!r} is not one of {sorted(parameters.TYPES)}"
            )
        if "DefaultValue" in parameter:
            parameters.read(parameter, references.as_text(parameter["DefaultValue"]))
    _no_twins([parameter["Name"] for parameter in raw])
    return list(raw)


def _no_twins(names: Sequence[str]) -> None:
    if twins := sorted({name for name in names if names.count(name) > 1}):
        raise _refused(f"these names are given more than once: {twins}")


def _no_cycle(steps: Mapping[str, Step], by_name: Mapping[str, _Found]) -> None:
    graph = {
        name: {*step.needs, *filter(None, [by_name[name].parent])} for name, step in steps.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise _refused(f"these steps wait for each other: {' -> '.join(error.args[1])}") from None


def _object(step: Mapping[str, Any], member: str) -> Mapping[str, Any]:
    value = step.get(member)
    if not isinstance(value, dict):
        raise _refused(f"step {step.get('Name')!r}, {member}: it must be an object")
    return value


def _refused(reason: str) -> AwsError:
    return AwsError("ValidationException", f"Unable to parse pipeline definition: {reason}.")
