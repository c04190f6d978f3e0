"""When to retrain: one pure function from the state of the world to a decision with its reason.

What is wanted is one run for (the data now, the code now, its parameters, the drift episodes that
are open). `wanted` says whether something deserves a run at all. RULES are what may stand against
it, asked in this order; the first that has something to say decides, and if none has, a run starts:

1. `paused`: a person's pause.
2. `claimed`: a start under way is waited for; past its deadline it is completed, under its token.
3. `young`: no data yet, no code yet: ordinary states of a young loop.
4. `single_flight`: one run at a time; what has changed meanwhile is pending, and said.
5. `quiet_period`: a burst of uploads is one run; one that never ends is run after a maximum wait.
6. `order`: data or code older than what a run was started on is not run.
7. `judged`: nothing deserves a run. Then drift that stands, or a run that failed, is a person's.
8. `retry_wait`: a failure of AWS's is repeated, so many times, with growing waits.
9. `cool_down`: a new model is given time to show its effect before drift starts another run.
10. `runs_per_day`, `hours_per_month`: what is over budget waits.

docs/retraining.md says what each is for.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from .failure import Cause
from .retrain_world import (
    JUDGED,
    Claim,
    Code,
    Data,
    Episode,
    Identity,
    Inputs,
    Limits,
    Run,
    World,
)
from .snapshot import Changes

WAIT_GROWTH = 4
"""Each wait before a retry is so many times the one before."""

DAY = timedelta(days=1)


class Kind(StrEnum):
    """What the controller does next."""

    START = "start"
    COMPLETE = "complete the claim"
    WAIT = "wait"
    NOTHING = "nothing"
    PERSON = "a person is needed"


@dataclass(frozen=True)
class Decision:
    """What to do, by which rule, and why. `until` is when to look again; None: at an event."""

    kind: Kind
    rule: str
    reason: str
    until: datetime | None = None
    claim: Claim | None = None
    """For START and COMPLETE: what to start."""
    judged: tuple[str, ...] = ()
    """The ids of the drift episodes that this decision settles without a run."""
    told: str = ""
    """The token of the failed run of which this decision tells a person."""


Rule = Callable[[World, datetime], Decision | None]


def decide(world: World, now: datetime, rules: Sequence[Rule] | None = None) -> Decision:
    """The next step towards a model trained on the data and the code as they are now."""
    for rule in RULES if rules is None else rules:
        if decision := rule(world, now):
            return decision
    return start(world, now)


# --- what deserves a run ------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """A run that something speaks for, whatever may stand against it."""

    rule: str
    identity: Identity


def wanted(world: World) -> Wanted | None:
    """What deserves a run: a person's request; inputs that were never run; a failure of AWS's; an
    open drift episode, if there is something to learn that the newest run has not learned."""
    inputs = world.inputs
    if inputs is None:
        return None
    identity = Identity(inputs, _ids(open_episodes(world)), attempt=len(world.past) + 1)
    last = world.past[-1] if world.past else None
    if world.request:
        return Wanted("request", identity)
    if last is None:
        return Wanted("change", identity)
    if last.cause is Cause.AWS and retries_used(world.past) < world.limits.retries:
        episodes = tuple(sorted({*identity.episodes, *last.identity.episodes}))
        return Wanted("retry", replace(identity, episodes=episodes))
    if identity.episodes and last.status == "Succeeded" and inputs != _newest(world):
        return Wanted("drift", identity)
    return None


def open_episodes(world: World) -> list[Episode]:
    """The drift episodes that nothing has answered yet."""
    return [episode for episode in world.episodes if not episode.answer]


def retries_used(past: Sequence[Run]) -> int:
    """How many of the latest runs on the same inputs were retries of the one before."""
    used = 0
    for run in reversed(past):
        if run.rule != "retry":
            break
        used += 1
    return used


def start(world: World, now: datetime) -> Decision:
    """One run, claimed; its token depends only on what is run."""
    want, code = wanted(world), world.code
    if want is None or code is None:
        raise ValueError("There is nothing to run here, and a rule must have said so.")
    reason = _reason(world, want)
    claim = Claim(
        identity=want.identity,
        token=want.identity.token(world.pipeline),
        rule=want.rule,
        reason=reason,
        sequence=world.data.sequence,
        pushed_at=code.pushed_at,
        claimed_at=now,
        deadline=now + world.limits.claim_period,
    )
    return Decision(Kind.START, want.rule, reason, claim=claim)


# --- what may stand against it ------------------------------------------------------------------


def paused(world: World, now: datetime) -> Decision | None:
    """A person's pause holds whatever comes; what has changed meanwhile is run after it."""
    pause = world.pause
    if pause is None or not pause.holds(now):
        return None
    reason = (
        f"Paused by {pause.who} at {pause.at.isoformat()}: {pause.reason}. "
        f"Pending: {_pending(world, now)}."
    )
    return Decision(Kind.WAIT, "paused", reason, until=pause.until)


