"""Print what the components cost on top of the same resources declared bare: ``make bench``.

Both programs run in turn on the genuine engine, each in a process of its own, on a laptop AWS of
its own. What is printed are medians and, of each pair of runs, the median of their ratios with the
least and the greatest. Which of a pair goes first alternates, and the very first pair is not
counted: a machine that did nothing for a while is slow at first.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from laptop.server import REPOSITORY, LaptopAWS

from . import bare, imports, loops, recording
from .case import Figures

PROGRAMS = ("components", "bare")
OPERATIONS = ("preview", "up")
TARGETS = {"cpu": 1.2, "seconds": 1.2, "program": 1.3, "processes": 1.3}
UNITS = {"cpu": "CPU s", "seconds": "s", "program": "MiB program", "processes": "MiB all"}

FEW_LOOPS = 10
"""So many or fewer take seconds, of which much is chance: they are measured more often."""

# The file backend writes the whole state after every step, which is quadratic, whatever declares
# the steps. Experimental switches of the engine leave that out.
WITHOUT_CHECKPOINTS = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--loops", type=_count, nargs="+", default=[1, 10, 40])
    parser.add_argument(
        "--runs", type=_count, help="pairs of runs (7, or 3 for more than ten loops)"
    )
    parser.add_argument("--operations", choices=OPERATIONS, nargs="+", default=OPERATIONS)
    given = parser.parse_args()
    imports.show()
    with tempfile.TemporaryDirectory() as folder:
        files = {count: _record(count, Path(folder)) for count in given.loops}
        _pair("preview", 0, files[min(files)])
        for what in given.operations:
            medians = {
                count: _show(what, count, file, given.runs or (7 if count <= FEW_LOOPS else 3))
                for count, file in files.items()
            }
            if medians.keys() >= {10, 40}:
                for unit in ("seconds", "cpu"):
                    growth = getattr(medians[40], unit) / getattr(medians[10], unit)
                    print(f"{what}: {UNITS[unit]} of 40 loops / of 10: {growth:.2f} (target 4.6)")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is given, and it must be 1 or more: change it")
    return int(text)


def _record(count: int, folder: Path) -> Path:
    """Write down what the components declare; the bare program must declare the very same.

    In the same order too: a program that declares what nothing waits for first is quicker.
    """
    declared = recording.record(lambda: loops.declare(count))
    again = recording.record(lambda: bare.declare(declared))
    if again != declared:
        raise RuntimeError("The bare program declares something else: correct benchmarks/bare.py.")
    print(f"{count} loops: {len(declared)} resources, {len(declared) / count:.0f} each")
    file = folder / f"{count}.json"
    recording.save(declared, file)
    return file


def _show(what: str, count: int, file: Path, runs: int) -> Figures:
    """Measure both programs in turn and print a line; the medians of the components."""
    pairs = [_pair(what, number, file) for number in range(runs)]
    medians = {}
    print(f"{what} of {count}:")
    for figure, target in TARGETS.items():
        ours, theirs = ([getattr(pair[program], figure) for pair in pairs] for program in PROGRAMS)
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        medians[figure] = median(ours)
        print(
            f"  {UNITS[figure]:<12} components {median(ours):8.1f}  bare {median(theirs):8.1f}"
            f"  ratio {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f},"
            f" target {target})",
            flush=True,
        )
    return Figures(**medians)


def _pair(what: str, number: int, file: Path) -> dict[str, Figures]:
    order = PROGRAMS if number % 2 == 0 else PROGRAMS[::-1]
    return {each: _run(what, each, file) for each in order}


def _run(what: str, program: str, file: Path) -> Figures:
    with LaptopAWS() as aws:
        done = subprocess.run(  # noqa: S603  our own module under our interpreter
            [sys.executable, "-W", "ignore", "-m", "benchmarks.case", what, program, str(file)],
            cwd=REPOSITORY,
            env=os.environ | WITHOUT_CHECKPOINTS | {"AWS_ENDPOINT_URL": aws.endpoint_url},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return Figures(**json.loads(done.stdout))


if __name__ == "__main__":
    main()
