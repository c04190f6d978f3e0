"""When to retrain, as a function of the world: no AWS in sight."""

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.runtime.failure import Cause
from components.runtime.orders import Pause, Request
from components.runtime.retrain_decision import RULES, Decision, Kind, decide
from components.runtime.retrain_world import (
    JUDGED,
    Claim,
    Code,
    Data,
    Episode,
    Identity,
    Inputs,
    Limits,
    Live,
    Run,
    Spent,
    World,
    remember,
)
from components.runtime.snapshot import Changes
from tests.runtime.fakes import START as NOW

LIMITS = Limits(
    quiet_period=timedelta(minutes=5),
    max_wait=timedelta(hours=2),
    cooldown=timedelta(hours=6),
    claim_period=timedelta(minutes=10),
    runs_per_day=10,
    hours_per_month=None,
    retries=2,
    retry_wait=timedelta(minutes=15),
)
LONG_AGO = NOW - timedelta(days=1)
ALARM = Episode("churn-drift", NOW - timedelta(hours=1))


def data(snapshot: str | None = "s1", changes: Changes | None = None, **more: object) -> Data:
    kept = {"objects": 3, "size": 600, "last_change": LONG_AGO} | more
    return Data(snapshot_id=snapshot, changes=changes, **kept)  # type: ignore[arg-type]  # a shorthand


def code(version: str = "c1", pushed: datetime = LONG_AGO, **parameters: str) -> Code:
    return Code(version, tuple(sorted(parameters.items())), pushed)


def identity(
    snapshot: str = "s1", version: str = "c1", episodes: tuple[str, ...] = (), attempt: int = 1
) -> Identity:
    return Identity(Inputs(snapshot, version), episodes, attempt)


def run(
    snapshot: str = "s1",
    version: str = "c1",
    status: str = "Succeeded",
    episodes: tuple[str, ...] = (),
    name: str = "r1",
    **more: object,
) -> Run:
    what = identity(snapshot, version, episodes, int(str(more.pop("attempt", 1))))
    over = status not in ("Executing", "Stopping")
    kept: dict[str, object] = {
        "execution_arn": f"arn:aws:sagemaker:eu-west-1:123456789012:pipeline/p/execution/{name}",
        "identity": what,
        "token": what.token("p"),
        "rule": "change",
        "reason": "because",
        "sequence": 0,
        "pushed_at": LONG_AGO,
        "started_at": LONG_AGO,
        "status": status,
        "ended_at": LONG_AGO if over else None,
        "cause": Cause.NONE if not over or status == "Succeeded" else Cause.OURS,
    }
    return Run(**kept | more)  # type: ignore[arg-type]  # a shorthand


def world(**changes: object) -> World:
    """By default there is data, code and nothing else; `past` follows from `runs`."""
    kept: dict[str, object] = {"data": data(), "code": code(), "limits": LIMITS, "pipeline": "p"}
    made = World(**kept | changes)  # type: ignore[arg-type]  # a shorthand
    return made if "past" in changes else with_past(made)


def with_past(seen: World) -> World:
    """As the controller reads it: the runs on the inputs of now."""
    return replace(seen, past=tuple(r for r in seen.runs if r.identity.inputs == seen.inputs))


def started(decision: Decision) -> Identity:
    assert decision.kind is Kind.START
    assert decision.claim is not None
    return decision.claim.identity


# --- a young loop -------------------------------------------------------------------------------


def test_no_data_yet_is_an_ordinary_state() -> None:
    decision = decide(world(data=data(None, objects=0, size=0, last_change=None)), NOW)
    assert (decision.kind, decision.rule) == (Kind.NOTHING, "no data yet")


def test_no_code_yet_is_an_ordinary_state() -> None:
    decision = decide(world(code=None), NOW)
    assert (decision.kind, decision.rule) == (Kind.NOTHING, "no code yet")


def test_the_first_data_and_code_start_the_first_run() -> None:
    decision = decide(world(), NOW)
    assert started(decision) == identity()
    assert decision.reason == "first run: 3 objects, 600 bytes, code c1."