def claimed(world: World, now: datetime) -> Decision | None:
    """A claim is the start of a run; only its owner acts on it, and after its deadline anybody."""
    claim = world.claim
    if claim is None:
        return None
    if now < claim.deadline:
        reason = f"A run is being started: {claim.reason}"
        return Decision(Kind.WAIT, "claim", reason, until=claim.deadline)
    renewed = replace(claim, deadline=now + world.limits.claim_period)
    reason = f"The controller that claimed this start did not finish it: {claim.reason}"
    return Decision(Kind.COMPLETE, "claim", reason, claim=renewed)


def young(world: World, now: datetime) -> Decision | None:  # noqa: ARG001  # a Rule
    """Without data or code there is nothing to do, and nothing wrong."""
    if not world.data.objects:
        return Decision(Kind.NOTHING, "no data yet", "There is no data yet.")
    if world.code is None:
        return Decision(Kind.NOTHING, "no code yet", "There is no code yet.")
    return None


def single_flight(world: World, now: datetime) -> Decision | None:
    """One run at a time, and at most one pending: whatever the world is like when it ends."""
    active = [run for run in world.runs if run.active]
    if not active:
        return None
    pending = _pending(world, now)
    reason = f"Run {active[-1].name} is {active[-1].status}. Pending after it: {pending}."
    return Decision(Kind.WAIT, "single flight", reason)


def quiet_period(world: World, now: datetime) -> Decision | None:
    """Uploads that go on are waited for, but not longer than the maximum wait."""
    if not _uploads_go_on(world, now):
        return None
    quiet, longest = world.limits.quiet_period, world.limits.max_wait
    reason = (
        f"data: uploads go on; a run starts {quiet.total_seconds():g} s after the last, or "
        f"{longest.total_seconds():g} s after the first."
    )
    until = snapshot_due(world.data, world.burst_since, world.limits)
    return Decision(Kind.WAIT, "quiet period", reason, until=until)


def snapshot_due(data: Data, since: datetime | None, limits: Limits) -> datetime | None:
    """When the data is to be pinned: after the quiet period, or the maximum wait since the first
    upload of the burst. None if there is no data."""
    if data.last_change is None:
        return None
    quiet = data.last_change + limits.quiet_period
    return quiet if since is None else min(quiet, since + limits.max_wait)


def burst_since(
    known: datetime | None, data: Data, limits: Limits, now: datetime
) -> datetime | None:
    """Since when uploads have been going on: S3's time of the first change that was seen of this
    burst (`known`); None once it is quiet."""
    if data.last_change is None or data.last_change + limits.quiet_period <= now:
        return None
    return known or data.last_change


def order(world: World, now: datetime) -> Decision | None:  # noqa: ARG001  # a Rule
    """Never backwards: what was read may be older than what a run was already started on.

    Equal is not older: the same data and code come again for a retry. Code that a person takes
    back is a new push, and data that somebody deletes or restores a new state: neither is older.
    """
    if not world.runs or world.code is None:
        return None
    newest = world.runs[-1]
    if world.data.sequence < newest.sequence:
        reason = (
            f"What was read of the data (state {world.data.sequence}) is older than what run "
            f"{newest.name} was started on (state {newest.sequence}): look again."
        )
    elif world.code.pushed_at < newest.pushed_at:
        reason = (
            f"What was read of the code (pushed at {world.code.pushed_at.isoformat()}) is older "
            f"than that of run {newest.name} (pushed at {newest.pushed_at.isoformat()}): look "
            "again, or push the code again if a version of code/current.json was removed."
        )
    else:
        return None
    return Decision(Kind.WAIT, "order", reason)


