"""When to retrain, as a function of the world: no AWS in sight."""

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.runtime.retrain_decision import (
    Claim,
    Data,
    Decision,
    Episode,
    Identity,
    Kind,
    Rules,
    Run,
    World,
    decide,
)
from components.runtime.snapshot import Changes
from tests.runtime.fakes import START as NOW

RULES = Rules(
    quiet_period=timedelta(minutes=5),
    cooldown=timedelta(hours=6),
    claim_period=timedelta(minutes=2),
)
LONG_AGO = NOW - timedelta(days=1)
ALARM = Episode("churn-drift", NOW - timedelta(hours=1))


def data(snapshot: str | None = "s1", changes: Changes | None = None, **more: object) -> Data:
    kept = {"objects": 3, "size": 600, "last_change": LONG_AGO} | more
    return Data(snapshot_id=snapshot, changes=changes, **kept)  # type: ignore[arg-type]  # a shorthand


def run(
    snapshot: str = "s1",
    code: str = "c1",
    status: str = "Succeeded",
    episodes: tuple[str, ...] = (),
    name: str = "r1",
    failure: str = "",
    ended: datetime = LONG_AGO,
) -> Run:
    identity = Identity(snapshot, code, episodes)
    over = status not in ("Executing", "Stopping")
    return Run(
        f"arn:aws:sagemaker:eu-west-1:123456789012:pipeline/p/execution/{name}",
        identity,
        identity.token("p"),
        "because",
        LONG_AGO,
        status,
        ended if over else None,
        failure,
    )


def world(**changes: object) -> World:
    return replace(
        World(
            pipeline="p",
            data=data(),
            code_version="c1",
            episodes=(),
            runs=(),
            claim=None,
            rules=RULES,
        ),
        **changes,  # type: ignore[arg-type]  # a shorthand
    )


def started(decision: Decision) -> Identity:
    assert decision.kind is Kind.START
    assert decision.claim is not None
    return decision.claim.identity


# --- a young loop -------------------------------------------------------------------------------


def test_no_data_yet_is_an_ordinary_state() -> None:
    decision = decide(world(data=data(None, objects=0, size=0, last_change=None)), NOW)
    assert (decision.kind, decision.rule) == (Kind.NOTHING, "no data yet")


def test_no_code_yet_is_an_ordinary_state() -> None:
    decision = decide(world(code_version=None), NOW)
    assert (decision.kind, decision.rule) == (Kind.NOTHING, "no code yet")


def test_the_first_data_and_code_start_the_first_run() -> None:
    decision = decide(world(), NOW)
    assert started(decision) == Identity("s1", "c1")
    assert decision.reason == "first run: 3 objects, 600 bytes, code c1."


# --- bursts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("snapshot", [None, "s2"])
def test_uploads_that_go_on_are_waited_for(snapshot: str | None) -> None:
    last = NOW - timedelta(minutes=4)
    decision = decide(world(data=data(snapshot, last_change=last)), NOW)
    assert (decision.kind, decision.rule) == (Kind.WAIT, "quiet period")
    assert decision.until == last + RULES.quiet_period


def test_waiting_for_quiet_is_told_in_the_same_words_while_uploads_go_on() -> None:
    reasons = {
        decide(world(data=data(None, objects=n, last_change=NOW)), NOW).reason for n in (1, 2, 3)
    }
    assert reasons == {"data: uploads go on; a run starts 300 s after the last."}


def test_the_run_starts_when_the_quiet_period_is_over() -> None:
    quiet = data(last_change=NOW - RULES.quiet_period)
    assert decide(world(data=quiet), NOW).kind is Kind.START


