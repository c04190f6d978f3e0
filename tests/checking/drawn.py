"""Long schedules, drawn from a seed: what is too long to be explored is tried, and replayed.

Two controllers, faults of every kind at any call, kills, clocks that differ; data, code, alarms,
pauses and requests that come as they like, and runs that end as they like.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from .controller import LIMITS, SKEW, TIMEOUT
from .faults import faults_of
from .promises import Broken, at_rest, witness
from .schedule import MANY, Left, Move, Scene, after, tell
from .small_worlds import grown, ready, running, young

MOVES = 24
"""Of one schedule, before everything calms down."""

_WAKE_UP_CALLS = 40  # more than a wake-up makes
_PAUSES = (
    timedelta(0),
    timedelta(seconds=30),
    LIMITS.quiet_period,
    timedelta(minutes=15),
    LIMITS.claim_period + SKEW,
    timedelta(hours=1),
    LIMITS.cooldown,
)
_TELLS = ("", "", "a", "b", "never there")
_ENDS = ("Succeeded",) * 4 + ("Failed aws",) * 2 + ("Failed ours",)


@dataclass(frozen=True)
class Outcome:
    """Of one schedule: its story and what it broke."""

    story: tuple[str, ...]
    faults: int
    broken: Broken | None = None


def play(seed: int, moves: int = MOVES) -> Outcome:
    """Play the schedule of a seed: the same seed is the same schedule."""
    dice = Random(seed)  # noqa: S311  # a schedule is no secret
    scene, story, faults = _start(dice), list[str](), 0
    try:
        for _ in range(moves):
            for move in _draw(dice, scene):
                heard = list[str]()
                story.append(tell(scene, move))
                faults += move.fault is not None or move.kind == "kill"
                try:
                    scene = after(scene, move, witness, lambda asked: heard.append(str(asked)))  # noqa: B023
                finally:
                    story[-1] += ": " * bool(heard) + ", ".join(heard)
        story.append("From then on nothing happens but sweeps and ends of runs.")
        at_rest(scene.world)
    except Broken as broken:
        return Outcome(tuple(story), faults, broken)
    return Outcome(tuple(story), faults)


def _start(dice: Random) -> Scene:
    world = dice.choice((young, ready, running, grown))()
    return Scene(
        world.skewed(dice.choice((timedelta(0), SKEW))), Left(wakes=MANY, faults=MANY, kills=MANY)
    )


def _draw(dice: Random, scene: Scene) -> Iterator[Move]:
    """One move, and what must come before it."""
    flying = [flight.who for flight in scene.flights]
    if flying and dice.random() < 0.5:
        yield _go_on(dice, scene)
    elif dice.random() < 0.5:
        pause = dice.choice(_PAUSES)
        if pause >= TIMEOUT:  # nobody lives as long
            yield from (Move("kill", who) for who in flying)
            flying = []
        idle = [who for who in (0, 1) if who not in flying]
        if idle:
            yield Move("wake", dice.choice(idle), dice.choice(_TELLS), pause)
    else:
        yield _change(dice, scene)


def _go_on(dice: Random, scene: Scene) -> Move:
    flight = dice.choice(scene.flights)
    if dice.random() < 0.1:
        return Move("kill", flight.who)
    fault = None
    if flight.asks and dice.random() < 0.3:
        fault = dice.choice(faults_of(flight.asks))
    far = dice.choice((1, 2, dice.randrange(1, _WAKE_UP_CALLS), _WAKE_UP_CALLS))
    return Move("step", flight.who, fault=fault, far=far)


def _change(dice: Random, scene: Scene) -> Move:
    world = scene.world
    changes = [
        Move("data", what=dice.choice(("a=1", "a=2", "a=3", "b=1", "b"))),
        Move("code", what=dice.choice(("c1", "c2", "c3"))),
        Move("alarm", what="OK" if world.alarm[0] == "ALARM" else "ALARM"),
        Move("pause", what=str(world.paused_at is None)),
        Move("ask"),
    ]
    if world.active:
        changes += [Move("end", what=dice.choice(_ENDS))] * 4
    if any(each.status == "Succeeded" for each in world.executions):
        changes.append(Move("live"))
    return dice.choice(changes)
