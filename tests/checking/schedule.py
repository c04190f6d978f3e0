"""What can happen next, and the story of what has happened: the moves that every check is made of.

A scene is a small world, the wake-ups under way in it, and what may still happen. Events are not in
it: any controller may wake at any time, for the sweep or told of any object, whether it has changed
or not. That is what lost, late, doubled, reordered and forged events come to for a controller that
takes nothing from them but which object to look at.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

from .controller import TIMEOUT
from .faults import Fault, Request, faults_of
from .flight import Flight, Witness, fly
from .world import ARTIFACTS, CODE_KEY, DEPLOY_KEY, LEDGER, PAUSE_KEY, REQUEST_KEY, World

NAMES = "AB"
MANY = 10**6


@dataclass(frozen=True)
class Left:
    """What may still happen: from outside in this order, and how often of what has no order."""

    data: tuple[str, ...] = ()
    """`a=1` uploads the object a with the content 1, `a` deletes it."""
    code: tuple[str, ...] = ()
    push: timedelta = timedelta(0)
    """How long before a push nothing else happened: S3 tells times in seconds."""
    alarm: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    """How runs end: `Succeeded`, `Failed aws`, `Failed ours`."""
    lives: int = 0
    """How often a deployment goes live: of the newest run that succeeded."""
    asks: int = 0
    pauses: tuple[bool, ...] = ()
    controllers: int = 2
    wakes: int = 0
    pace: tuple[timedelta, ...] = (timedelta(0),)
    """How long before a wake-up nothing else happened."""
    tells: tuple[str, ...] = ("",)
    """What wakes: the sweep if it is "", else an event about this object."""
    faults: int = 0
    kills: int = 0


@dataclass(frozen=True)
class Scene:
    """A moment of a schedule."""

    world: World
    left: Left
    flights: tuple[Flight, ...] = ()
    """The wake-ups under way, in the order of their controllers."""
    woken: int = 0

    @cached_property
    def key(self) -> int:
        return hash((self.world.key, self.left, *(flight.key for flight in self.flights)))


@dataclass(frozen=True)
class Move:
    """One thing that happens. `who` is a controller, `what` is as in Left.

    A step goes `far` calls, or to the next call at which anything else matters if that is 0.
    """

    kind: str
    who: int = 0
    what: str = ""
    after: timedelta = timedelta(0)
    fault: Fault | None = None
    far: int = 0


# --- what can happen next -----------------------------------------------------------------------


def moves(scene: Scene) -> Iterator[Move]:
    """Every move that is possible, but for those whose order with others makes no difference."""
    for flight in scene.flights:
        if flight.asks and not _others_may_touch(scene, flight.who, flight.asks):
            yield from _moves_of(scene, flight)
            return
    for flight in scene.flights:
        yield from _moves_of(scene, flight)
    yield from _wakes(scene)
    yield from _changes(scene)


def every_move(scene: Scene) -> Iterator[Move]:
    """Every move that is possible, one call at a time: what `moves` must come to."""
    for flight in scene.flights:
        yield from _moves_of(scene, flight, far=1)
    yield from _wakes(scene)
    yield from _changes(scene)


def _moves_of(scene: Scene, flight: Flight, far: int = 0) -> Iterator[Move]:
    yield Move("step", flight.who, far=far)
    if scene.left.kills:
        yield Move("kill", flight.who)
    if scene.left.faults and flight.asks:
        for fault in faults_of(flight.asks):
            yield Move("step", flight.who, fault=fault, far=far)


def _wakes(scene: Scene) -> Iterator[Move]:
    if not scene.left.wakes:
        return
    flying = {flight.who for flight in scene.flights}
    idle = [who for who in range(scene.left.controllers) if who not in flying]
    if not scene.world.skew:
        idle = idle[:1]  # they are alike
    for who in idle:
        for after in scene.left.pace:
            if not scene.flights or after < TIMEOUT:
                for told in scene.left.tells:
                    yield Move("wake", who, told, after)


def _changes(scene: Scene) -> Iterator[Move]:
    left, world = scene.left, scene.world
    if left.data:
        yield Move("data", what=left.data[0])
    if left.code:
        yield Move("code", what=left.code[0], after=left.push)
    if left.alarm:
        yield Move("alarm", what=left.alarm[0])
    if left.pauses:
        yield Move("pause", what=str(left.pauses[0]))
    if left.asks:
        yield Move("ask")
    if left.lives and any(each.status == "Succeeded" for each in world.executions):
        yield Move("live")
    if world.active:
        for how in dict.fromkeys(left.ends):
            yield Move("end", what=how)


def _others_may_touch(scene: Scene, who: int, request: Request) -> bool:
    """Whether anybody else may yet change what the call reads, or read what it changes."""
    left, key = scene.left, request.arguments.get("Key", "")
    others = left.wakes > 0 or any(flight.who != who for flight in scene.flights)
    if request.operation in ("send_message", "put_metric_data") or key.startswith(LEDGER):
        return False  # nobody reads what was sent; appends to the ledger commute
    if request.operation == "list_objects_v2" and request.arguments["Bucket"] == ARTIFACTS:
        return False  # of the ledger
    outside = {
        CODE_KEY: left.code,
        DEPLOY_KEY: left.lives,
        PAUSE_KEY: left.pauses,
        REQUEST_KEY: left.asks,
    }
    if key in outside:
        return bool(outside[key])
    if request.operation in ("list_object_versions", "head_object"):
        return bool(left.data)
    if request.operation == "describe_alarms":
        return bool(left.alarm)
    if request.operation == "start_pipeline_execution":  # the promises judge what was before it
        events = (left.data, left.code, left.alarm, left.pauses, left.asks, left.ends)
        return others or any(events)
    if "execution" in request.operation:
        return others or bool(left.ends)
    return others


# --- what it comes to ---------------------------------------------------------------------------


Heard = Callable[[Request], None]
"""Is told every call that is made."""


def after(scene: Scene, move: Move, witness: Witness, heard: Heard = lambda _: None) -> Scene:
    """The scene after a move."""
    if move.kind == "wake":
        return _wake(scene, move, witness)
    if move.kind in ("step", "kill"):
        (flight,) = (each for each in scene.flights if each.who == move.who)
        others = tuple(each for each in scene.flights if each.who != move.who)
        scene = replace(scene, flights=others)
        if move.kind == "kill":
            return replace(scene, left=replace(scene.left, kills=scene.left.kills - 1))
        return _step(scene, flight, move, witness, heard)
    return replace(
        scene, world=_changed(scene.world.later(move.after), move), left=_less(scene.left, move)
    )


def _wake(scene: Scene, move: Move, witness: Witness) -> Scene:
    left = replace(scene.left, wakes=scene.left.wakes - 1)
    world = scene.world.later(move.after)
    clock = world.now + (world.skew if move.who else timedelta(0))
    told = f"data/{move.what}" if move.what else ""
    world = replace(world, told=world.told or bool(told))
    flight = Flight(move.who, scene.woken + 1, clock, told)
    world, landed = fly(world, flight, lambda *_: False, witness)
    if landed is None:
        raise AssertionError("A controller woke and asked nothing.")
    scene = replace(scene, world=world, left=left, woken=scene.woken + 1)
    return _with(scene, landed)


def _step(scene: Scene, flight: Flight, move: Move, witness: Witness, heard: Heard) -> Scene:
    """Make the call that the flight asks, and go on."""
    if move.fault:
        scene = replace(scene, left=replace(scene.left, faults=scene.left.faults - 1))
    left, made = scene.left, 0

    def goes_on(_: World, request: Request) -> bool:
        nonlocal made
        if move.far:
            stops = made >= move.far
        else:
            stops = bool(left.faults) or (bool(left.kills) and not request.reads)
            stops = made > 0 and (stops or _others_may_touch(scene, flight.who, request))
        if not stops:
            heard(request)
            made += 1
        return not stops

    world, landed = fly(scene.world, flight, goes_on, witness, move.fault)
    scene = replace(scene, world=world)
    return _with(scene, landed) if landed else scene


def _with(scene: Scene, flight: Flight) -> Scene:
    flights = sorted((*scene.flights, flight), key=lambda each: each.who)
    return replace(scene, flights=tuple(flights))


def _changed(world: World, move: Move) -> World:
    what = move.what
    match move.kind:
        case "data":
            name, content, body = what.partition("=")
            return world.upload(name, body.encode()) if content else world.delete(name)
        case "code":
            return world.push(what)
        case "alarm":
            return world.alarmed(what)
        case "pause":
            return world.pause(what == "True")
        case "ask":
            return world.ask()
        case "live":
            return world.live(newest_model(world))
        case "end":
            status, _, cause = what.partition(" ")
            return world.end(status, cause)
    raise ValueError(f"There is no move {move.kind!r}.")


def newest_model(world: World) -> int:
    return max(each.number for each in world.executions if each.status == "Succeeded")


def _less(left: Left, move: Move) -> Left:
    match move.kind:
        case "data":
            return replace(left, data=left.data[1:])
        case "code":
            return replace(left, code=left.code[1:])
        case "alarm":
            return replace(left, alarm=left.alarm[1:])
        case "pause":
            return replace(left, pauses=left.pauses[1:])
        case "ask":
            return replace(left, asks=left.asks - 1)
        case "live":
            return replace(left, lives=left.lives - 1)
    kept = list(left.ends)
    if move.what in kept:
        kept.remove(move.what)
    return replace(left, ends=tuple(kept))


# --- the story ----------------------------------------------------------------------------------

_WORDS = {
    "data": "somebody changes the data: {}",
    "code": "somebody pushes code {}",
    "alarm": "the drift alarm goes to {}",
    "pause": "a person pauses: {}",
    "ask": "a person asks for a run",
    "live": "the newest model goes live",
    "end": "the run ends: {}",
}


def tell(scene: Scene, move: Move) -> str:
    """A move in words, but for the calls that are made; `scene` is the one before it."""
    name = f"controller {NAMES[move.who]}"
    clock = f"{scene.world.now + move.after:%d. %H:%M:%S}"
    if move.kind in _WORDS:
        return f"{clock}  {_WORDS[move.kind].format(move.what)}"
    if move.kind == "wake":
        ahead = (
            f", whose clock is {scene.world.skew} ahead," if scene.world.skew and move.who else ""
        )
        told = f": an event tells of {move.what}" if move.what else ""
        return f"{clock}  {name}{ahead} wakes{told}"
    (flight,) = (each for each in scene.flights if each.who == move.who)
    if move.kind == "kill":
        return f"{clock}  {name} is killed before {flight.asks}"
    return f"{clock}  {name} goes on" + (f", and its call {move.fault}" if move.fault else "")
