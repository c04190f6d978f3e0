"""How a loop stands now."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..runtime.retrain_world import Run
from .moments import written
from .queues import DeadLetters
from .why import answer, paused
from .world import World


def status(world: World, letters: Sequence[DeadLetters], now: datetime) -> dict[str, Any]:
    """The facts, for JSON."""
    state, deployed, pause = world.state, world.deployed, world.pause
    newest = state.runs[-1] if state and state.runs else None
    standing = [e for e in state.episodes if not e.over] if state else []
    return {
        "loop": world.loop,
        "bucket": world.bucket,
        "time": now.isoformat(),
        "answer": answer(state),
        "paused": pause.to_json() if pause and pause.holds(now) else None,
        "request": world.asked and world.asked.to_json(),
        "run": newest and newest.to_json() | {"name": newest.name},
        "live_version": deployed and deployed.live,
        "deployment": " ".join(deployed.last_decision[2:]) if deployed else None,
        "alarms": [episode.alarm for episode in standing],
        "hours_this_month": _hours(world, now),
        "dead_letters": {each.controller: each.messages for each in letters},
    }


def rows(world: World, facts: dict[str, Any], now: datetime) -> list[tuple[str, str]]:
    """The same, for people."""
    state, pause, asked = world.state, world.pause, world.asked
    newest = state.runs[-1] if state and state.runs else None
    letters = (f"{name} {count}" for name, count in facts["dead_letters"].items())
    return [
        ("loop", facts["loop"]),
        ("bucket", facts["bucket"]),
        ("retraining", facts["answer"]),
        ("paused", paused(pause) if pause and pause.holds(now) else "no"),
        ("asked for", f"by {asked.who}: {asked.reason}" if asked else "nothing"),
        ("newest run", _run(newest) if newest else "none"),
        ("live version", str(facts["live_version"] or "none")),
        ("deployment", facts["deployment"] or "nothing decided"),
        ("drift alarms on", ", ".join(facts["alarms"]) or "none"),
        ("hours this month", f"{facts['hours_this_month']:.2f}"),
        ("dead letters", ", ".join(letters)),
    ]


def _run(run: Run) -> str:
    version = f", version {run.model_version}" if run.model_version else ""
    return f"{run.name}, started {written(run.started_at)}, {run.outcome}{version}"


def _hours(world: World, now: datetime) -> float:
    """Of training that has ended in this calendar month, UTC."""
    spent = world.state.spent if world.state else None
    return spent.seconds / 3600 if spent and spent.month == f"{now:%Y-%m}" else 0.0