# --- single flight ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["Executing", "Stopping"])
def test_a_run_that_goes_on_is_waited_for_and_what_is_pending_is_said(status: str) -> None:
    seen = world(
        runs=(run(status=status),),
        data=data("s2", Changes(added=3, changed=1, removed=0)),
        code_version="c2",
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
    assert started(decision) == Identity("s2", "c1")
    assert decision.reason == "data: 2 objects changed, 1 object removed since run r1."


def test_other_code_starts_a_run_and_the_reason_names_both() -> None:
    decision = decide(world(runs=(run(code="a" * 64),), code_version="b" * 64), NOW)
    assert started(decision) == Identity("s1", "b" * 64)
    assert decision.reason == "code: aaaaaaaaaaaa -> bbbbbbbbbbbb."


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_run_that_did_not_succeed_is_not_repeated_and_the_reason_says_why(status: str) -> None:
    failed = run(status=status, failure="Prepare: a.csv, column age: not a number: 'x'")
    decision = decide(world(runs=(failed,)), NOW)
    assert (decision.kind, decision.rule) == (Kind.NOTHING, "failed before")
    assert "Prepare: a.csv, column age: not a number: 'x'" in decision.reason


def test_other_data_after_a_failure_start_a_run() -> None:
    failed = run(status="Failed", failure="Prepare: bad")
    assert decide(world(runs=(failed,), data=data("s2")), NOW).kind is Kind.START


# --- drift --------------------------------------------------------------------------------------


def test_an_alarm_starts_a_run_on_the_same_data() -> None:
    decision = decide(world(runs=(run(),), episodes=(ALARM,)), NOW)
    assert started(decision) == Identity("s1", "c1", (ALARM.id,))
    assert decision.rule == "drift"
    assert decision.reason == ("drift: alarm churn-drift in ALARM since 2026-03-01T11:00:00+00:00.")


@pytest.mark.parametrize("status", ["Succeeded", "Failed"])
def test_an_episode_gets_one_run_however_long_it_lasts_and_however_that_run_ended(
    status: str,
) -> None:
    answered = run(status=status, episodes=(ALARM.id,), name="r2")
    for days in (0, 1, 100):
        seen = world(runs=(run(), answered), episodes=(ALARM,))
        assert decide(seen, NOW + timedelta(days=days)).kind is Kind.NOTHING


def test_an_alarm_that_fires_during_a_run_is_not_forgotten() -> None:
    assert decide(world(runs=(run(status="Executing"),), episodes=(ALARM,)), NOW).claim is None
    assert decide(world(runs=(run(),), episodes=(ALARM,)), NOW).kind is Kind.START


def test_a_run_for_other_data_answers_the_alarm_as_well() -> None:
    decision = decide(world(runs=(run(),), data=data("s2"), episodes=(ALARM,)), NOW)
    assert started(decision) == Identity("s2", "c1", (ALARM.id,))
    assert decision.reason.startswith("data: another snapshot since run r1; drift: alarm")


def test_the_next_episode_waits_for_the_cool_down() -> None:
    last = run(episodes=("earlier",), ended=NOW - timedelta(hours=2))
    seen = world(runs=(last,), episodes=(ALARM,))
    decision = decide(seen, NOW)
    assert (decision.kind, decision.rule) == (Kind.WAIT, "cool-down")
    assert decision.until == NOW + timedelta(hours=4)
    assert decide(seen, NOW + timedelta(hours=4)).kind is Kind.START


def test_other_data_do_not_wait_for_the_cool_down() -> None:
    last = run(episodes=("earlier",), ended=NOW - timedelta(hours=2))
    assert decide(world(runs=(last,), data=data("s2"), episodes=(ALARM,)), NOW).kind is Kind.START


def test_drift_does_not_repeat_a_run_that_failed() -> None:
    failed = run(status="Failed", failure="Refused: roc_auc 0.4 < 0.6")
    decision = decide(world(runs=(failed,), episodes=(ALARM,)), NOW)
    assert (decision.kind, decision.rule) == (Kind.NOTHING, "failed before")
    assert decision.reason == (
        "drift: alarm churn-drift in ALARM since 2026-03-01T11:00:00+00:00. "
        "This data and this code were run in r1: Failed: Refused: roc_auc 0.4 < 0.6."
    )


def test_an_episode_is_named_by_the_alarm_and_its_transition() -> None:
    again = Episode("churn-drift", ALARM.since)
    later = Episode("churn-drift", ALARM.since + timedelta(seconds=1))
    other = Episode("fraud-drift", ALARM.since)
    assert len({ALARM.id, again.id, later.id, other.id}) == 3
    assert ALARM.id == hashlib.sha256(b"churn-drift 2026-03-01T11:00:00+00:00").hexdigest()


# --- claims -------------------------------------------------------------------------------------


def claim(deadline: datetime) -> Claim:
    identity = Identity("s0", "c0")
    return Claim(identity, identity.token("p"), LONG_AGO, deadline, "first run.")


def test_a_start_under_way_is_waited_for() -> None:
    deadline = NOW + timedelta(seconds=1)
    decision = decide(world(claim=claim(deadline)), NOW)
    assert (decision.kind, decision.rule, decision.until) == (Kind.WAIT, "claim", deadline)


def test_a_stale_claim_is_completed_with_its_own_token_even_if_the_world_has_changed() -> None:
    stale = claim(NOW)
    decision = decide(world(claim=stale), NOW)
    assert decision.kind is Kind.COMPLETE
    assert decision.claim == replace(stale, deadline=NOW + RULES.claim_period)


# --- for all worlds -----------------------------------------------------------------------------

few = st.sampled_from
moments = st.integers(-10, 0).map(lambda hours: NOW + timedelta(hours=hours))
episodes = st.builds(Episode, few(["a", "b"]), moments)
identities = st.builds(
    Identity,
    few(["s1", "s2"]),
    few(["c1", "c2"]),
    st.lists(episodes.map(lambda e: e.id)).map(tuple),
)
runs = st.builds(
    lambda identity, status, name, ended: run(
        identity.snapshot_id, identity.code_version, status, identity.episodes, name, "", ended
    ),
    identities,
    few(["Succeeded", "Failed", "Stopped"]),
    few(["r1", "r2"]),
    moments,
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
    ),
    code_version=few(["c1", "c2", None]),
    episodes=st.lists(episodes, max_size=2, unique_by=lambda episode: episode.alarm).map(tuple),
    runs=st.tuples(
        st.lists(runs, max_size=3), st.sampled_from([(), (run(status="Executing"),)])
    ).map(lambda parts: (*parts[0], *parts[1])),
    claim=st.none() | st.sampled_from([claim(NOW), claim(NOW + timedelta(hours=1))]),
    rules=st.just(RULES),
)


