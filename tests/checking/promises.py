"""The eight promises of docs/retraining.md, as what must be true of a world.

Most are judged at the moment when the world changes (`witness`), from what AWS holds and from what
really happened to data, code and alarm; never from what the controller believes. The first promise
is about what comes in the end: `at_rest` lets everything calm down, and looks.
"""

import io
import json
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from components.runtime.inventory import HEAD_KEY
from components.runtime.retrain_decision import WAIT_GROWTH
from components.runtime.segment import Segments
from components.runtime.snapshot import Snapshot

from .controller import LIMITS, SKEW, TIMEOUT
from .flight import Flight, fly
from .schedule import newest_model
from .world import ARTIFACTS, DATA, SNAPSHOTS, STATE_KEY, Content, Execution, Version, World, call

PERSON = "a person is needed"
SWEEP = timedelta(minutes=15)
DAY = timedelta(days=1)
ROUNDS = 40
"""Wake-ups after which a world that nobody disturbs must have come to rest."""


class Broken(BaseException):  # no Exception: nothing in the controller may handle it
    """A promise is broken."""

    def __init__(self, promise: str, sentence: str) -> None:
        super().__init__(promise, sentence)
        self.promise = promise

    def __str__(self) -> str:
        return ": ".join(self.args)


def witness(before: World, after: World) -> None:
    """Judge one change of the world. Raises Broken."""
    for number in range(len(before.executions), len(after.executions)):
        moment = replace(before, executions=after.executions[:number])
        for judge in (
            _never_two_at_once,
            _recorded_before,
            _never_backwards,
            _nothing_twice,
            _bursts_are_one_run,
            _bounded_spend,
            _not_while_paused,
        ):
            judge(moment, after.executions[number])
    if after.ledger is not before.ledger:
        _append_only(before, after)
    if after.objects is not before.objects:
        _snapshots_stay(before, after)
        _inventory_goes_forward(before, after)


# --- at the start of a run ----------------------------------------------------------------------


def _never_two_at_once(before: World, new: Execution) -> None:
    for other in before.active:
        raise Broken("nothing twice", f"{_name(new)} starts while {_name(other)} executes.")


def _recorded_before(before: World, new: Execution) -> None:
    if not any(record.token == new.token for record in before.records):
        raise Broken("recorded first", f"{_name(new)} starts, and the ledger does not say why.")
    if content(before, new) is None:
        raise Broken("recorded first", f"{_name(new)} starts on a snapshot without a manifest.")


def _never_backwards(before: World, new: Execution) -> None:
    for what, places in (("data", _places_of_data), ("code", _place_of_code)):
        for other in before.executions:
            was, now = places(before, other), places(before, new)
            if any(now[name] < was[name] for name in was.keys() & now.keys()):
                raise Broken(
                    "never backwards", f"{_name(new)} runs on older {what} than {_name(other)}."
                )


def _nothing_twice(before: World, new: Execution) -> None:
    same = [each for each in before.executions if each.parameters == new.parameters]
    if not same:
        return
    last = same[-1]
    asked = any(at >= _decided_on(before, last) for at in before.asked)
    drift = any(at >= _decided_on(before, last) for at in before.raised)
    if asked:
        return
    if last.cause == "aws":
        _retried(before, same)
    elif last.cause:
        raise Broken("failure ends", f"{_name(last)} failed by its inputs, and is run again.")
    elif not drift:
        raise Broken("nothing twice", f"{_name(new)} repeats {_name(last)} for no reason.")
    else:
        _cooled_down(before, new)


def _retried(before: World, same: list[Execution]) -> None:
    used = 0
    for earlier, later in zip(reversed(same[:-1]), reversed(same), strict=False):
        if earlier.cause != "aws" or any(at >= _decided_on(before, earlier) for at in before.asked):
            break
        used += 1
        del later
    if used >= LIMITS.retries:
        raise Broken("failure ends", f"{_name(same[-1])} is retried once too often.")
    due = _ended(same[-1]) + LIMITS.retry_wait * WAIT_GROWTH**used
    if before.now + before.skew < due:
        raise Broken("failure ends", f"{_name(same[-1])} is retried before {due}.")