# --- bursts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("snapshot", [None, "s2"])
def test_uploads_that_go_on_are_waited_for(snapshot: str | None) -> None:
    last = NOW - timedelta(minutes=4)
    decision = decide(world(data=data(snapshot, last_change=last)), NOW)
    assert (decision.kind, decision.rule) == (Kind.WAIT, "quiet period")
    assert decision.until == last + LIMITS.quiet_period


def test_waiting_for_quiet_is_told_in_the_same_words_while_uploads_go_on() -> None:
    reasons = {
        decide(world(data=data(None, objects=n, last_change=NOW)), NOW).reason for n in (1, 2, 3)
    }
    assert reasons == {
        "data: uploads go on; a run starts 300 s after the last, or 7200 s after the first."
    }


def test_the_run_starts_when_the_quiet_period_is_over() -> None:
    quiet = data(last_change=NOW - LIMITS.quiet_period)
    assert decide(world(data=quiet), NOW).kind is Kind.START


# --- single flight ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["Executing", "Stopping"])
def test_a_run_that_goes_on_is_waited_for_and_what_is_pending_is_said(status: str) -> None:
    seen = world(
        runs=(run(status=status),),
        data=data("s2", Changes(added=3, changed=1, removed=0)),
        code=code("c2"),
        episodes=(ALARM,),
    )
    decision = decide(seen, NOW)
    assert (decision.kind, decision.rule, decision.until) == (Kind.WAIT, "single flight", None)
    assert decision.reason == (
        f"Run r1 is {status}. Pending after it: "
        "data: 3 objects added, 1 object changed since run r1; code: c1 -> c2; "
        "drift: alarm churn-drift in ALARM since 2026-03-01T11:00:00+00:00."
    )


def test_nothing_pending_is_said_too() -> None:
    assert decide(world(runs=(run(status="Executing"),)), NOW).reason.endswith("nothing.")


# --- no change, no run --------------------------------------------------------------------------


def test_the_same_data_and_code_are_not_run_again() -> None:
    decision = decide(world(runs=(run(),)), NOW)
    assert (decision.kind, decision.rule) == (Kind.NOTHING, "no change, no run")
    assert decision.reason == "This data and this code were run in r1: Succeeded."


def test_going_back_to_data_of_an_earlier_run_is_no_reason_for_a_run() -> None:
    seen = world(runs=(run(), run("s2", name="r2"), run("s3", name="r3")))
    assert decide(seen, NOW).kind is Kind.NOTHING


def test_other_data_start_a_run_and_the_reason_counts_them() -> None:
    decision = decide(world(runs=(run(),), data=data("s2", Changes(0, 2, 1))), NOW)
    assert started(decision) == identity("s2")
    assert decision.reason == "data: 2 objects changed, 1 object removed since run r1."


def test_other_code_starts_a_run_and_the_reason_names_both() -> None:
    decision = decide(world(runs=(run(version="a" * 64),), code=code("b" * 64)), NOW)
    assert started(decision) == identity(version="b" * 64)
    assert decision.reason == "code: aaaaaaaaaaaa -> bbbbbbbbbbbb."


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_run_that_did_not_succeed_is_not_repeated_and_the_reason_says_why(status: str) -> None:
    failed = run(status=status, failure="Prepare: a.csv, column age: not a number: 'x'")
    decision = decide(world(runs=(failed,)), NOW)
    assert (decision.kind, decision.rule) == (Kind.PERSON, "failed before")
    assert "Prepare: a.csv, column age: not a number: 'x'" in decision.reason


def test_other_data_after_a_failure_start_a_run() -> None:
    failed = run(status="Failed", failure="Prepare: bad")
    assert decide(world(runs=(failed,), data=data("s2")), NOW).kind is Kind.START


# --- drift --------------------------------------------------------------------------------------

LIVE = Live(1, NOW - timedelta(hours=8))
TEXT = "drift: alarm churn-drift in ALARM since 2026-03-01T11:00:00+00:00"


