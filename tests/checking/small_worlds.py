"""Where schedules start, and what may happen in them: together, all that the issue asks for."""

from datetime import timedelta
from functools import cache

from .controller import LIMITS, SKEW
from .flight import Flight, fly
from .promises import witness
from .schedule import Left, Scene
from .world import World

NOW, QUIET, SWEEP = timedelta(0), LIMITS.quiet_period, timedelta(minutes=15)
CLAIM = LIMITS.claim_period + SKEW
COOL = LIMITS.cooldown


@cache
def young() -> World:
    """Nothing is there yet."""
    return World()


@cache
def ready() -> World:
    """There are data and code that were never run, and it is quiet."""
    return young().upload("a", b"1").push("c1").later(timedelta(minutes=10))


@cache
def running() -> World:
    """The first run is under way."""
    return _sweep(ready(), 101)


@cache
def grown() -> World:
    """The first model is live, and there is nothing to do."""
    ended = running().later(timedelta(hours=1)).end("Succeeded").live(1)
    return _sweep(_sweep(ended, 102), 103).later(SWEEP)


def _sweep(world: World, number: int) -> World:
    world, _ = fly(world, Flight(0, number, world.now), lambda *_: True, witness)
    return world


def scene(world: World, **left: object) -> Scene:
    return Scene(world, Left(**left))  # type: ignore[arg-type]  # named as Left names them


def _skewed(world: World) -> World:
    return world.skewed(SKEW)


WORLDS = {
    "the first data and code, two controllers": lambda: scene(
        young(), data=("a=1",), code=("c1",), wakes=2, pace=(NOW, QUIET)
    ),
    "two start, the code changes, one is killed": lambda: scene(
        ready(), code=("c2",), wakes=2, kills=1
    ),
    "a claim grows stale": lambda: scene(
        ready(), code=("c2",), wakes=2, kills=1, pace=(NOW, CLAIM)
    ),
    "clocks differ by 5 minutes": lambda: scene(
        _skewed(ready()), code=("c2",), wakes=2, pace=(NOW, CLAIM)
    ),
    "clocks differ by 5 minutes, one is killed": lambda: scene(
        _skewed(ready()), wakes=2, kills=1, pace=(NOW, CLAIM)
    ),
    "two start, one call goes wrong": lambda: scene(ready(), wakes=2, faults=1),
    "a run ends, one call goes wrong, one is killed": lambda: scene(
        running(), ends=("Succeeded",), code=("c2",), wakes=1, faults=1, kills=1
    ),
    "a run that a dead controller started ends": lambda: scene(
        ready(),
        code=("c2",),
        ends=("Succeeded",),
        wakes=2,
        kills=1,
        controllers=1,
        pace=(NOW, CLAIM),
    ),
    "a run ends, the code changes, one is killed": lambda: scene(
        running(), code=("c2",), ends=("Succeeded",), wakes=2, kills=1, controllers=1
    ),
    "two see a run end, one is killed": lambda: scene(
        running(), ends=("Succeeded",), wakes=2, kills=1
    ),
    "the data change and change back": lambda: scene(
        grown(), data=("a=2", "a=1"), ends=("Succeeded",), wakes=2, pace=(NOW, QUIET)
    ),
    "two look at data that change twice, told by events or the sweep": lambda: scene(
        grown(), data=("a=2", "a=3"), wakes=2, tells=("", "a")
    ),
    "an object comes and goes under two who look, told or not, one is killed": lambda: scene(
        grown(), data=("b=1", "b"), wakes=2, kills=1, tells=("", "b")
    ),
    "the data change, an object goes, the code changes": lambda: scene(
        grown(), data=("b=1", "b"), code=("c2",), wakes=2, controllers=1, pace=(NOW, QUIET)
    ),
    "drift comes and goes while the data change": lambda: scene(
        grown(), data=("a=2",), alarm=("ALARM", "OK"), wakes=2, pace=(QUIET, COOL)
    ),
    "drift comes during a run": lambda: scene(
        running(),
        alarm=("ALARM", "OK"),
        ends=("Succeeded",),
        wakes=2,
        controllers=1,
        pace=(NOW, COOL),
    ),
    "a failure of AWS's, then one of ours": lambda: scene(
        running(),
        ends=("Failed aws", "Failed ours"),
        wakes=2,
        controllers=1,
        kills=1,
        pace=(CLAIM * 2,),
    ),
    "two see a failure": lambda: scene(running(), ends=("Failed aws",), wakes=2),
    "people pause, ask and resume, one is killed": lambda: scene(
        grown(), asks=1, pauses=(True, False), wakes=2, kills=1, controllers=1
    ),
}
"""Explored to the end in every run of CI."""

LARGE_WORLDS = {
    "all at once, after the first model": lambda: scene(
        grown(),
        data=("a=2", "a=1"),
        code=("c2",),
        alarm=("ALARM", "OK"),
        ends=("Succeeded",),
        wakes=3,
        faults=1,
        kills=1,
        pace=(NOW, QUIET),
    ),
    "all at once, before the first run": lambda: scene(
        ready(),
        data=("a=2", "b=1"),
        code=("c2",),
        alarm=("ALARM", "OK"),
        ends=("Failed aws",),
        wakes=3,
        faults=1,
        kills=1,
        pace=(NOW, QUIET, CLAIM),
    ),
    "two controllers, data, code, drift": lambda: scene(
        grown(),
        data=("a=2",),
        code=("c2",),
        alarm=("ALARM",),
        wakes=2,
        pace=(NOW, QUIET),
    ),
    "two controllers, a fault and a kill": lambda: scene(
        ready(), code=("c2",), wakes=2, faults=1, kills=1
    ),
    "two see a run end, the code changes": lambda: scene(
        running(), code=("c2",), ends=("Succeeded",), wakes=2
    ),
    "two see the data change, an object go, the code change": lambda: scene(
        grown(), data=("b=1", "b"), code=("c2",), wakes=2, pace=(NOW, QUIET)
    ),
    "people pause, ask and resume while two wake": lambda: scene(
        grown(), asks=1, pauses=(True, False), wakes=2
    ),
    "two see drift during a run": lambda: scene(
        running(), alarm=("ALARM", "OK"), ends=("Succeeded",), wakes=2, pace=(NOW, COOL)
    ),
    "two see a run end, the code changes, one is killed": lambda: scene(
        running(), code=("c2",), ends=("Succeeded",), wakes=2, kills=1
    ),
    "clocks differ, the code changes, one is killed": lambda: scene(
        _skewed(ready()), code=("c2",), wakes=2, kills=1, pace=(NOW, CLAIM)
    ),
}
"""What takes longer: `python -m benchmarks.checking`."""