def _decided_on(world: World, execution: Execution) -> datetime:
    """When it was decided to start the execution: what came later, it does not answer."""
    times = (record.time for record in world.records if record.token == execution.token)
    return datetime.fromisoformat(min(times)) - world.skew


def _cooled_down(before: World, new: Execution) -> None:
    due = max(map(_ended, before.executions)) + LIMITS.cooldown
    if before.now + before.skew < due:
        raise Broken("drift is judged", f"{_name(new)} starts for drift before {due}.")


def _bursts_are_one_run(before: World, new: Execution) -> None:
    """Its data had been quiet at some time, or a change has waited for the maximum wait.

    If events woke a controller, of which others may have been lost, each object had been written
    so long ago: that another was written over it, nobody may have heard yet.
    """
    wanted = content(before, new) or frozenset()
    ends = [*(since for since, _ in before.contents[1:]), before.now]
    for (since, data), end in zip(before.contents, ends, strict=True):
        if data == wanted and end - since + before.skew >= LIMITS.quiet_period:
            return
    if before.told and all(_is_old(before, each) for each in wanted):
        return
    places = (_places_of_data(before, each) for each in before.executions)
    done = max((each[_WHOLE] for each in places if _WHOLE in each), default=-1)
    oldest = before.contents[min(done + 1, len(before.contents) - 1)][0]
    if oldest + LIMITS.max_wait > before.now + before.skew:
        raise Broken("bursts are one run", f"{_name(new)} starts on data that were never quiet.")


def _is_old(world: World, wanted: tuple[str, bytes]) -> bool:
    """Whether an object was first what is wanted of it the quiet period ago."""
    since = min((at for at, data in world.contents if wanted in data), default=world.now)
    return world.now - since + world.skew >= LIMITS.quiet_period


def _bounded_spend(before: World, new: Execution) -> None:
    window = before.now - DAY + before.skew * 2
    started = [each for each in before.executions if each.started_at > window]
    if len(started) >= LIMITS.runs_per_day:
        raise Broken("bounded spend", f"{_name(new)} is one more than the budget of a day.")


def _not_while_paused(before: World, new: Execution) -> None:
    """A wake-up that began before the pause may still start its run."""
    if before.paused_at and before.paused_at + TIMEOUT <= before.now:
        raise Broken("nothing while paused", f"{_name(new)} starts.")


# --- what is written ----------------------------------------------------------------------------


def _append_only(before: World, after: World) -> None:
    if missing := set(before.records) - set(after.records):
        raise Broken("append-only", f"The ledger has lost {sorted(missing)[0]}.")
    said = [(each.rule, each.reason) for each in after.records if each.decision == PERSON]
    if len(said) > len(set(said)):
        raise Broken("said once", f"A person was told twice: {said}.")
    if len(said) > sum(each.decision == PERSON for each in before.records):
        _not_too_early(after)


def _not_too_early(after: World) -> None:
    """A model is given the cool-down to show its effect."""
    said = max(each for each in after.records if each.decision == PERSON)
    ends = [_ended(each) for each in after.executions]
    if said.rule == "drift stands" and max(ends) + LIMITS.cooldown > after.now + after.skew:
        raise Broken("drift is judged", "A person is told before the newest model had its time.")


def _snapshots_stay(before: World, after: World) -> None:
    for (bucket, key), versions in before.objects.items():
        if bucket == ARTIFACTS and key.startswith(SNAPSHOTS):
            now = after.objects[bucket, key]
            if now is versions or now[-1].body == versions[-1].body:
                continue
            # The same content under newer versions is the same snapshot.
            if not key.endswith(".json") or _content(before, versions) != _content(after, now):
                raise Broken("never backwards", f"What {key} holds was changed.")