def test_drift_with_nothing_new_to_learn_from_is_a_persons_and_no_run() -> None:
    seen = world(runs=(run(model_version=1),), live=LIVE, episodes=(ALARM,))
    decision = decide(seen, NOW)
    assert (decision.kind, decision.rule) == (Kind.PERSON, "drift stands")
    assert decision.judged == (ALARM.id,)
    assert decision.reason == (
        f"{TEXT}. Run r1 has learned from all the data and code there is, and its model (version "
        "1) is live since 2026-03-01T04:00:00+00:00."
    )


def test_a_person_is_told_of_an_episode_once() -> None:
    seen = world(runs=(run(),), episodes=(replace(ALARM, answer=JUDGED),))
    decision = decide(seen, NOW)
    assert (decision.kind, decision.rule) == (Kind.NOTHING, "no change, no run")
    assert decision.reason.startswith(TEXT)


def test_a_run_for_other_data_answers_the_alarm_as_well() -> None:
    decision = decide(world(runs=(run(),), data=data("s2"), episodes=(ALARM,)), NOW)
    assert started(decision) == identity("s2", episodes=(ALARM.id,))
    assert decision.reason.startswith("data: another snapshot since run r1; drift: alarm")


def test_a_new_model_is_given_time_to_show_its_effect() -> None:
    for answer in ("", "token"):  # an episode that came during the run, and one that it is for
        seen = world(
            runs=(run(model_version=2, ended_at=NOW - timedelta(hours=5)),),
            live=Live(2, NOW - timedelta(hours=2)),
            episodes=(replace(ALARM, answer=answer),),
        )
        decision = decide(seen, NOW)
        assert (decision.kind, decision.rule) == (Kind.WAIT, "cool-down")
        assert decision.until == NOW + timedelta(hours=4)
        assert decide(seen, NOW + timedelta(hours=4)).kind is Kind.PERSON


def test_a_model_that_does_not_go_live_is_waited_for_from_the_end_of_its_run() -> None:
    seen = world(
        runs=(run(model_version=2, ended_at=NOW - timedelta(hours=5)),),
        live=Live(1, LONG_AGO),
        episodes=(ALARM,),
    )
    assert decide(seen, NOW).until == NOW + timedelta(hours=1)
    decision = decide(seen, NOW + timedelta(hours=1))
    assert decision.kind is Kind.PERSON
    assert decision.reason.endswith("its model (version 2) is not live.")


def test_an_episode_that_is_over_by_then_calls_nobody() -> None:
    seen = world(runs=(run(),), episodes=(replace(ALARM, over=True),))
    decision = decide(seen, NOW)
    assert (decision.kind, decision.rule) == (Kind.NOTHING, "drift is over")
    assert decision.judged == (ALARM.id,)


def test_drift_after_going_back_to_older_data_has_something_to_learn() -> None:
    seen = world(runs=(run(), run("s2", name="r2")), episodes=(ALARM,))
    decision = decide(seen, NOW)
    assert decision.rule == "drift"
    assert started(decision) == identity(episodes=(ALARM.id,), attempt=2)


def test_drift_waits_for_the_cool_down_before_it_starts_a_run() -> None:
    newest = run("s2", name="r2", ended_at=NOW - timedelta(hours=2))
    seen = world(runs=(run(), newest), episodes=(ALARM,))
    decision = decide(seen, NOW)
    assert (decision.kind, decision.rule) == (Kind.WAIT, "cool-down")
    assert decision.until == NOW + timedelta(hours=4)
    assert decide(seen, NOW + timedelta(hours=4)).kind is Kind.START


def test_other_data_do_not_wait_for_the_cool_down() -> None:
    last = run(episodes=("earlier",), ended_at=NOW - timedelta(hours=2))
    assert decide(world(runs=(last,), data=data("s2"), episodes=(ALARM,)), NOW).kind is Kind.START


