"""The engines that can provision the demo: one works in this process, the other is the genuine."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import boto3

from ..engine import Engine, OnChange, UpResult
from ..program import Program

ENGINES = ("laptop", "pulumi")


class Deployer(Protocol):
    """What the demo asks of an engine."""

    def up(self, program: Program, config: Mapping[str, str]) -> UpResult:
        """Make AWS what the program declares."""

    def destroy(self) -> None:
        """Delete everything."""


@contextmanager
def opened(
    name: str, session: boto3.Session, *, project: str, stack: str, on_change: OnChange
) -> Iterator[Deployer]:
    """The engine of a name in ``ENGINES``, until the ``with`` block ends.

    Raises LaptopError if the genuine engine is not to be had.
    """
    if name == "laptop":
        yield Engine(session, project=project, stack=stack, on_change=on_change)
        return
    from ..automation import Provider, PulumiEngine  # imports what only this engine needs

    with (
        Provider(session) as provider,
        PulumiEngine(provider, project=project, stack=stack, on_change=on_change) as genuine,
    ):
        yield genuine
