"""The configuration of a Pulumi project, read as Pulumi reads it."""

import json
from pathlib import Path
from typing import Any

import yaml

from .errors import LaptopError


def load_config(project_dir: Path, stack: str) -> dict[str, str]:
    """The configuration of a stack: ``Pulumi.<stack>.yaml`` over the defaults in ``Pulumi.yaml``.

    Keys come back with their namespace (``perennial:loop``); a key without one is the project's.
    Values are strings; objects and lists are JSON, as pulumi.Config expects them
    (https://www.pulumi.com/docs/reference/pulumi-yaml/#config-options). A stack file that does not
    exist sets nothing. Raises LaptopError for a file that is no such document, for a value that is
    encrypted, and for a declared key that has neither value nor default.
    """
    project = _document(project_dir / "Pulumi.yaml")
    name = project.get("name")
    if not isinstance(name, str):
        raise LaptopError(f"{project_dir / 'Pulumi.yaml'} has no name: give the project one.")
    stack_file = project_dir / f"Pulumi.{stack}.yaml"
    given = _document(stack_file).get("config", {}) if stack_file.exists() else {}
    values = {_qualified(name, key): value for key, value in given.items()}
    missing = []
    for key, declared in (project.get("config") or {}).items():
        full = _qualified(name, key)
        default = _default(declared)
        if full in values:
            continue
        if default is not None:
            values[full] = default
        elif isinstance(declared, dict) and "type" in declared:
            missing.append(full)
    if missing:
        raise LaptopError(
            f"The stack {stack!r} sets no value for {', '.join(missing)}, and there is no default: "
            f"set it in {stack_file.name}."
        )
    return {key: _text(key, value) for key, value in values.items()}


def _document(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LaptopError(f"{path} does not exist: give the folder of a Pulumi project.") from error
    except yaml.YAMLError as error:
        raise LaptopError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise LaptopError(f"{path} holds no mapping: see the Pulumi documentation of the file.")
    return content


def _qualified(project: str, key: str) -> str:
    return key if ":" in key else f"{project}:{key}"


def _default(declared: Any) -> Any:
    # Three forms: {type, default, ...}, {value: ...}, or the value itself.
    if isinstance(declared, dict):
        return declared.get("default", declared.get("value"))
    return declared


def _text(key: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and value.keys() == {"secure"}:
        raise LaptopError(
            f"The value of {key} is encrypted, which only the Pulumi command line can read: "
            "the laptop needs it in plain text."
        )
    return json.dumps(value)
