"""Bind a compiled pipeline definition to an environment.

The format is SageMaker's (https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/);
the arguments of a step are those of CreateProcessingJob and CreateTrainingJob. What can be a
parameter of the definition is one; structures and lists cannot be, so they are put in here.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from ._args import ArgumentError

PER_RUN = frozenset({"SnapshotId", "CodeVersion"})
"""Parameters without a default: every start of the pipeline says them."""

_READ: Mapping[str, Callable[[str], Any]] = {
    "String": str,
    "Integer": int,
    "Float": float,
    "Boolean": lambda text: {"true": True, "false": False}[text],
}


def check(definition: str, parameters: Mapping[str, Any], own: Collection[str] = ()) -> None:
    """Refuse parameters that do not fit the definition, before anything is made.

    ``parameters`` are what the user gives, ``own`` the names of those that the component adds. A
    name must be declared, a value must fit its type (those not known yet, anything but ``str``, are
    not looked at), and a parameter without a default must be given. Raises ``ArgumentError``.
    """
    declared = {each["Name"]: each for each in _read(definition).get("Parameters", [])}
    for name, value in parameters.items():
        if name in PER_RUN:
            raise ArgumentError(
                f"parameters has {name}, and each run is given its own: remove it from parameters."
            )
        if name in own:
            raise ArgumentError(
                f"parameters has {name}, and the component sets it: remove it from parameters."
            )
        if name not in declared:
            raise ArgumentError(
                f"parameters has {name!r}, and the definition declares only "
                f"{', '.join(sorted(declared.keys() - PER_RUN - set(own)))}: correct the name."
            )
        if isinstance(value, str):
            _value(declared[name], value)
    for name, parameter in declared.items():
        if not (
            name in PER_RUN or name in own or name in parameters or "DefaultValue" in parameter
        ):
            raise ArgumentError(
                f"parameters has no {name}, and the definition has no default for it: add it to "
                "parameters."
            )


def bind(
    definition: str,
    parameters: Mapping[str, str],
    own: Mapping[str, str],
    *,
    subnets: Sequence[str] = (),
    security_groups: Sequence[str] = (),
    kms_key_arn: str | None = None,
    isolate_training: bool = False,
) -> str:
    """Return the definition for one environment, as JSON with sorted keys.

    ``parameters`` and ``own`` become default values of the definition's parameters; those of
    ``own`` that it does not declare are left out. The network and the key are put into every
    processing and training step, the isolation into training steps. Raises ``ArgumentError`` as
    ``check`` does.
    """
    check(definition, parameters, own)
    bound = _read(definition)
    values = {**parameters, **own}
    for parameter in bound.get("Parameters", []):
        if parameter["Name"] in values:
            parameter["DefaultValue"] = _value(parameter, values[parameter["Name"]])
    network = {"Subnets": list(subnets), "SecurityGroupIds": list(security_groups)}
    for step in _steps(bound.get("Steps", [])):
        arguments = step["Arguments"]
        if step["Type"] == "Processing":
            cluster = arguments["ProcessingResources"]["ClusterConfig"]
            output = arguments.get("ProcessingOutputConfig")
            if subnets:
                arguments.setdefault("NetworkConfig", {})["VpcConfig"] = network
        elif step["Type"] == "Training":
            cluster, output = arguments["ResourceConfig"], arguments["OutputDataConfig"]
            if subnets:
                arguments["VpcConfig"] = network
            if isolate_training:
                arguments["EnableNetworkIsolation"] = True
        else:
            continue
        if kms_key_arn is not None:
            cluster["VolumeKmsKeyId"] = kms_key_arn
            if output is not None:
                output["KmsKeyId"] = kms_key_arn
    return json.dumps(bound, sort_keys=True)


def values(bound: str, leave_out: Collection[str] = ()) -> dict[str, str]:
    """The values that the parameters of a bound definition have, as text, by name.

    Those without a value, which a run is given when it is started, and those of ``leave_out`` are
    not among them.
    """
    return {
        parameter["Name"]: value if isinstance(value, str) else json.dumps(value)
        for parameter in _read(bound).get("Parameters", [])
        if (value := parameter.get("DefaultValue")) is not None
        and parameter["Name"] not in leave_out
    }


def _read(definition: str) -> dict[str, Any]:
    try:
        read = json.loads(definition)
    except json.JSONDecodeError as error:
        raise ArgumentError(
            f"definition is not JSON ({error}): give what the pipeline was compiled to."
        ) from error
    if not isinstance(read, dict) or "Steps" not in read:
        raise ArgumentError(
            "definition is JSON without Steps, and SageMaker runs steps: give what the pipeline "
            "was compiled to."
        )
    return read


def _value(parameter: Mapping[str, Any], text: str) -> Any:
    kind = parameter["Type"]
    try:
        value = _READ[kind](text)
    except (ValueError, KeyError) as error:
        raise ArgumentError(
            f"The pipeline's parameter {parameter['Name']} is {text!r}, and its type is {kind}: "
            "write a value of that type."
        ) from error
    allowed = parameter.get("EnumValues")
    if allowed and value not in allowed:
        raise ArgumentError(
            f"The pipeline's parameter {parameter['Name']} is {text!r}, and it may be one of "
            f"{', '.join(map(str, allowed))}: choose one."
        )
    return value


def _steps(steps: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All steps, those inside of conditions too."""
    for step in steps:
        yield step
        if step["Type"] == "Condition":
            yield from _steps(step["Arguments"].get("IfSteps", []))
            yield from _steps(step["Arguments"].get("ElseSteps", []))
