"""What AWS would refuse in a pipeline definition, found without AWS.

The arguments of a step are held against botocore's model of the API call that SageMaker makes with
them: unknown and missing members, types, and the `enum`, `pattern`, `min` and `max` that botocore
itself does not look at. References (`Get`, `Std:Join`, `Std:JsonGet`) are held against what the
definition declares, and against the type of the place they stand in. Format of a definition:
https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import botocore.session

Json = Mapping[str, Any]

# Step type -> the call that creates its job, the call that describes it, and the member of the
# first that SageMaker Pipelines fills in itself.
_CALLS = {
    "Processing": ("CreateProcessingJob", "DescribeProcessingJob", "ProcessingJobName"),
    "Training": ("CreateTrainingJob", "DescribeTrainingJob", "TrainingJobName"),
    "Transform": ("CreateTransformJob", "DescribeTransformJob", "TransformJobName"),
    "Model": ("CreateModel", "DescribeModel", "ModelName"),
    "RegisterModel": ("CreateModelPackage", "DescribeModelPackage", ""),
}
_STEP_KEYS = {
    *("Name", "Type", "Arguments", "DisplayName", "Description", "DependsOn"),
    *("CacheConfig", "RetryPolicies", "PropertyFiles"),
}
_COMPARISONS = {
    *("Equals", "GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo"),
}
_CONDITION_KEYS = {
    **dict.fromkeys(_COMPARISONS, ("LeftValue", "RightValue")),
    "In": ("QueryValue", "Values"),
    "Not": ("Expression",),
    "Or": ("Conditions",),
}
_EXECUTION = {
    *("StartDateTime", "CurrentDateTime", "PipelineName", "PipelineArn", "TrainingJobName"),
    *("PipelineExecutionId", "PipelineExecutionArn", "ProcessingJobName"),
}
_PYTHON_TYPES: dict[str, tuple[str, Any]] = {
    "string": ("text", str),
    "integer": ("a whole number", int),
    "long": ("a whole number", int),
    "float": ("a number", (int, float)),
    "double": ("a number", (int, float)),
    "boolean": ("true or false", bool),
    "structure": ("a structure", dict),
    "map": ("a map", dict),
    "list": ("a list", list),
}
_PARAMETER_TYPES = {
    "String": {"string"},
    "Integer": {"integer", "long", "float", "double"},
    "Float": {"float", "double"},
    "Boolean": {"boolean"},
}
_REFERENCES = {"Get", "Std:Join", "Std:JsonGet"}
_MAX_PARAMETERS = 200
_STEP_NAME = re.compile(r"[A-Za-z0-9](-*[A-Za-z0-9]){0,63}")


def problems(definition: Json) -> list[str]:
    """One sentence for each thing that AWS would refuse, beginning with step and field."""
    return list(_Checker(definition).problems())


class _Checker:
    """The definition, and what it declares."""

    def __init__(self, definition: Json) -> None:
        self._definition = definition
        self._parameters = {
            str(parameter.get("Name")): str(parameter.get("Type"))
            for parameter in definition.get("Parameters", [])
        }
        self._steps = {str(step.get("Name")): step for step in _all_steps(definition["Steps"])}

    def problems(self) -> Iterator[str]:
        yield from self._parameter_problems()
        names = Counter(step.get("Name") for step in _all_steps(self._definition["Steps"]))
        for name, count in names.items():
            if count > 1:
                yield f"{name}: {count} steps have this name. Give each a name of its own."
        for step in self._steps.values():
            yield from self._step_problems(step)

    def _parameter_problems(self) -> Iterator[str]:
        declared = self._definition.get("Parameters", [])
        if len(declared) > _MAX_PARAMETERS:
            yield f"Parameters: {len(declared)} are declared, and {_MAX_PARAMETERS} are allowed."
        for parameter in declared:
            where = f"Parameters.{parameter.get('Name')}"
            if parameter.get("Type") not in _PARAMETER_TYPES:
                yield f"{where}: Type {_not_one_of(parameter.get('Type'), _PARAMETER_TYPES)}"

    def _step_problems(self, step: Json) -> Iterator[str]:
        name, kind = str(step.get("Name")), step.get("Type")
        for key in step.keys() - _STEP_KEYS:
            yield f"{name}: {_not_one_of(key, _STEP_KEYS)}"
        if not _STEP_NAME.fullmatch(name):
            yield f"{name}: Name must be 1 to 64 letters, digits and inner hyphens."
        for other in step.get("DependsOn", []):
            if other not in self._steps:
                yield f"{name}: DependsOn {_not_one_of(other, self._steps)}"
        for file in step.get("PropertyFiles", []):
            if file.get("OutputName") not in (outputs := _outputs(step)):
                where = f"{name}: PropertyFiles {file.get('PropertyFileName')}, OutputName"
                yield f"{where} {_not_one_of(file.get('OutputName'), outputs)}"
        arguments = step.get("Arguments", {})
        match kind:
            case "Condition":
                yield from self._gate_problems(name, arguments)
            case "Fail":
                yield from self._fail_problems(name, arguments)
            case str() if kind in _CALLS:
                create, _, given = _CALLS[kind]
                shape = _model().operation_model(create).input_shape
                yield from self._value_problems(f"{name}: Arguments", arguments, shape, {given})
            case _:
                yield f"{name}: Type {_not_one_of(kind, [*_CALLS, 'Condition', 'Fail'])}"

    def _gate_problems(self, name: str, arguments: Json) -> Iterator[str]:
        for key in arguments.keys() - {"Conditions", "IfSteps", "ElseSteps"}:
            yield f"{name}: {_not_one_of(key, ['Conditions', 'IfSteps', 'ElseSteps'])}"
        for index, condition in enumerate(arguments.get("Conditions", [])):
            yield from self._condition_problems(f"{name}: Conditions[{index}]", condition)

    def _condition_problems(self, where: str, condition: Json) -> Iterator[str]:
        kind = condition.get("Type")
        if kind not in _CONDITION_KEYS:
            yield f"{where}.Type {_not_one_of(kind, _CONDITION_KEYS)}"
            return
        for key in condition.keys() ^ {"Type", *_CONDITION_KEYS[kind]}:
            state = "unknown" if key in condition else "missing"
            yield f"{where}.{key} is {state}. A condition {kind} has {_CONDITION_KEYS[kind]}."
        for key in _CONDITION_KEYS[kind]:
            for value in _as_list(condition.get(key)):
                if kind in ("Not", "Or") and isinstance(value, Mapping):
                    yield from self._condition_problems(f"{where}.{key}", value)
                elif _is_reference(value):
                    yield from self._reference_problems(f"{where}.{key}", value)

    def _fail_problems(self, name: str, arguments: Json) -> Iterator[str]:
        for key in arguments.keys() ^ {"ErrorMessage"}:
            yield f"{name}: Arguments.{key}: a Fail step has ErrorMessage and nothing else."
        message = arguments.get("ErrorMessage", "")
        if _is_reference(message):
            yield from self._reference_problems(f"{name}: Arguments.ErrorMessage", message)

    def _value_problems(
        self, where: str, value: Any, shape: Any, given: Iterable[str] = ()
    ) -> Iterator[str]:
        """`value` against the botocore shape of its place; `given` need not be there."""
        if _is_reference(value):
            yield from self._reference_problems(where, value, shape.type_name)
            return
        words, types = _PYTHON_TYPES[shape.type_name]
        # Python's booleans are integers too.
        if not isinstance(value, types) or (isinstance(value, bool) and types is not bool):
            yield f"{where}: {value!r} is not {words}, which it must be."
            return
        match shape.type_name:
            case "structure":
                for key in value.keys() - shape.members.keys():
                    yield f"{where}: {_not_one_of(key, shape.members)}"
                for key in shape.required_members:
                    if key not in value and key not in given:
                        yield f"{where}.{key} is missing, and required."
                for key in shape.members.keys() & value.keys():
                    yield from self._value_problems(
                        f"{where}.{key}", value[key], shape.members[key]
                    )
            case "map":
                for key, item in value.items():
                    yield from self._value_problems(f"{where} (key)", key, shape.key)
                    yield from self._value_problems(f"{where}.{key}", item, shape.value)
            case "list":
                for index, item in enumerate(value):
                    yield from self._value_problems(f"{where}[{index}]", item, shape.member)
        yield from _limit_problems(where, value, shape)

    def _reference_problems(
        self, where: str, reference: Json, wanted: str | None = None
    ) -> Iterator[str]:
        """`wanted`: type name of the shape that the reference stands for; None: any scalar."""
        if wanted in ("structure", "map", "list"):
            yield f"{where}: a reference cannot stand for a {wanted}. Write the {wanted} out."
            return
        found: set[str] | None = None
        if "Get" in reference:
            problem, found = self._get(str(reference["Get"]))
            if problem:
                yield f"{where}: {problem}"
                return
        elif "Std:Join" in reference:
            found = {"string"}
            for value in reference["Std:Join"].get("Values", []):
                if _is_reference(value):
                    yield from self._reference_problems(where, value)
        else:
            yield from self._json_get_problems(where, reference["Std:JsonGet"])
        if wanted and found and wanted not in found:
            words = " or ".join(sorted(found))
            yield f"{where}: {reference} is a {words}, and a {wanted} is wanted."

    def _get(self, path: str) -> tuple[str | None, set[str] | None]:
        """What is wrong with the path of a `Get`; the shape types that it can stand for."""
        root, _, rest = path.partition(".")
        match root:
            case "Parameters":
                if rest not in self._parameters:
                    return f"{path}: {_not_one_of(rest, self._parameters)}", None
                return None, _PARAMETER_TYPES.get(self._parameters[rest])
            case "Execution":
                problem = None if rest in _EXECUTION else _not_one_of(rest, _EXECUTION)
                return f"{path}: {problem}" if problem else None, {"string"}
            case "Steps":
                name, _, properties = rest.partition(".")
                if name not in self._steps:
                    return f"{path}: {_not_one_of(name, self._steps)}", None
                problem, shape = _property(self._steps[name], properties)
                return f"{path}: {problem}" if problem else None, {shape} if shape else None
        return f"{path}: {_not_one_of(root, ['Parameters', 'Steps', 'Execution'])}", None

    def _json_get_problems(self, where: str, json_get: Json) -> Iterator[str]:
        path = json_get.get("PropertyFile", {}).get("Get", "")
        match path.split("."):
            case ["Steps", name, "PropertyFiles", file] if name in self._steps:
                declared = [
                    str(each.get("PropertyFileName"))
                    for each in self._steps[name].get("PropertyFiles", [])
                ]
                if file not in declared:
                    yield f"{where}: PropertyFile {path}: {_not_one_of(file, declared)}"
            case ["Steps", name, "PropertyFiles", _]:
                yield f"{where}: PropertyFile {path}: {_not_one_of(name, self._steps)}"
            case _:
                yield f"{where}: PropertyFile {path!r} must be Steps.<step>.PropertyFiles.<file>."
        if not json_get.get("Path"):
            yield f"{where}: JsonGet has no Path: say which value of the file is meant."


def _property(step: Json, path: str) -> tuple[str | None, str | None]:
    """What is wrong with a property of a step; the type name of its shape."""
    if step.get("Type") not in _CALLS:
        return f"a {step.get('Type')} step has no properties.", None
    shape: Any = _model().operation_model(_CALLS[step["Type"]][1]).output_shape
    for part in re.findall(r"\['[^']*'\]|\[\d+\]|[^.\[\]]+", path):
        key = part.strip("[]'")
        if shape.type_name == "structure":
            if key not in shape.members:
                return _not_one_of(key, shape.members), None
            shape = shape.members[key]
        elif shape.type_name in ("list", "map"):
            if part.startswith("['") and "Outputs[" in path and key not in _outputs(step):
                return f"output {_not_one_of(key, _outputs(step))}", None
            shape = shape.member if shape.type_name == "list" else shape.value
        else:
            return f"{key!r} lies inside of a {shape.type_name}.", None
    return None, shape.type_name


def _outputs(step: Json) -> list[str]:
    """Names of the outputs of a processing step."""
    outputs = step.get("Arguments", {}).get("ProcessingOutputConfig", {}).get("Outputs", [])
    return [str(output.get("OutputName")) for output in outputs]


def _limit_problems(where: str, value: Any, shape: Any) -> Iterator[str]:
    """The enum, pattern, min and max of a shape. Lengths for text, lists and maps."""
    limits = shape.metadata
    if isinstance(value, str):
        if (allowed := limits.get("enum")) and value not in allowed:
            yield f"{where}: {_not_one_of(value, allowed)}"
        pattern = _pattern(limits.get("pattern", ""))
        if pattern and not pattern.fullmatch(value):
            yield f"{where}: {value!r} does not match the pattern {limits['pattern']}."
    size = value if isinstance(value, int | float) else len(value)
    what = size if isinstance(value, int | float) else f"the length {size}"
    if "min" in limits and size < limits["min"]:
        yield f"{where}: {what} is below the minimum of {limits['min']}."
    if "max" in limits and size > limits["max"]:
        yield f"{where}: {what} is above the maximum of {limits['max']}."


@cache
def _pattern(pattern: str) -> "re.Pattern[str] | None":
    """AWS's patterns are Java's; None for what Python cannot read, so that it refuses nothing."""
    for java, python in ((r"\p{L}\p{Z}\p{N}", r"\w\s"), (r"\p{L}\p{M}\p{Z}\p{N}", r"\w\s")):
        pattern = pattern.replace(java, python)
    try:
        return re.compile(re.sub(r"\$\{\d+,\d+\}$", "", pattern)) if pattern else None
    except re.error:
        return None


def _all_steps(steps: Sequence[Json]) -> Iterator[Json]:
    """Steps, and those in the branches of their conditions."""
    for step in steps:
        yield step
        if step.get("Type") == "Condition":
            arguments = step.get("Arguments", {})
            yield from _all_steps([*arguments.get("IfSteps", []), *arguments.get("ElseSteps", [])])


def _is_reference(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) == 1 and set(value) <= _REFERENCES


def _as_list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _not_one_of(given: Any, known: Iterable[str]) -> str:
    """Says what is not known, and what may have been meant."""
    names = sorted(known)
    near = difflib.get_close_matches(str(given), names, n=1)
    remedy = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(names[:12]) or 'none'}."
    return f"{given!r} is not known here. {remedy}"


@cache
def _model() -> Any:
    return botocore.session.Session().get_service_model("sagemaker")