def judged(world: World, now: datetime) -> Decision | None:
    """Nothing deserves a run. A failed run, or drift that stands, is then a person's: said once."""
    if wanted(world):
        return None
    last = world.past[-1]
    if last.status != "Succeeded":
        return _failed_before(world, last)
    if episodes := _unjudged(world):
        return _judge(world, episodes, now)
    alarm = _drift_words(world.episodes)
    reason = f"{alarm}This data and this code were run in {last.name}: {last.outcome}."
    return Decision(Kind.NOTHING, "no change, no run", reason)


def retry_wait(world: World, now: datetime) -> Decision | None:
    """What failed for a cause of AWS's is repeated later, and each time later than before."""
    want = wanted(world)
    if want is None or want.rule != "retry":
        return None
    last = world.past[-1]
    due = (last.ended_at or now) + world.limits.retry_wait * WAIT_GROWTH ** retries_used(world.past)
    if due <= now:
        return None
    reason = (
        f"Run {last.name} failed for a cause of AWS's, and is repeated at {due.isoformat()} "
        f"(retry {retries_used(world.past) + 1} of {world.limits.retries}): {last.failure}."
    )
    return Decision(Kind.WAIT, "retry", reason, until=due)


def cool_down(world: World, now: datetime) -> Decision | None:
    """Drift alone starts no run before the newest model has had time to show its effect."""
    want = wanted(world)
    if want is None or want.rule != "drift":
        return None
    settled = _settled(world)
    if settled is None or settled <= now:
        return None
    alarm = _drift_words(open_episodes(world))
    reason = f"{alarm}The cool-down after run {world.runs[-1].name} ends at {settled.isoformat()}."
    return Decision(Kind.WAIT, "cool-down", reason, until=settled)


def runs_per_day(world: World, now: datetime) -> Decision | None:
    """So many runs in any 24 hours, retries and requests of people among them."""
    limit = world.limits.runs_per_day
    started = sorted(run.started_at for run in world.runs if now < run.started_at + DAY)
    if len(started) < limit:
        return None
    until = started[-limit] + DAY
    reason = (
        f"The budget of {limit} runs in 24 hours is used up until {until.isoformat()}. "
        f"Pending: {_pending(world, now)}."
    )
    return Decision(Kind.WAIT, "runs per day", reason, until=until)


def hours_per_month(world: World, now: datetime) -> Decision | None:
    """A ceiling for the hours of training; the run that reaches it is not stopped."""
    limit, spent = world.limits.hours_per_month, world.spent
    if limit is None or spent.month != f"{now:%Y-%m}" or spent.seconds < limit * 3600:
        return None
    until = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
    reason = (
        f"{spent.seconds / 3600:.2f} hours of training ended in {spent.month}, and the ceiling is "
        f"{limit:g}. Pending: {_pending(world, now)}."
    )
    return Decision(Kind.WAIT, "hours per month", reason, until=until)


RULES: tuple[Rule, ...] = (
    paused,
    claimed,
    young,
    single_flight,
    quiet_period,
    order,
    judged,
    retry_wait,
    cool_down,
    runs_per_day,
    hours_per_month,
)


# --- judging ------------------------------------------------------------------------------------


def _failed_before(world: World, last: Run) -> Decision:
    """A run that failed would fail again, until a person changes something or asks for it."""
    standing = [episode for episode in _unjudged(world) if not episode.over]
    reason = (
        f"{_drift_words(standing)}This data and this code were run in {last.name}: {last.outcome}."
    )
    if last.token in world.told and not standing:
        return Decision(Kind.NOTHING, "failed before", reason)
    return Decision(Kind.PERSON, "failed before", reason, judged=_ids(standing), told=last.token)


def _judge(world: World, episodes: Sequence[Episode], now: datetime) -> Decision:
    """Drift with nothing new to learn from: the newest model is the answer. It is given the
    cool-down to show it; after that an alarm that stands is a person's."""
    newest, settled = world.runs[-1], _settled(world)
    model = f"Run {newest.name} {_learned(newest)}, and {_live(world)}"
    alarm = _drift_words(episodes)
    if settled and now < settled:
        reason = f"{alarm}{model}. Its effect is judged at {settled.isoformat()}."
        return Decision(Kind.WAIT, "cool-down", reason, until=settled)
    settles = _ids(episodes)
    if all(episode.over for episode in episodes):
        reason = f"{alarm}{model}."
        return Decision(Kind.NOTHING, "drift is over", reason, judged=settles)
    return Decision(Kind.PERSON, "drift stands", f"{alarm}{model}.", judged=settles)


