"""What keeps the small worlds small changes nothing: without it, they end in the same worlds.

Two things do: a wake-up forgets what it no longer needs (memory.py), and a call that nobody else
can touch has no moment of its own (schedule.py, `moves`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from unittest.mock import patch

import pytest

from . import flight
from .explorer import Report, explore
from .protections import PROTECTIONS, switched_off
from .schedule import Move, Scene, every_move, moves
from .small_worlds import CLAIM, COOL, NOW, QUIET, grown, ready, running, scene

WORLDS: dict[str, Callable[[], Scene]] = {
    "two start": lambda: scene(ready(), wakes=2),
    "two see the code change": lambda: scene(grown(), code=("c2",), wakes=2),
    "the code changes, a claim grows stale": lambda: scene(
        ready(), code=("c2",), wakes=2, kills=1, controllers=1, pace=(NOW, CLAIM)
    ),
    "one call goes wrong": lambda: scene(ready(), wakes=1, faults=1),
    "a run ends, one call goes wrong, one is killed": lambda: scene(
        running(), code=("c2",), ends=("Succeeded",), wakes=1, faults=1, kills=1
    ),
    "an object comes and goes": lambda: scene(
        grown(), data=("b=1", "b"), wakes=1, pace=(NOW, QUIET)
    ),
    "two see the data change": lambda: scene(grown(), data=("a=2",), wakes=2),
    "drift comes and goes": lambda: scene(
        grown(), alarm=("ALARM", "OK"), wakes=2, controllers=1, pace=(NOW, COOL)
    ),
    "people pause, ask and resume": lambda: scene(
        grown(), asks=1, pauses=(True, False), wakes=2, kills=1, controllers=1
    ),
}


@contextmanager
def remembering_everything() -> Iterator[None]:
    flight.forget()
    with patch.object(flight, "forgetting", lambda _: nullcontext()):
        yield
    flight.forget()


def explored(name: str, possible: Callable[[Scene], Iterator[Move]] = moves) -> Report:
    flight.forget()
    report = explore(WORLDS[name](), possible=possible)
    assert report.broken is None, str(report)
    return report


@pytest.mark.checking
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", WORLDS)
def test_to_forget_leaves_every_schedule_as_it_is(name: str) -> None:
    with remembering_everything():
        whole = explored(name)
    small = explored(name)
    assert small.states <= whole.states
    assert (small.schedules, small.rests, small.ends) == (whole.schedules, whole.rests, whole.ends)


@pytest.mark.checking
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", WORLDS)
def test_a_call_that_nobody_else_can_touch_needs_no_moment_of_its_own(name: str) -> None:
    whole, small = explored(name, every_move), explored(name)
    assert small.states < whole.states
    assert small.ends == whole.ends


@pytest.mark.parametrize("name", ["completion", "token", "look before the start", "retry limit"])
def test_what_breaks_is_found_by_either_exploration(name: str) -> None:
    protection = PROTECTIONS[name]
    with switched_off(protection.off):
        small = explore(protection.start())
        whole = explore(protection.start(), possible=every_move)
    assert small.broken is not None and whole.broken is not None
    assert str(small.broken) == str(whole.broken)
