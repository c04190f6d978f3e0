"""One measured run, in a process of its own: ``python -m benchmarks.case <what> <program> <file>``.

What is ``preview`` or ``up``, the program is ``components`` or ``bare``, the file is a recording.
Prints the figures as JSON.
"""

import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from laptop.automation import Provider, PulumiEngine
from laptop.demo.meter import Meter
from laptop.server import Session

from . import bare, loops, recording

SAMPLE_SECONDS = 0.25


@dataclass(frozen=True)
class Figures:
    """What one run took: seconds, and peaks of resident memory in MiB."""

    seconds: float
    cpu: float
    """Seconds of processor time, of the program, the engine and the provider together."""
    program: float
    """Of the process that runs the program."""
    processes: float
    """Of the program, the engine and the provider together."""


def measure(what: str, program: Callable[[], object]) -> Figures:
    """Run one operation on a new stack of the laptop AWS at AWS_ENDPOINT_URL."""
    session = Session(os.environ["AWS_ENDPOINT_URL"])
    with (
        Provider(session) as provider,
        PulumiEngine(provider, project=recording.PROJECT, stack=recording.STACK) as engine,
        Meter(SAMPLE_SECONDS) as meter,
    ):
        started = time.perf_counter()
        getattr(engine, what)(program, recording.CONFIG)
        seconds = time.perf_counter() - started
    own = resource.getrusage(resource.RUSAGE_SELF)
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Figures(
        seconds=seconds,
        cpu=sum(each.ru_utime + each.ru_stime for each in (own, theirs)),
        program=peak(),
        processes=meter.peak / 2**20,
    )


def peak() -> float:
    """The peak of this process's resident memory, in MiB (Linux).

    Not what getrusage says, which begins with the peak of the process that started this one.
    """
    (kib,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kib) / 1024


def main(what: str, program: str, file: str) -> None:
    """Measure and print."""
    declarations = recording.load(Path(file))
    count = sum(each.type.endswith(":ModelPackageGroup") for each in declarations)
    programs: dict[str, Callable[[], object]] = {
        "components": lambda: loops.declare(count),
        "bare": lambda: bare.declare(declarations),
    }
    print(json.dumps(asdict(measure(what, programs[program]))))


if __name__ == "__main__":
    main(*sys.argv[1:])
