"""Longer schedules than can be explored, shrunk to the shortest that breaks a promise."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from .controller import LIMITS, SKEW, TIMEOUT
from .faults import Fault, faults_of
from .promises import Broken, at_rest, witness
from .schedule import MANY, Left, Move, Scene, after
from .small_worlds import grown, ready, running, young

PAUSES = (timedelta(0), timedelta(seconds=30), LIMITS.quiet_period, timedelta(minutes=15))
LONG = (LIMITS.claim_period + SKEW, LIMITS.cooldown, timedelta(days=1))


@contextmanager
def shrinkable() -> Iterator[None]:
    """Hypothesis shrinks only what ends in an Exception."""
    try:
        yield
    except Broken as broken:
        raise AssertionError(str(broken)) from broken


class Loop(RuleBasedStateMachine):
    """Two controllers, faults and kills at any call, and a world that changes as it likes."""

    scene: Scene

    @initialize(start=st.sampled_from((young, ready, running, grown)), skewed=st.booleans())
    def begin(self, start: object, skewed: bool) -> None:
        world = start()  # type: ignore[operator]  # hypothesis tells no types
        if skewed:
            world = world.skewed(SKEW)
        self.scene = Scene(world, Left(wakes=MANY, faults=MANY, kills=MANY))

    def move(self, move: Move) -> None:
        with shrinkable():
            self.scene = after(self.scene, move, witness)

    @property
    def flying(self) -> list[int]:
        return [flight.who for flight in self.scene.flights]

    @rule(
        who=st.integers(0, 1),
        told=st.sampled_from(("", "a", "b", "never there")),
        pause=st.sampled_from(PAUSES + LONG),
    )
    def a_controller_wakes(self, who: int, told: str, pause: timedelta) -> None:
        if pause >= TIMEOUT:
            for each in self.flying:
                self.move(Move("kill", each))
        if who not in self.flying:
            self.move(Move("wake", who, told, pause))

    @precondition(lambda self: self.scene.flights)
    @rule(data=st.data(), far=st.integers(1, 40))
    def a_controller_goes_on(self, data: st.DataObject, far: int) -> None:
        flight = data.draw(st.sampled_from(self.scene.flights))
        possible: tuple[Fault | None, ...] = (None, None)
        if flight.asks:
            possible = (None, *faults_of(flight.asks))
        fault = data.draw(st.sampled_from(possible))
        self.move(Move("step", flight.who, fault=fault, far=far))

    @precondition(lambda self: self.scene.flights)
    @rule(data=st.data())
    def a_controller_is_killed(self, data: st.DataObject) -> None:
        self.move(Move("kill", data.draw(st.sampled_from(self.flying))))

    @rule(what=st.sampled_from(("a=1", "a=2", "b=1", "b")))
    def the_data_change(self, what: str) -> None:
        self.move(Move("data", what=what))

    @rule(what=st.sampled_from(("c1", "c2")))
    def code_is_pushed(self, what: str) -> None:
        self.move(Move("code", what=what))

    @rule()
    def the_alarm_changes(self) -> None:
        raised = self.scene.world.alarm[0] == "ALARM"
        self.move(Move("alarm", what="OK" if raised else "ALARM"))

    @rule()
    def a_person_pauses_or_resumes(self) -> None:
        self.move(Move("pause", what=str(self.scene.world.paused_at is None)))

    @rule()
    def a_person_asks_for_a_run(self) -> None:
        self.move(Move("ask"))

    @precondition(lambda self: self.scene.world.active)
    @rule(how=st.sampled_from(("Succeeded", "Failed aws", "Failed ours")))
    def a_run_ends(self, how: str) -> None:
        self.move(Move("end", what=how))

    def teardown(self) -> None:
        if hasattr(self, "scene"):
            with shrinkable():
                at_rest(self.scene.world)


TestLoop = Loop.TestCase
TestLoop.settings = settings(
    max_examples=100,
    stateful_step_count=30,
    deadline=None,  # speed is never asserted
    suppress_health_check=[HealthCheck.too_slow],
)