def _inventory_goes_forward(before: World, after: World) -> None:
    """Two writers lose nothing, no object goes back, and what is new has a new number."""
    old, new = (world.objects.get((ARTIFACTS, HEAD_KEY)) for world in (before, after))
    if old is new or not old or not new:
        return
    (was, places), (now, found) = _head(old[-1].body), _head(new[-1].body)
    if now < was or (now == was and places != found):
        raise Broken("never backwards", f"The inventory had the number {was}, and now {now}.")
    for key, place in places.items():
        if key not in found:
            raise Broken("nothing lost", f"The inventory has forgotten {key}.")
        if _latest(after, key, found[key]) < _earliest(after, key, place):
            raise Broken("never backwards", f"The inventory holds an older state of {key}.")


@cache
def _head(body: bytes) -> tuple[int, dict[str, int | None]]:
    """The number of the inventory's state, and the version of each object; None if it is gone."""
    head = json.loads(body)
    rows = map(json.loads, head["delta"])
    return head["sequence"], {row[0]: int(row[1]) if len(row) > 1 else None for row in rows}


def _earliest(world: World, key: str, version: int | None) -> int:
    """The first version at which the object was so."""
    return min(_gone(world, key)) if version is None else version


def _latest(world: World, key: str, version: int | None) -> int:
    """The last version at which the object was so."""
    return max(_gone(world, key)) if version is None else version


def _gone(world: World, key: str) -> list[int]:
    """The versions at which the object was gone. The inventory knows none that was never there."""
    versions = world.objects.get((DATA, key), ())
    return [number for number, each in enumerate(versions) if each.deleted]


# --- in the end ---------------------------------------------------------------------------------


def at_rest(world: World) -> None:
    """Let the wake-ups under way die, faults stop and time go by; then judge. Raises Broken.

    First one sweep, after which what is wanted must run or be refused with a reason; then sweeps
    and ends of runs until nothing changes any more for a day.
    """
    wait = max(LIMITS.quiet_period, LIMITS.claim_period) + SKEW * 2
    world = world.later(max(wait, SWEEP)).pause(paused=False)
    world = _one_sweep(world)
    rested = False
    for number in range(ROUNDS):
        if world.active:
            world = world.later(timedelta(hours=1)).end("Succeeded")
            world = world.live(newest_model(world))
        before = world
        world = _sweep(world, number)
        if world.executions != before.executions or world.records != before.records:
            world, rested = world.later(SWEEP), False
        elif rested:
            _judge_rest(world)
            return
        else:  # nothing is left to do now: nor after the longest wait that there is
            world, rested = world.later(DAY + LIMITS.cooldown), True
    raise Broken("nothing lost", "The loop never comes to rest.")


def _one_sweep(world: World) -> World:
    idle = not world.active
    after = _sweep(world, 0)
    if _something_is_gone(world):  # S3 dates no deletion: it is as new as the look that notices it
        after = _sweep(after.later(LIMITS.quiet_period + SKEW), 1)
    if idle and not _done(after) and len(after.executions) == len(world.executions):
        state = after.document(STATE_KEY)
        rule = state["last_decision"][1] if state else "nothing was decided"
        if rule not in _REFUSALS:
            raise Broken("nothing lost", f"One sweep neither ran nor refused what is new: {rule}.")
    return after


def _something_is_gone(world: World) -> bool:
    """Whether a key was deleted that the data once had."""
    return any(
        {key for key, _ in before} - {key for key, _ in after}
        for (_, before), (_, after) in zip(world.contents, world.contents[1:], strict=False)
    )


_REFUSALS = {"no data yet", "no code yet", "retry", "cool-down", "runs per day", "failed before"}


def _judge_rest(world: World) -> None:
    if world.contents and world.contents[-1][1] and world.pushes:
        _all_is_done(world)
        _drift_is_answered(world)
    state = world.document(STATE_KEY)
    if state and (state["unrecorded"] or state["claim"]):
        raise Broken("recorded first", "What a dead controller intended was never recorded.")