def test_drift_does_not_repeat_a_run_that_failed() -> None:
    failed = run(status="Failed", failure="Refused: roc_auc 0.4 < 0.6")
    seen = world(runs=(failed,), episodes=(ALARM,), told=(failed.token,))
    decision = decide(seen, NOW)
    assert (decision.kind, decision.rule) == (Kind.PERSON, "failed before")
    assert decision.judged == (ALARM.id,)
    assert decision.reason == (
        f"{TEXT}. This data and this code were run in r1: Failed: Refused: roc_auc 0.4 < 0.6."
    )


def test_an_episode_whose_run_failed_is_told_with_the_failure() -> None:
    failed = run(status="Failed", failure="Prepare: bad")
    seen = world(runs=(failed,), episodes=(replace(ALARM, answer=failed.token),))
    decision = decide(seen, NOW)
    assert decision.kind is Kind.PERSON
    assert decision.reason.startswith(TEXT)
    assert decision.judged == (ALARM.id,)


def test_drift_is_not_said_to_be_learned_from_by_a_run_that_failed() -> None:
    newest = failed_by_aws("r2", snapshot="s2", ended_at=LONG_AGO)
    seen = world(runs=(run(), newest), episodes=(replace(ALARM, answer=newest.token),))
    decision = decide(seen, NOW)
    assert decision.kind is Kind.PERSON
    assert decision.reason == (
        f"{TEXT}. Run r2 is the newest and ended as Failed, and its model is not live."
    )


def test_an_episode_is_named_by_the_alarm_and_its_transition() -> None:
    again = Episode("churn-drift", ALARM.since)
    later = Episode("churn-drift", ALARM.since + timedelta(seconds=1))
    other = Episode("fraud-drift", ALARM.since)
    assert len({ALARM.id, again.id, later.id, other.id}) == 3
    assert ALARM.id == hashlib.sha256(b"churn-drift 2026-03-01T11:00:00+00:00").hexdigest()


def test_an_episode_is_remembered_until_it_has_an_answer_and_is_over() -> None:
    (known,) = remember((), [ALARM])
    (over,) = remember((known,), [])
    assert over == replace(ALARM, over=True)
    assert remember((over,), []) == (over,)
    assert remember((replace(known, answer="token"),), [ALARM]) == (replace(known, answer="token"),)
    assert remember((replace(known, answer="token"),), []) == ()


def test_a_newer_episode_of_an_alarm_takes_the_place_of_the_older() -> None:
    newer = Episode(ALARM.alarm, NOW)
    assert remember((ALARM,), [newer]) == (newer,)
    assert remember((replace(ALARM, answer=JUDGED),), [newer]) == (newer,)


# --- failures -----------------------------------------------------------------------------------


def failed_by_aws(name: str = "r1", **more: object) -> Run:
    failure = "Train: CapacityError: Unable to provision requested ML compute capacity"
    kept = {"status": "Failed", "cause": Cause.AWS, "failure": failure, "ended_at": NOW} | more
    return run(name=name, **kept)  # type: ignore[arg-type]  # a shorthand


def test_a_failure_of_awss_is_retried_with_growing_waits_and_then_a_persons() -> None:
    runs: tuple[Run, ...] = (failed_by_aws(),)
    for retry, minutes in ((1, 15), (2, 60)):
        seen = world(runs=runs)
        decision = decide(seen, NOW)
        assert (decision.kind, decision.rule) == (Kind.WAIT, "retry")
        assert decision.until == NOW + timedelta(minutes=minutes)
        decision = decide(seen, NOW + timedelta(minutes=minutes))
        assert decision.rule == "retry"
        assert started(decision) == identity(attempt=retry + 1)
        runs = (*runs, failed_by_aws(f"r{retry + 1}", rule="retry", attempt=retry + 1))
    decision = decide(world(runs=runs), NOW)
    assert (decision.kind, decision.rule, decision.told) == (
        Kind.PERSON,
        "failed before",
        runs[-1].token,
    )


def test_a_retry_is_for_the_episodes_of_the_run_that_failed() -> None:
    seen = world(runs=(failed_by_aws(episodes=("e1",)),), episodes=(ALARM,))
    decision = decide(seen, NOW + timedelta(hours=1))
    assert started(decision).episodes == tuple(sorted(["e1", ALARM.id]))


