"""Where schedules start, and what may happen in them: together, all that the issue asks for."""

from datetime import timedelta
from functools import cache

from .controller import LIMITS, SKEW
from .promises import witness
from .flight import Flight, fly
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
