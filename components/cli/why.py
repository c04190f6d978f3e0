"""Why the loop did or did not retrain: the present answer, and the timeline that led to it.

Everything is read from the artifact bucket.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..runtime.ledger import Entry, Ledger, time_of
from ..runtime.orders import Pause, Request
from ..runtime.retrain_state import State
from .moments import written
from .table import plain, table
from .world import World

SETTLED = "no change, no run"
"""The rule by which the controller says that the newest run has answered everything."""

ROWS = 500
"""So many of the newest entries are a table for people; JSON has all of them."""


# --- the answer ---------------------------------------------------------------------------------


def answer(state: State | None) -> str:
    """Did or did not retrain, and because of what, in one sentence.

    `state` is None before the controller's first look.
    """
    if state is None:
        return "Did not retrain yet, because the controller has not looked at the world yet."
    if claim := state.claim:
        return f"Is starting a run since {written(claim.claimed_at)}, because: {claim.reason}"
    reason = state.last_decision[2] if state.last_decision else "nothing was decided yet."
    if not state.runs:
        return f"Did not retrain yet, because: {reason}"
    run = state.runs[-1]
    if run.active:
        since = written(run.started_at)
        return f"Is retraining since {since} (run {run.name}), because: {run.reason}"
    version = f", version {run.model_version}" if run.model_version else ""
    when = f"{written(run.started_at)} (run {run.name}, {run.status}{version})"
    if state.last_decision and state.last_decision[1] == SETTLED:
        return f"Did retrain at {when}, because: {run.reason} Nothing has changed since."
    return f"Did not retrain since {when}, because: {reason}"


def unseen(
    state: State | None, pause: Pause | None, request: Request | None, now: datetime
) -> Iterator[str]:
    """What people have ordered and the controller has not seen yet, in sentences.

    `request` is one that no run has answered.
    """
    rule = state.last_decision[1] if state and state.last_decision else ""
    if pause and pause.holds(now) and rule != "paused":
        yield f"{paused(pause)}, which the controller has not seen yet."
    if request:
        yield f"Asked for by {request.who} at {written(request.at)}: {request.reason}."


def paused(pause: Pause) -> str:
    """Who has paused the loop since when and why, without a full stop."""
    until = f", until {written(pause.until)}" if pause.until else ""
    return f"Paused by {pause.who} at {written(pause.at)}{until}: {pause.reason}"


# --- the timeline -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """Something that happened, for a person to read."""

    time: datetime
    kind: str
    """trigger, order, decision, run, person, approval or deployment."""
    what: str


def timeline(entries: Sequence[Entry]) -> list[Row]:
    """What the entries, oldest first, say has happened, oldest first.

    The triggers are in what the controller has seen of the world each time: what is another than
    the time before. Of the first entry they are those that say their own time.
    """
    rows: list[Row] = []
    before: Mapping[str, Any] | None = None
    for entry in entries:
        time, inputs = datetime.fromisoformat(entry["time"]), entry["inputs"]
        if "last_change" in inputs:  # a look of the retrain controller at the world
            rows += _triggers(before, inputs, time)
            before = inputs
        rows.append(Row(time, _kind(entry), _words(entry)))
    return sorted(rows, key=lambda row: row.time)


def _kind(entry: Entry) -> str:
    match entry["controller"], entry["decision"], entry["rule"]:
        case "retrain", "start" | "run ended" | "complete the claim", _:
            return "run"
        case "retrain", "a person is needed", _:
            return "person"
        case "deploy", _, "newest approved":
            return "approval"
        case "deploy", "nothing", _:
            return "decision"
        case "deploy" | "monitor", _, _:
            return "deployment"
    return "decision"


def _words(entry: Entry) -> str:
    if entry["decision"] == "run ended":  # the reason says so
        return str(entry["reason"])
    return f"{entry['decision']} ({entry['rule']}): {entry['reason']}"


def _triggers(
    before: Mapping[str, Any] | None, inputs: Mapping[str, Any], time: datetime
) -> Iterator[Row]:
    """What has changed in the world since the controller's look before, at its own time where that
    is known, else at the time of the look that saw it."""

    known = before or {}

    def changed(what: str) -> Any:
        """What it is now, if it is something else than before."""
        value = inputs.get(what)
        return value if value and value != known.get(what) else None

    if at := changed("last_change"):
        count, size = inputs["objects"], inputs["bytes"]
        objects = "1 object" if count == 1 else f"{count} objects"
        yield Row(_at(at), "trigger", f"data changed: {objects}, {size} bytes")
    if before is not None and (version := changed("code_version")):
        yield Row(time, "trigger", f"code changed: {version[:12]}")
    if before is not None and changed("episodes"):
        yield Row(time, "trigger", f"drift: {', '.join(inputs['alarms']) or 'an alarm'} in ALARM")
    if request := changed("request"):
        asked = Request.from_json(request)
        yield Row(asked.at, "order", f"retrain, asked for by {asked.who}: {asked.reason}")
    if order := changed("pause"):
        pause = Pause.from_json(order)
        words = paused(pause) if pause.paused else f"Resumed by {pause.who}: {pause.reason}"
        yield Row(pause.at, "order", words)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# --- what is shown ------------------------------------------------------------------------------


def report(world: World, since: datetime, now: datetime) -> "Report":
    """Why, with the entries of `since` and later."""
    orders = unseen(world.state, world.pause, world.asked, now)
    return Report(
        loop=world.loop,
        bucket=world.bucket,
        now=now,
        since=since,
        answer=" ".join([answer(world.state), *orders]),
        lines=Ledger(world.s3, world.bucket, world.loop).lines(since),
    )


@dataclass(frozen=True)
class Report:
    """All that `why` has to say."""

    loop: str
    bucket: str
    now: datetime
    since: datetime
    answer: str
    """In a sentence, and one for each order that the controller has not seen yet."""
    lines: Sequence[str]
    """The entries since then as they were written, oldest first."""

    def to_text(self) -> Iterator[str]:
        """The lines of the table for people."""
        yield plain(self.answer)
        yield ""
        shown = [json.loads(line) for line in self.lines[-ROWS:]]
        rows = [row for row in timeline(shown) if row.time >= self.since]
        if not rows:
            yield f"Nothing was decided since {written(self.since)}: give --since."
            return
        cells = [(written(row.time), row.kind, row.what) for row in rows]
        yield from table(("TIME", "KIND", "WHAT"), cells)
        if left := len(self.lines) - len(shown):
            first = written(_at(time_of(self.lines[0])))
            yield f"{left} earlier entries, from {first} on, are not shown: --json has them all."

    def to_json(self) -> Iterator[str]:
        """The lines of a JSON object. The entries are those of the ledger, unparsed: a year of
        them takes longer to parse and to write than to read."""
        head = {
            "loop": self.loop,
            "bucket": self.bucket,
            "time": self.now.isoformat(),
            "since": self.since.isoformat(),
            "answer": self.answer,
        }
        yield json.dumps(head, ensure_ascii=False)[:-1] + ', "entries": ['
        yield ",\n".join(self.lines)
        yield "]}"