def _all_is_done(world: World) -> None:
    if not _done(world):
        raise Broken("nothing lost", "The data and the code of now were never run to an end.")
    newest = max(_decided_on(world, each) for each in world.executions)
    if world.asked and newest + world.skew * 2 + TIMEOUT < world.asked[-1]:
        raise Broken("nothing lost", "A person asked for a run, and got none.")


def _drift_is_answered(world: World) -> None:
    state, since = world.alarm
    said = [each.reason for each in world.records if each.decision == PERSON]
    if state == "ALARM" and not any(since.isoformat() in reason for reason in said):
        raise Broken("drift is judged", "The alarm stands, and no person was told.")


def _done(world: World) -> bool:
    """Whether the data and code of now have been run, and will not be retried."""
    runs = [each for each in world.executions if _is_of_now(world, each)]
    if not runs:
        return False
    last = runs[-1]
    if last.cause == "aws":
        retries = sum(each.cause == "aws" for each in runs) - 1
        return retries >= LIMITS.retries
    return True


def _is_of_now(world: World, execution: Execution) -> bool:
    return (
        bool(world.contents)
        and content(world, execution) == world.contents[-1][1]
        and bool(world.pushes)
        and dict(execution.parameters)["CodeVersion"] == world.pushes[-1][1]
    )


def _sweep(world: World, number: int) -> World:
    flight = Flight(0, 1000 + number, world.now)
    world, landed = fly(world, flight, lambda *_: True, witness)
    assert landed is None
    return world


# --- what a run was on --------------------------------------------------------------------------


def content(world: World, execution: Execution) -> Content | None:
    """The data that the execution reads, by its manifest; None if there is no manifest."""
    key = f"{SNAPSHOTS}{dict(execution.parameters)['SnapshotId']}.json"
    versions = world.objects.get((ARTIFACTS, key))
    return _content(world, versions) if versions else None


def _content(world: World, versions: tuple[Version, ...]) -> Content:
    """The data that the newest of these versions of a manifest names."""
    manifest = versions[-1].body
    if manifest not in _ENTRIES:
        snapshot = Snapshot.from_json(json.loads(manifest))
        found = snapshot.entries(Segments(_Reader(world), ARTIFACTS))
        _ENTRIES[manifest] = tuple((entry.key, int(entry.version_id)) for entry in found)
    return frozenset(
        (key, world.objects[DATA, key][version].body) for key, version in _ENTRIES[manifest]
    )


_ENTRIES: dict[bytes, tuple[tuple[str, int], ...]] = {}
"""Keys and versions by manifest: what a manifest refers to never changes."""


class _Reader:
    """Reads objects of a world as boto3 would."""

    def __init__(self, world: World) -> None:
        self._world = world

    def get_object(self, **request: Any) -> dict[str, Any]:
        _, answer = call(self._world, "get_object", request)
        return {**answer, "Body": io.BytesIO(answer["Body"])}


_WHOLE = ""
"""Stands for the data as a whole among its objects."""


def _places_of_data(world: World, execution: Execution) -> dict[str, int]:
    """The last time, before it started, at which the data were those of the execution: of each
    object, and of the whole unless it never was so. An event may be lost, and that of another
    object come: then the inventory knows the one change before the other."""
    wanted = dict(content(world, execution) or ())
    history = [dict(data) for _, data in world.contents[: execution.changes]]
    keys, places = set(wanted).union(*history), dict[str, int]()
    for number, data in enumerate(history):
        if data == wanted:
            places[_WHOLE] = number
        same = (key for key in keys if data.get(key) == wanted.get(key))
        places |= dict.fromkeys(same, number)
    return places


def _place_of_code(world: World, execution: Execution) -> dict[str, int]:
    wanted = dict(execution.parameters)["CodeVersion"]
    history = world.pushes[: execution.pushes]
    return {"": max(number for number, (_, version) in enumerate(history) if version == wanted)}


def _name(execution: Execution) -> str:
    return f"run{execution.number}"


def _ended(execution: Execution) -> datetime:
    return execution.ended_at or execution.started_at
