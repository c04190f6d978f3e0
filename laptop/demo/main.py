"""``make demo``: the scenario, shown, measured and reported."""

import signal
import socket
import tempfile
import time
import warnings
from collections.abc import Collection
from pathlib import Path

import boto3
import psutil
from rich.console import Console
from rich.table import Table

from ..errors import LaptopError
from ..server import LaptopAWS
from . import data as datasets
from .data import DataSet
from .engines import ENGINES, opened
from .meter import Meter, descendants
from .report import write
from .scenario import PROJECT, STACK, Facts, Scenario
from .story import Story
from .view import View

TARGET_SECONDS = 150
TARGET_BYTES = 2.5e9


def run(
    *,
    data: Path | None,
    target: str | None,
    protected: str | None,
    port: int,
    report: Path,
    engine: str,
) -> int:
    """Run the demo; returns 0 when everything was seen. The last line printed is the report's path.

    Raises ``LaptopError`` with one sentence when something did not happen.
    """
    console = Console()
    if data is None and (target or protected):
        raise LaptopError(
            "TARGET and PROTECTED name columns of your own file: give DATA=file.csv too."
        )
    table = datasets.from_csv(data, target, protected) if data else datasets.arrests()
    if engine not in ENGINES:
        raise LaptopError(f"ENGINE is {engine!r}, and it must be {' or '.join(ENGINES)}.")
    story = Story()
    stop_on_interrupt(story)
    started = time.monotonic()
    before = descendants(psutil.Process())
    with Meter() as meter, tempfile.TemporaryDirectory(prefix="perennial-") as workdir:
        with View(story, console):
            story.open("start: an empty AWS account on this machine")
            with LaptopAWS(port=port) as aws:
                story.tell("you", f"an empty AWS account at {aws.endpoint_url}, IAM enforced")
                number = int(aws.endpoint_url.rpartition(":")[2])
                facts = play(aws.session(), engine, table, story, Path(workdir))
        check_nothing_runs(number, before)
    path = write(report, table, facts, story)
    console.print(summary(facts, time.monotonic() - started, meter.peak))
    console.print(str(path), soft_wrap=True, highlight=False)
    return 0


def play(session: boto3.Session, engine: str, data: DataSet, story: Story, workdir: Path) -> Facts:
    """The scenario, provisioned by the engine of this name."""
    with opened(engine, session, project=PROJECT, stack=STACK, on_change=story.changed) as deployer:
        return Scenario(session, deployer, data, story, workdir).play()


def stop_on_interrupt(story: Story) -> None:
    """Ctrl-C ends the story, also where a library would swallow it."""

    def interrupt(*_: object) -> None:
        story.interrupted.set()
        warnings.simplefilter("ignore")  # of coroutines that are dropped half-way, on purpose
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)


def check_nothing_runs(port: int, before: Collection[psutil.Process]) -> None:
    """Raise ``LaptopError`` if a process below this one that was not there before, or the port, is
    still there."""
    below = descendants(psutil.Process())
    left = [each.pid for each in below if each not in before and each.is_running()]
    if left:
        raise LaptopError(f"The demo left processes running: {left}.")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise LaptopError(f"Port {port} still answers after the end of the demo.")


def summary(facts: Facts, seconds: float, peak: int) -> Table:
    """The figures of this run beside their targets."""
    table = Table(title="what this run showed", title_justify="left")
    for column in ("figure", "value", "target"):
        table.add_column(column)
    rows = [
        ("resources provisioned", str(facts.resources), ""),
        ("pipeline runs", str(len(facts.runs)), "4: data, drift, code, refused"),
        ("model versions registered", str(len(facts.versions)), "3"),
        ("versions served, in order", ", ".join(map(str, facts.served)), "1, 2"),
        ("requests to the endpoint", str(facts.requests), ""),
        ("errors seen by callers", str(len(facts.errors)), "0"),
        ("messages in the dead-letter queue", str(facts.dead_letters), "0"),
        ("resources left after destroy", str(len(facts.left)), "0"),
        ("duration", f"{seconds:.0f} s", f"{TARGET_SECONDS} s"),
        ("peak memory, all processes", f"{peak / 1e9:.2f} GB", f"{TARGET_BYTES / 1e9:.1f} GB"),
    ]
    for row in rows:
        table.add_row(*row)
    return table
