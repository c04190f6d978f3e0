"""The protections of the controller, each with a way to switch it off, and what must then be found.

A checker that finds nothing has shown nothing, unless it finds what is there to be found.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from components.runtime import document, inventory, retrain_controller, retrain_decision
from components.runtime.failure import Cause
from components.runtime.inventory import HEAD_KEY, Inventory, InventoryStore, Observation
from components.runtime.retrain_controller import RetrainController
from components.runtime.segment import Entry

from . import flight, promises
from . import world as aws
from .schedule import Scene
from .small_worlds import CLAIM, COOL, NOW, QUIET, grown, ready, running, scene

Off = Callable[[], Any]
"""A context manager in which the protection is off."""


@dataclass(frozen=True)
class Protection:
    """One protection: what it is for, how it is switched off, and where that must show."""

    why: str
    off: Off
    start: Callable[[], Scene]
    breaks: frozenset[str]
    """The promises of which one must be found broken."""


def without_rule(name: str) -> Off:
    """The decision no longer asks the rule of this name."""

    def off() -> Any:
        rules = tuple(each for each in retrain_decision.RULES if each.__name__ != name)
        assert len(rules) < len(retrain_decision.RULES), name
        return patch.object(retrain_decision, "RULES", rules)

    return off


def instead(where: Any, name: str, what: Any) -> Off:
    """Something else stands where the protection is called."""
    return lambda: patch.object(where, name, what)


@contextmanager
def both(*offs: Off) -> Iterator[None]:
    with ExitStack() as stack:
        for off in offs:
            stack.enter_context(off())
        yield


def _write_over(s3: Any, bucket: str, key: str, body: bytes, *_: Any) -> str:
    return str(s3.put_object(Bucket=bucket, Key=key, Body=body)["ETag"])


def _state_last(controller: RetrainController, now: datetime) -> Any:
    """A step that reads the data and the code before the state."""
    read = controller._read_state
    state = read().state
    seen = controller._read_world(state, now)
    code = seen[0].code
    with patch.object(controller, "_read_code", lambda: code):
        return _STEP(controller, now)


_STEP = RetrainController._step


def _forgetful(known: Any, standing: Any) -> Any:
    del known
    return tuple(standing)


def _due_at_once(data: Any, since: Any, limits: Any) -> Any:
    del since, limits
    return data.last_change


def _due_when_quiet(data: Any, since: Any, limits: Any) -> Any:
    del since
    return data.last_change and data.last_change + limits.quiet_period


def _always_aws(status: str, *_: Any) -> Cause:
    return Cause.NONE if status == "Succeeded" else Cause.AWS


def _wait_for_ever(world: Any, _: datetime) -> Any:
    claim = world.claim
    if claim is None:
        return None
    return retrain_decision.Decision(retrain_decision.Kind.WAIT, "claim", "for ever")


def _waits_for_ever() -> Any:
    rules = tuple(
        _wait_for_ever if each.__name__ == "claimed" else each for each in retrain_decision.RULES
    )
    return patch.object(retrain_decision, "RULES", rules)


def _inventory_over(s3: Any, bucket: str, key: str, body: bytes, etag: Any, *more: Any) -> str:
    if key == HEAD_KEY:
        return _write_over(s3, bucket, key, body)
    return _WRITE(s3, bucket, key, body, etag, *more)


_WRITE = document.write_bytes


def _once_seen(store: InventoryStore, head: Any, now: datetime, _: Any, step: Any) -> Any:
    """Record what was seen at first, whatever others have recorded since."""
    inventory = step(head.inventory)
    while inventory != head.inventory:
        try:
            etag = store.document.write(inventory.to_json(), head.etag)
            return replace(head, inventory=inventory, etag=etag)
        except document.Conflict:
            head = store._read(now)
    return head


def _first_event(store: InventoryStore, key: str) -> Observation:
    """What the event of the first upload says, which is late."""
    head = store.s3.head_object(Bucket=store.data_bucket, Key=key, VersionId="0")
    entry = Entry(key, "0", head["ContentLength"], f"sha256:{head['ChecksumSHA256']}")
    return Observation(entry, head["LastModified"])


def _same_number(known: Inventory, *seen: Any) -> Inventory:
    return replace(_RECORDED(known, *seen), sequence=known.sequence)


def _dated_once(known: Inventory, *seen: Any) -> Inventory:
    recorded = _RECORDED(known, *seen)
    return replace(recorded, last_change=known.last_change or recorded.last_change)


_RECORDED = Inventory.recorded


def _counts_from_nothing(store: InventoryStore, now: datetime) -> Any:
    head = _READ(store, now)
    if head.etag is None:
        return replace(head, inventory=replace(head.inventory, origin=0, sequence=0))
    return head


_READ = InventoryStore._read


PROTECTIONS = {
    "compare-and-swap": Protection(
        "who loses the race for the state document does nothing",
        instead(document, "write_bytes", _write_over),
        lambda: scene(ready(), code=("c2",), wakes=2),
        frozenset({"nothing twice", "never backwards"}),
    ),
    "claim": Protection(
        "a start under way is waited for",
        without_rule("claimed"),
        lambda: scene(ready(), code=("c2",), wakes=2),
        frozenset({"nothing twice", "never backwards"}),
    ),
    "completion": Protection(
        "a claim whose owner died is completed",
        _waits_for_ever,
        lambda: scene(ready(), wakes=1, kills=1),
        frozenset({"nothing lost"}),
    ),
    "token": Protection(
        "the same start asked for twice is one execution",
        instead(aws, "TOKEN_IS_KNOWN", NOW),
        lambda: scene(ready(), wakes=1, faults=1),
        frozenset({"nothing twice"}),
    ),
    "look before the start": Protection(
        "who completes a claim looks for its execution first, for SageMaker forgets tokens",
        instead(RetrainController, "_find", lambda *_: None),
        lambda: scene(ready(), wakes=1, kills=1),
        frozenset({"nothing twice"}),
    ),
    "single flight": Protection(
        "one run at a time",
        without_rule("single_flight"),
        lambda: scene(running(), code=("c2",), wakes=1),
        frozenset({"nothing twice"}),
    ),
    "sweep": Protection(
        "a lost event costs one sweep",
        instead(promises, "_sweep", lambda world, _: world),
        lambda: scene(ready()),
        frozenset({"nothing lost"}),
    ),
    "order": Protection(
        "what was read is not older than what was started: the state is read first, and a rule",
        lambda: both(without_rule("order"), instead(RetrainController, "_step", _state_last)),
        lambda: scene(
            grown(), code=("c2", "c3"), push=timedelta(seconds=1), ends=("Succeeded",), wakes=2
        ),
        frozenset({"never backwards"}),
    ),
    "quiet period": Protection(
        "a burst is one run",
        lambda: both(
            instead(retrain_controller, "snapshot_due", _due_at_once),
            instead(retrain_decision, "snapshot_due", _due_at_once),
        ),
        lambda: scene(grown(), data=("a=2",), wakes=1),
        frozenset({"bursts are one run"}),
    ),
    "cool-down": Protection(
        "drift alone starts no run before the newest model has had its time",
        without_rule("cool_down"),
        lambda: scene(
            grown(),
            data=("a=2", "a=1"),
            alarm=("ALARM",),
            ends=("Succeeded",),
            wakes=3,
            controllers=1,
            pace=(QUIET,),
        ),
        frozenset({"drift is judged"}),
    ),
    "budget": Protection(
        "so many runs a day",
        without_rule("runs_per_day"),
        lambda: scene(
            grown(),
            code=("c2", "c3", "c4"),
            ends=("Succeeded",) * 2,
            wakes=3,
            controllers=1,
        ),
        frozenset({"bounded spend"}),
    ),
    "retry limit": Protection(
        "a failure of AWS's is repeated so many times",
        instead(retrain_decision, "retries_used", lambda _: 0),
        lambda: scene(
            running(), ends=("Failed aws",) * 2, wakes=2, controllers=1, pace=(CLAIM * 2,)
        ),
        frozenset({"failure ends"}),
    ),
    "retry wait": Protection(
        "a retry waits",
        without_rule("retry_wait"),
        lambda: scene(running(), ends=("Failed aws",), wakes=1),
        frozenset({"failure ends"}),
    ),
    "cause of a failure": Protection(
        "what failed by its inputs is not repeated",
        instead(retrain_controller, "cause_of_run", _always_aws),
        lambda: scene(running(), ends=("Failed ours",), wakes=1, pace=(COOL,)),
        frozenset({"failure ends"}),
    ),
    "record before effect": Protection(
        "the ledger says why before a run starts",
        instead(RetrainController, "_publish", lambda *_: None),
        lambda: scene(ready(), wakes=1),
        frozenset({"recorded first"}),
    ),
    "manifest before start": Protection(
        "the snapshot is written down before a run reads it",
        instead(InventoryStore, "save", lambda *_: None),
        lambda: scene(ready(), wakes=1),
        frozenset({"recorded first"}),
    ),
    "judgement of drift": Protection(
        "a drift episode that was answered is not answered again",
        instead(retrain_controller, "_answered", lambda episodes, *_: episodes),
        lambda: scene(
            grown(), alarm=("ALARM",), pauses=(True, False), wakes=3, controllers=1, pace=(COOL,)
        ),
        frozenset({"said once"}),
    ),
    "compare-and-swap of the inventory": Protection(
        "two writers of the inventory lose nothing",
        instead(document, "write_bytes", _inventory_over),
        lambda: scene(grown(), data=("a=2", "a=3"), wakes=2),
        frozenset({"never backwards", "nothing lost"}),
    ),
    "second look": Protection(
        "who loses the race for the inventory looks at the data again",
        instead(InventoryStore, "_change", _once_seen),
        lambda: scene(grown(), data=("a=2", "a=3"), wakes=2),
        frozenset({"never backwards", "nothing lost"}),
    ),
    "listing": Protection(
        "a listing finds what no event told",
        instead(inventory, "LISTS_A_SWEEP", 0),
        lambda: scene(grown(), data=("a=2",), wakes=1),
        frozenset({"nothing lost"}),
    ),
    "HeadObject": Protection(
        "an event only hints: what is recorded is what S3 says then",
        instead(InventoryStore, "_observe", _first_event),
        lambda: scene(grown(), data=("a=2",), wakes=2, tells=("", "a")),
        frozenset({"never backwards", "nothing lost"}),
    ),
    "number of a change": Protection(
        "every state of the data has a greater number than the one before",
        instead(Inventory, "recorded", _same_number),
        lambda: scene(grown(), data=("a=2",), wakes=1),
        frozenset({"never backwards"}),
    ),
    "origin": Protection(
        "an inventory that was lost and made anew comes after the one that was lost",
        instead(InventoryStore, "_read", _counts_from_nothing),
        lambda: scene(grown().without(HEAD_KEY), data=("a=2",), wakes=1),
        frozenset({"nothing lost"}),
    ),
    "date of a change": Protection(
        "the quiet period begins with the newest upload, by S3's clock",
        instead(Inventory, "recorded", _dated_once),
        lambda: scene(grown(), data=("a=2",), wakes=1),
        frozenset({"bursts are one run"}),
    ),
    "pause": Protection(
        "nothing starts while a person pauses",
        without_rule("paused"),
        lambda: scene(ready(), pauses=(True,), wakes=1, pace=(QUIET,)),
        frozenset({"nothing while paused"}),
    ),
}


TWICE_PROTECTED = {
    "the state is read first": without_rule("order"),
    "the rule": instead(RetrainController, "_step", _state_last),
}
"""Against going backwards there are two protections, and each is enough: what is left of them."""


@contextmanager
def switched_off(off: Off) -> Iterator[None]:
    """What controllers were seen to ask before is forgotten, then and afterwards."""
    flight.forget()
    try:
        with off():
            yield
    finally:
        flight.forget()