def test_a_person_is_told_of_a_failed_run_once() -> None:
    failed = run(status="Failed", failure="Prepare: bad")
    decision = decide(world(runs=(failed,)), NOW)
    assert (decision.kind, decision.told) == (Kind.PERSON, failed.token)
    decision = decide(world(runs=(failed,), told=(failed.token,)), NOW)
    assert (decision.kind, decision.rule) == (Kind.NOTHING, "failed before")


def test_newer_data_do_not_wait_for_a_retry() -> None:
    assert decide(world(runs=(failed_by_aws(),), data=data("s2")), NOW).rule == "change"


# --- people -------------------------------------------------------------------------------------

REQUEST = Request("q1", "ada", NOW, "the labels were corrected in place")


@pytest.mark.parametrize("status", ["Succeeded", "Failed", "Stopped"])
def test_a_person_may_ask_for_a_run_of_what_was_run_before(status: str) -> None:
    decision = decide(world(runs=(run(status=status),), request=REQUEST), NOW)
    assert decision.rule == "request"
    assert started(decision) == identity(attempt=2)
    assert decision.reason == "asked for by ada: the labels were corrected in place."


def test_a_request_waits_for_its_turn_like_everything_else() -> None:
    seen = world(runs=(run(status="Executing"),), request=REQUEST)
    decision = decide(seen, NOW)
    assert decision.rule == "single flight"
    assert "Pending after it: asked for by ada" in decision.reason


def test_a_pause_holds_until_its_end_and_says_what_is_pending() -> None:
    pause = Pause("ada", LONG_AGO, "audit", until=NOW + timedelta(hours=1))
    seen = world(pause=pause, runs=(run(),), data=data("s2"))
    decision = decide(seen, NOW)
    assert (decision.kind, decision.rule, decision.until) == (Kind.WAIT, "paused", pause.until)
    assert decision.reason == (
        "Paused by ada at 2026-02-28T12:00:00+00:00: audit. "
        "Pending: data: another snapshot since run r1."
    )
    assert decide(seen, NOW + timedelta(hours=1)).kind is Kind.START
    assert decide(replace(seen, pause=replace(pause, paused=False)), NOW).kind is Kind.START


# --- order, budget ------------------------------------------------------------------------------


def test_data_older_than_what_a_run_was_started_on_are_not_run() -> None:
    seen = world(runs=(run("s2", sequence=2),), data=data("s1", sequence=1))
    decision = decide(seen, NOW)
    assert (decision.kind, decision.rule) == (Kind.WAIT, "order")


def test_code_older_than_what_a_run_was_started_on_is_not_run() -> None:
    seen = world(runs=(run(version="c2", pushed_at=NOW),), code=code("c1", pushed=LONG_AGO))
    decision = decide(seen, NOW)
    assert (decision.kind, decision.rule) == (Kind.WAIT, "order")


def test_code_that_a_person_takes_back_is_a_new_push() -> None:
    seen = world(runs=(run(version="c2"),), code=code("c1", pushed=NOW))
    assert started(decide(seen, NOW)) == identity(version="c1")


def test_other_parameters_are_another_run_and_the_reason_names_them() -> None:
    decision = decide(world(runs=(run(),), code=code(MinRocAuc="0.7", Seed="1")), NOW)
    assert started(decision).parameters == {
        "MinRocAuc": "0.7",
        "Seed": "1",
        "SnapshotId": "s1",
        "CodeVersion": "c1",
    }
    assert decision.reason == "parameters: MinRocAuc none -> 0.7, Seed none -> 1."


def test_what_is_over_the_runs_of_a_day_waits_until_the_oldest_is_a_day_old() -> None:
    runs = tuple(
        run(f"s{n}", name=f"r{n}", started_at=NOW - timedelta(hours=n)) for n in range(12, 2, -1)
    )
    seen = world(runs=runs, data=data("new"))
    decision = decide(seen, NOW)
    assert (decision.kind, decision.rule) == (Kind.WAIT, "runs per day")
    assert decision.until == NOW + timedelta(hours=12)
    assert "Pending: data: another snapshot since run r3" in decision.reason
    assert decide(seen, NOW + timedelta(hours=12)).kind is Kind.START


