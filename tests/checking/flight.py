"""A wake-up of the real controller, flown from one AWS call to the next.

Between two calls a controller is a function of the time it woke at and of the answers it has had.
So a wake-up under way is kept as those answers: a value, like the world. To go on, the controller
runs again from its start, is given the answers it knows, and meets the world with the next call.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any
from unittest.mock import patch

from botocore.exceptions import BotoCoreError, ClientError

from components.runtime import inventory

from .controller import wake
from .faults import Fault, Reply, Request, perform
from .memory import forgetting
from .world import World

Witness = Callable[[World, World], None]
"""Is shown the world before and after every call that changed it; may raise."""


class Landed(BaseException):  # no Exception: nothing in the controller may handle it
    """The wake-up is stopped before its next call."""


@dataclass(frozen=True)
class Flight:
    """A wake-up under way: who, its number among all wake-ups, since when by its own clock, what it
    knows, what it asks next."""

    who: int
    number: int
    woke_at: datetime
    told: str = ""
    """The object that an event told it of; "" if the sweep woke it."""
    known: tuple[Reply, ...] = ()
    asks: Request | None = None
    faults: int = 0
    path: int = 0
    """Stands for all that it knows and has not forgotten (memory.py)."""

    @cached_property
    def key(self) -> int:
        """Equal for two flights that go on in the same way."""
        begun = (self.who, self.number, self.woke_at, self.told)
        return hash((begun, self.path, self.faults > 0))

    def answered(self, reply: Reply, path: int, *, faulty: bool) -> "Flight":
        faults = self.faults + faulty
        known = (*self.known, reply)
        return Flight(self.who, self.number, self.woke_at, self.told, known, None, faults, path)


GoesOn = Callable[[World, Request], bool]
"""Whether the flight makes this call now, or lands before it."""


class Boundary:
    """Where the controller meets AWS: known answers first, then the world, as far as it may go."""

    def __init__(
        self, world: World, flight: Flight, goes_on: GoesOn, witness: Witness, fault: Fault | None
    ) -> None:
        self.world = world
        self.flight = flight
        self._goes_on = goes_on
        self._witness = witness
        self._fault = fault
        self._known: Iterator[Reply] = iter(())
        self.path = flight.path

    def restart(self) -> None:
        """The controller runs from its start: it is told again what it knows."""
        self._known = iter(self.flight.known)
        self.path = 0

    def __call__(self, request: Request) -> Any:
        """Called by the controller: the answer, or the error, of one call."""
        reply = next(self._known, None)
        if reply is None:
            _ASKED[self.flight.key] = request, self.path
            reply = self.perform(request, self.path)
        self.path = hash((self.path, reply.key))
        return reply.give(request)

    def perform(self, request: Request, path: int) -> Reply:
        """Make the call, if the flight may go on; `path` is all that it knows before. Raises Landed
        if it may not."""
        if not self._goes_on(self.world, request):
            self.flight = replace(self.flight, asks=request, path=path)
            raise Landed
        before, fault = self.world, self._fault
        self.world, reply = perform(before, request, fault)
        self._fault = None
        path = hash((path, reply.key))
        self.flight = self.flight.answered(reply, path, faulty=fault is not None)
        if self.world is not before:
            self._witness(before, self.world)
        return reply


_ASKED: dict[int, tuple[Request | None, int]] = {}
"""What a flight asks next, by its key, and what its path is once it has forgotten what it then no
longer needs; None if its wake-up is over. So the controller runs once for all schedules in which it
has had the same answers, however many worlds they are."""
_MOST_ASKED = 200_000


class Client:
    """A boto3 client, as far as the controller can tell."""

    def __init__(self, boundary: Boundary) -> None:
        self._boundary = boundary

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            answer = self._boundary(Request(operation, arguments))
            if operation == "get_object":
                return {**answer, "Body": io.BytesIO(answer["Body"])}
            return answer

        return call

    def get_paginator(self, operation: str) -> "Paginator":
        return Paginator(getattr(self, operation))


class Paginator:
    """One page holds all: what is listed is so small."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def paginate(self, **arguments: Any) -> Iterator[Any]:
        arguments.pop("PaginationConfig", None)
        yield self._call(**arguments)


class InTurn:
    """In place of a pool of threads: calls come one after another, in the same order each time."""

    def __init__(self, _threads: int) -> None:
        pass

    def __enter__(self) -> "InTurn":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, function: Callable[..., Any], *items: Any) -> Iterator[Any]:
        return map(function, *items)


class _Nowhere(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)


def fly(
    world: World,
    flight: Flight,
    goes_on: GoesOn,
    witness: Witness,
    fault: Fault | None = None,
) -> tuple[World, Flight | None]:
    """The world when the flight lands, and the flight; None once the wake-up is over.

    `fault` befalls the first call. An error that the controller lets through ends the wake-up, as
    in Lambda; without a fault that explains it, it is the controller's mistake, and raised.
    """
    if len(_ASKED) > _MOST_ASKED:
        _ASKED.clear()
    boundary = Boundary(world, flight, goes_on, witness, fault)
    try:
        while asked := _ASKED.get(boundary.flight.key):
            request, path = asked
            if request is None:
                return boundary.world, None
            boundary.perform(request, path)
        _run(boundary)
    except Landed:
        return boundary.world, boundary.flight
    _ASKED[boundary.flight.key] = None, 0
    return boundary.world, None


def _run(boundary: Boundary) -> None:
    """Run the controller until it lands or its wake-up is over."""
    flight = boundary.flight
    boundary.restart()
    with (
        redirect_stdout(_Nowhere()),
        patch.object(inventory, "ThreadPoolExecutor", InTurn),
        forgetting(boundary),
    ):
        try:
            wake(Client(boundary), flight.woke_at, str(flight.number), flight.told)
        except (ClientError, BotoCoreError):
            if not boundary.flight.faults:
                raise


def forget() -> None:
    """Another controller is checked now."""
    _ASKED.clear()
