"""What importing the components costs on top of importing Pulumi and its AWS provider."""

import subprocess
import sys
import time
from statistics import median

from laptop.server import REPOSITORY

PROGRAMS = {
    "pulumi + pulumi_aws": "import pulumi, pulumi_aws",
    "and components": "import pulumi, pulumi_aws, components",
}
RUNS = 7
"""An import takes less than a second, of which much is chance."""


def show() -> None:
    """Measure in turn, each in a fresh interpreter, and print medians and their ratio."""
    pairs = [[_seconds(code) for code in PROGRAMS.values()] for _ in range(RUNS)]
    for number, name in enumerate(PROGRAMS):
        print(f"import {name}: {median(pair[number] for pair in pairs):.2f} s")
    print(f"  ratio {median(ours / bare for bare, ours in pairs):.2f} (target 1.2)", flush=True)


def _seconds(code: str) -> float:
    started = time.perf_counter()
    subprocess.run(  # noqa: S603  our own code under our interpreter
        [sys.executable, "-W", "ignore", "-c", code], cwd=REPOSITORY, check=True
    )
    return time.perf_counter() - started