@given(worlds)
def test_the_same_world_gives_the_same_decision(seen: World) -> None:
    assert decide(seen, NOW) == decide(seen, NOW)


@given(worlds)
def test_nothing_starts_while_a_run_or_a_claim_is_active(seen: World) -> None:
    if seen.claim or any(each.active for each in seen.runs):
        assert decide(seen, NOW).kind is not Kind.START


@given(worlds)
def test_nothing_starts_without_a_change(seen: World) -> None:
    decision = decide(seen, NOW)
    if decision.kind is not Kind.START:
        return
    identity = started(decision)
    known = {(each.identity.snapshot_id, each.identity.code_version) for each in seen.runs}
    assert identity.episodes or (identity.snapshot_id, identity.code_version) not in known
    assert identity.snapshot_id == seen.data.snapshot_id
    assert identity.code_version == seen.code_version
    assert identity.token("p") not in {each.token for each in seen.runs}


@given(worlds)
def test_an_episode_is_in_one_run_only(seen: World) -> None:
    decision = decide(seen, NOW)
    if decision.kind is Kind.START:
        answered = {episode for each in seen.runs for episode in each.identity.episodes}
        assert answered.isdisjoint(started(decision).episodes)


@given(worlds)
def test_nothing_starts_before_quiet(seen: World) -> None:
    if decide(seen, NOW).kind is Kind.START:
        assert seen.data.last_change is not None
        assert seen.data.last_change + RULES.quiet_period <= NOW


@given(worlds, st.integers(0, 100))
def test_the_token_does_not_depend_on_the_clock_or_on_the_order_of_alarms(
    seen: World, minutes: int
) -> None:
    tokens = set()
    for order in permutations(seen.episodes):
        decision = decide(replace(seen, episodes=order), NOW + timedelta(minutes=minutes))
        if decision.kind is Kind.START:
            assert decision.claim is not None
            tokens.add(decision.claim.token)
    assert len(tokens) <= 1
    assert all(len(token) == 64 and set(token) <= set("0123456789abcdef") for token in tokens)


@given(worlds)
def test_once_started_the_same_world_does_not_start_again(seen: World) -> None:
    decision = decide(seen, NOW)
    if decision.kind is not Kind.START:
        return
    identity = started(decision)
    done = run(identity.snapshot_id, identity.code_version, episodes=identity.episodes, ended=NOW)
    assert decide(replace(seen, runs=(*seen.runs, done)), NOW).kind is Kind.NOTHING


@given(worlds)
def test_a_decision_is_told_in_a_sentence(seen: World) -> None:
    decision = decide(seen, NOW)
    assert decision.rule
    assert decision.reason.endswith(".")
    assert "None" not in decision.reason


# --- formats ------------------------------------------------------------------------------------


@given(runs)
def test_runs_survive_json(each: Run) -> None:
    assert Run.from_json(json.loads(json.dumps(each.to_json()))) == each


def test_active_runs_and_claims_survive_json() -> None:
    active = run(status="Executing")
    assert Run.from_json(json.loads(json.dumps(active.to_json()))) == active
    held = claim(NOW)
    assert Claim.from_json(json.loads(json.dumps(held.to_json()))) == held