def _unjudged(world: World) -> list[Episode]:
    return [episode for episode in world.episodes if episode.answer != JUDGED]


def _learned(newest: Run) -> str:
    if newest.status == "Succeeded":
        return "has learned from all the data and code there is"
    return f"is the newest and ended as {newest.status}"


def _settled(world: World) -> datetime | None:
    """When the newest model has had its time: since it went live, or else since its run ended."""
    if not world.runs:
        return None
    since = _live_since(world) or world.runs[-1].ended_at
    return since and since + world.limits.cooldown


def _live_since(world: World) -> datetime | None:
    live, version = world.live, world.runs[-1].model_version
    return live.since if live is not None and live.version == version else None


def _live(world: World) -> str:
    version = world.runs[-1].model_version
    if since := _live_since(world):
        return f"its model (version {version}) is live since {since.isoformat()}"
    return f"its model (version {version}) is not live" if version else "its model is not live"


# --- words --------------------------------------------------------------------------------------


def _ids(episodes: Sequence[Episode]) -> tuple[str, ...]:
    return tuple(episode.id for episode in episodes)


def _newest(world: World) -> Inputs | None:
    return world.runs[-1].identity.inputs if world.runs else None


def _uploads_go_on(world: World, now: datetime) -> bool:
    due = snapshot_due(world.data, world.burst_since, world.limits)
    return world.data.snapshot_id is None or (due is not None and now < due)


def _pending(world: World, now: datetime) -> str:
    if world.data.objects and _uploads_go_on(world, now):
        return "data: uploads go on"
    return "; ".join(_asked(world) + _changes(world)) or "nothing"


def _reason(world: World, want: Wanted) -> str:
    if want.rule == "retry":
        last = world.past[-1]
        return (
            f"retry {retries_used(world.past) + 1} of {world.limits.retries}: run {last.name} "
            f"failed for a cause of AWS's: {last.failure}."
        )
    return "; ".join(_asked(world) + _changes(world)) + "."


def _asked(world: World) -> list[str]:
    request = world.request
    return [f"asked for by {request.who}: {request.reason}"] if request else []


def _changes(world: World) -> list[str]:
    """What speaks for a run, in words."""
    data = world.data
    drift = [_drift_text(episode) for episode in open_episodes(world)]
    if not world.runs:
        size = f"{_objects(data.objects)}, {data.size} bytes"
        version = _short(world.code.version) if world.code else "none"
        return [f"first run: {size}, code {version}", *drift]
    last = world.runs[-1]
    words = []
    if data.snapshot_id is not None and data.snapshot_id != last.identity.inputs.snapshot_id:
        words.append(f"data: {_changes_text(data.changes)} since run {last.name}")
    if world.code:
        words += _code_changes(last.identity.inputs, world.code)
    return words + drift


def _code_changes(before: Inputs, code: Code) -> list[str]:
    words = []
    if code.version != before.code_version:
        words.append(f"code: {_short(before.code_version)} -> {_short(code.version)}")
    old, new = dict(before.parameters), dict(code.parameters)
    changed = [
        f"{name} {old.get(name, 'none')} -> {new.get(name, 'none')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    return [*words, f"parameters: {', '.join(changed)}"] if changed else words


def _changes_text(changes: Changes | None) -> str:
    if changes is None:
        return "another snapshot"
    return ", ".join(f"{_objects(n)} {what}" for what, n in asdict(changes).items() if n)


def _objects(n: int) -> str:
    return "1 object" if n == 1 else f"{n} objects"


def _drift_words(episodes: Sequence[Episode]) -> str:
    return "".join(f"{_drift_text(episode)}. " for episode in episodes)


def _drift_text(episode: Episode) -> str:
    over = ", and over" if episode.over else ""
    return f"drift: alarm {episode.alarm} in ALARM since {episode.since.isoformat()}{over}"


def _short(version: str) -> str:
    return version[:12]