def test_what_is_over_the_hours_of_a_month_waits_for_the_next_month() -> None:
    limits = replace(LIMITS, hours_per_month=2.0)
    seen = world(limits=limits, spent=Spent("2026-03", 7200.0))
    decision = decide(seen, NOW)
    assert (decision.kind, decision.rule) == (Kind.WAIT, "hours per month")
    assert decision.until == datetime(2026, 4, 1, tzinfo=NOW.tzinfo)
    assert decide(seen, datetime(2026, 4, 1, tzinfo=NOW.tzinfo)).kind is Kind.START
    assert decide(replace(seen, spent=Spent("2026-03", 7199.0)), NOW).kind is Kind.START
    december = datetime(2026, 12, 31, tzinfo=NOW.tzinfo)
    decision = decide(replace(seen, spent=Spent("2026-12", 9e9)), december)
    assert decision.until == datetime(2027, 1, 1, tzinfo=NOW.tzinfo)


def test_the_hours_of_a_month_begin_anew_with_it() -> None:
    def ended(month: int, hours: float) -> tuple[Run, datetime, datetime]:
        end = datetime(2026, month, 2, tzinfo=NOW.tzinfo)
        return run(), end - timedelta(hours=hours), end

    spent = Spent().plus(*ended(3, 1)).plus(*ended(3, 2))
    assert spent == Spent("2026-03", 3 * 3600)
    assert spent.plus(*ended(2, 5)) == spent
    assert spent.plus(*ended(4, 1)) == Spent("2026-04", 3600)


def test_a_stream_that_never_goes_quiet_is_run_after_the_maximum_wait() -> None:
    stream = data("s2", last_change=NOW)
    seen = world(runs=(run(),), data=stream, burst_since=NOW - timedelta(hours=1))
    decision = decide(seen, NOW)
    assert (decision.rule, decision.until) == ("quiet period", NOW + timedelta(minutes=5))
    seen = replace(seen, burst_since=NOW - LIMITS.max_wait)
    assert decide(seen, NOW).kind is Kind.START


# --- claims -------------------------------------------------------------------------------------


def claim(deadline: datetime) -> Claim:
    what = identity("s0", "c0")
    token = what.token("p")
    return Claim(what, token, "change", "first run.", 0, LONG_AGO, LONG_AGO, deadline, "someone")


def test_a_start_under_way_is_waited_for() -> None:
    deadline = NOW + timedelta(seconds=1)
    decision = decide(world(claim=claim(deadline)), NOW)
    assert (decision.kind, decision.rule, decision.until) == (Kind.WAIT, "claim", deadline)


def test_a_stale_claim_is_completed_with_its_own_token_even_if_the_world_has_changed() -> None:
    stale = claim(NOW)
    decision = decide(world(claim=stale), NOW)
    assert decision.kind is Kind.COMPLETE
    assert decision.claim == replace(stale, deadline=NOW + LIMITS.claim_period)


# --- for all worlds -----------------------------------------------------------------------------

