"""Serve the components to every Pulumi language, with no language host in between.

The engine looks a package up on PATH as ``pulumi-resource-<package>``; that executable comes with
the distribution, and stands beside this file for a checkout.
"""

import importlib
import importlib.metadata
import tomllib
from pathlib import Path

from pulumi.provider.experimental import component_provider_host
from pulumi.provider.experimental.host import components_from_module

PACKAGE = "perennial-mlops"
"""As ``python -m pulumi.run.plugin perennial-mlops`` derives it from the distribution."""


def main() -> None:
    """Serve until the engine stops this process; its address is the first argument."""
    module = importlib.import_module(__package__)
    component_provider_host(components_from_module(module), PACKAGE, version=version())


def version() -> str:
    """The version of the distribution: installed, or of this checkout."""
    project = Path(__file__).with_name("pyproject.toml")
    if project.is_file():  # it is not in the wheel
        found: str = tomllib.loads(project.read_text())["project"]["version"]
        return found
    return importlib.metadata.version(PACKAGE)
