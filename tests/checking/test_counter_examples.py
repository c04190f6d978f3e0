"""Schedules that broke a promise once, as small as they can be told: found by a checker."""

from .promises import at_rest, witness
from .schedule import Move, Scene, after
from .small_worlds import ready, scene


def play(start: Scene, *moves: Move) -> Scene:
    """The scene after these moves."""
    for move in moves:
        start = after(start, move, witness)
    return start


def step_until(start: Scene, asks: str) -> Scene:
    """The first controller goes on until it asks for this."""
    while str(start.flights[0].asks) != asks:
        start = play(start, Move("step"))
    return start


def test_what_changes_during_a_run_that_a_dead_controller_started_waits_for_one_sweep() -> None:
    """The sweep completed the claim, found the execution ended, and let the new code wait for the
    next sweep: no event was to come any more."""
    start = scene(ready(), code=("c2",), ends=("Succeeded",), wakes=1, kills=1)
    started = play(
        step_until(play(start, Move("wake")), "StartPipelineExecution"), Move("step"), Move("kill")
    )
    assert started.world.active
    at_rest(play(started, Move("code", what="c2"), Move("end", what="Succeeded")).world)