few = st.sampled_from
moments = st.integers(-10, 0).map(lambda hours: NOW + timedelta(hours=hours))
answers = few(["", "token", JUDGED])
episodes = st.builds(Episode, few(["a", "b"]), moments, st.booleans(), answers)
runs = st.builds(
    run,
    few(["s1", "s2"]),
    few(["c1", "c2"]),
    few(["Succeeded", "Failed", "Stopped"]),
    st.lists(few(["e1", "e2"]), max_size=2).map(tuple),
    few(["r1", "r2"]),
    ended_at=moments,
    started_at=moments,
    sequence=few([0, 1]),
    rule=few(["change", "retry", "request", "drift"]),
    attempt=st.integers(1, 3),
    model_version=st.none() | few([1, 2]),
    cause=few([Cause.NONE, Cause.AWS, Cause.OURS]),
)
worlds = st.builds(
    World,
    pipeline=st.just("p"),
    data=st.builds(
        Data,
        objects=st.integers(0, 2),
        size=st.just(7),
        last_change=moments,
        snapshot_id=few(["s1", "s2", None]),
        changes=st.none() | st.just(Changes(1, 0, 0)),
        sequence=few([0, 1]),
    ),
    code=st.none()
    | st.builds(Code, few(["c1", "c2"]), few([(), (("Seed", "1"),)]), few([NOW, LONG_AGO])),
    limits=st.builds(
        lambda runs, hours: replace(LIMITS, runs_per_day=runs, hours_per_month=hours),
        few([1, 2, 10]),
        few([None, 1.0]),
    ),
    runs=st.tuples(
        st.lists(runs, max_size=3), st.sampled_from([(), (run(status="Executing"),)])
    ).map(lambda parts: (*parts[0], *parts[1])),
    claim=st.none() | st.sampled_from([claim(NOW), claim(NOW + timedelta(hours=1))]),
    episodes=st.lists(episodes, max_size=2, unique_by=lambda episode: episode.alarm).map(tuple),
    burst_since=st.none() | moments,
    live=st.none() | st.builds(Live, few([1, 2]), moments),
    spent=few([Spent(), Spent("2026-03", 9e9)]),
    told=st.just(()) | runs.map(lambda each: (each.token,)),
    pause=st.none() | few([Pause("ada", NOW, "audit"), Pause("ada", NOW, "audit", paused=False)]),
    request=st.none() | st.just(REQUEST),
).map(with_past)


@given(worlds)
def test_the_same_world_gives_the_same_decision(seen: World) -> None:
    assert decide(seen, NOW) == decide(seen, NOW)


@given(worlds)
def test_nothing_starts_while_a_run_a_claim_or_a_pause_is_active(seen: World) -> None:
    held = seen.pause and seen.pause.holds(NOW)
    if held or seen.claim or any(each.active for each in seen.runs):
        assert decide(seen, NOW).kind is not Kind.START


@given(worlds)
def test_nothing_starts_without_a_reason_to(seen: World) -> None:
    decision = decide(seen, NOW)
    if decision.kind is not Kind.START:
        return
    what = started(decision)
    assert what.inputs == seen.inputs
    assert what.attempt == len(seen.past) + 1
    assert what.token("p") not in {each.token for each in seen.past if each.identity != what}
    if seen.past and not seen.request:
        again = seen.past[-1].cause is Cause.AWS
        assert again or (what.episodes and seen.runs[-1].identity.inputs != what.inputs)


@given(worlds)
def test_an_episode_with_an_answer_is_in_no_further_run_but_a_retry(seen: World) -> None:
    decision = decide(seen, NOW)
    if decision.kind is Kind.START and decision.rule != "retry":
        answered = {episode.id for episode in seen.episodes if episode.answer}
        assert answered.isdisjoint(started(decision).episodes)


@given(worlds)
def test_nothing_starts_before_quiet_or_the_maximum_wait(seen: World) -> None:
    if decide(seen, NOW).kind is Kind.START:
        assert seen.data.last_change is not None
        quiet = seen.data.last_change + LIMITS.quiet_period <= NOW
        assert quiet or (seen.burst_since and seen.burst_since + LIMITS.max_wait <= NOW)


@given(worlds)
def test_nothing_starts_over_budget(seen: World) -> None:
    if decide(seen, NOW).kind is Kind.START:
        day = [each for each in seen.runs if each.started_at > NOW - timedelta(days=1)]
        assert len(day) < seen.limits.runs_per_day
        assert seen.limits.hours_per_month is None or seen.spent.seconds < 3600


@given(worlds)
def test_nothing_starts_backwards(seen: World) -> None:
    decision = decide(seen, NOW)
    if decision.kind is Kind.START and seen.runs:
        assert decision.claim is not None
        assert decision.claim.sequence >= seen.runs[-1].sequence
        assert decision.claim.pushed_at >= seen.runs[-1].pushed_at


