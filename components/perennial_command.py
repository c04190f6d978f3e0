"""Starts the command line `perennial` without the components, whose import waits for Pulumi.

In the wheel it is a module beside the package. In a checkout it is run as a file, of the package
`components`.
"""

import importlib
import importlib.util
import sys
from pathlib import Path


def run(package: str) -> int:
    """Run the command line of `package`, without the `__init__` that imports the components.

    Pulumi's host wants them all in that module as soon as it is imported, so it cannot be lazy.
    """
    spec = importlib.util.find_spec(package)
    if spec is None:
        sys.exit(f"There is no package {package} for {sys.executable}: install perennial-mlops.")
    sys.modules[package] = importlib.util.module_from_spec(spec)
    code: int = importlib.import_module(f"{package}.cli.main").main()
    return code


def installed() -> int:
    """The console script of the distribution."""
    return run("perennial_mlops")


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    sys.exit(run("components"))