@given(worlds, st.integers(0, 100))
def test_the_token_does_not_depend_on_the_clock_or_on_the_order_of_alarms(
    seen: World, minutes: int
) -> None:
    tokens = set()
    for shuffled in permutations(seen.episodes):
        decision = decide(replace(seen, episodes=shuffled), NOW + timedelta(minutes=minutes))
        if decision.kind is Kind.START:
            assert decision.claim is not None
            tokens.add(decision.claim.token)
    assert len(tokens) <= 1
    assert all(len(token) == 64 and set(token) <= set("0123456789abcdef") for token in tokens)


@given(worlds)
def test_once_started_the_same_world_does_not_start_again(seen: World) -> None:
    decision = decide(seen, NOW)
    if decision.claim is None or decision.kind is not Kind.START:
        return
    claimed = decision.claim
    done = replace(
        run(),
        identity=claimed.identity,
        token=claimed.token,
        sequence=claimed.sequence,
        pushed_at=claimed.pushed_at,
        ended_at=NOW,
    )
    answered = tuple(
        replace(e, answer=done.token) if e.id in claimed.identity.episodes else e
        for e in seen.episodes
    )
    after = replace(seen, runs=(*seen.runs, done), episodes=answered, request=None)
    assert decide(with_past(after), NOW).kind is not Kind.START


@given(worlds)
def test_a_person_is_needed_once(seen: World) -> None:
    decision = decide(seen, NOW)
    if decision.kind is not Kind.PERSON:
        return
    judged = tuple(
        replace(e, answer=JUDGED) if e.id in decision.judged else e for e in seen.episodes
    )
    after = replace(seen, episodes=judged, told=(*seen.told, decision.told))
    assert decide(after, NOW).kind is not Kind.PERSON


@given(worlds)
def test_a_decision_is_told_in_a_sentence(seen: World) -> None:
    decision = decide(seen, NOW)
    assert decision.rule
    assert decision.reason.endswith(".")
    assert "None" not in decision.reason


@given(worlds, st.sets(few(RULES)))
def test_every_rule_only_holds_back(seen: World, off: set[object]) -> None:
    """With some of the rules off, what is started is what would be started without them."""
    decision = decide(seen, NOW)
    if decision.kind is Kind.START:
        rest = tuple(each for each in RULES if each not in off)
        assert decide(seen, NOW, rest) == decision


# --- formats ------------------------------------------------------------------------------------


@given(episodes)
def test_episodes_survive_json(each: Episode) -> None:
    assert Episode.from_json(json.loads(json.dumps(each.to_json()))) == each


@given(runs)
def test_runs_survive_json(each: Run) -> None:
    assert Run.from_json(json.loads(json.dumps(each.to_json()))) == each


def test_active_runs_and_claims_survive_json() -> None:
    active = run(status="Executing")
    assert Run.from_json(json.loads(json.dumps(active.to_json()))) == active
    held = claim(NOW)
    assert Claim.from_json(json.loads(json.dumps(held.to_json()))) == held


def test_orders_survive_json() -> None:
    pause = Pause("ada", NOW, "audit", NOW + timedelta(hours=1))
    assert Pause.from_json(json.loads(json.dumps(pause.to_json()))) == pause
    assert Request.from_json(json.loads(json.dumps(REQUEST.to_json()))) == REQUEST


@pytest.mark.parametrize("change", [{"at": "yesterday"}, {"at": "2026-03-01T12:00:00"}, {"who": 0}])
@pytest.mark.parametrize("what", [Pause, Request])
def test_an_order_that_is_none_is_refused_with_a_sentence(
    what: type[Pause | Request], change: dict[str, object]
) -> None:
    good = Pause("ada", NOW, "audit") if what is Pause else REQUEST
    bad = good.to_json() | change
    if change == {"who": 0}:
        del bad["who"]
    with pytest.raises(ValueError, match=r"state/(pause|request)\.json is not what .* write it"):
        what.from_json(bad)
