"""Which version to serve, as a function of the world: no AWS in sight."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.runtime.deploy_decision import (
    Attempt,
    Endpoint,
    Failure,
    History,
    Kind,
    World,
    decide,
)
from tests.runtime.fakes import START as NOW

FAILURE = Failure("no answer to /ping", ("Traceback", "ImportError"), NOW)


def world(
    *approved: int,
    live: int | None = None,
    status: str = "InService",
    failure: str = "",
    deployed: tuple[int, ...] = (),
    **history: object,
) -> World:
    """A world whose endpoint serves `live`, and which remembers that."""
    return World(
        approved={version: f"arn/{version}" for version in approved},
        endpoint=None if live is None else Endpoint(status, live, NOW, failure),
        history=replace(History(live=live), **history),  # type: ignore[arg-type]  # a shorthand
        deployed=frozenset(deployed),
    )


def attempt(version: int) -> Attempt:
    """An update that SageMaker has received: the endpoint has changed since."""
    return Attempt(version, NOW, NOW - timedelta(minutes=9))


# --- the first version --------------------------------------------------------------------------


def test_no_approved_version_yet_is_an_ordinary_state() -> None:
    decision = decide(world())
    assert (decision.kind, decision.rule) == (Kind.NOTHING, "no version yet")


def test_the_newest_approved_version_is_the_first_to_be_served() -> None:
    decision = decide(world(1, 3, 2))
    assert (decision.kind, decision.version) == (Kind.CREATE, 3)


@pytest.mark.parametrize("status", ["Creating", "Updating", "SystemUpdating", "RollingBack"])
def test_a_change_under_way_is_waited_for(status: str) -> None:
    assert decide(world(1, 2, live=1, status=status)).kind is Kind.WAIT


def test_an_endpoint_that_came_up_is_recorded_as_live() -> None:
    decision = decide(replace(world(1, live=1), history=History()))
    assert (decision.kind, decision.version) == (Kind.CONFIRM, 1)


def test_a_version_that_did_not_come_up_is_marked_then_its_endpoint_deleted() -> None:
    seen = world(2, 1, live=2, status="Failed", failure="no answer to /ping")
    decision = decide(seen)
    assert (decision.kind, decision.version) == (Kind.MARK_FAILED, 2)
    assert decision.reason == "Version 2 did not come up: no answer to /ping"
    marked = replace(seen, history=History(failed={2: FAILURE}))
    assert decide(marked).kind is Kind.DELETE_ENDPOINT
    gone = replace(marked, endpoint=None)
    assert (decide(gone).kind, decide(gone).version) == (Kind.CREATE, 1)


def test_when_every_approved_version_failed_nothing_is_tried_again() -> None:
    decision = decide(world(1, 2, failed={1: FAILURE, 2: FAILURE}))
    assert decision.kind is Kind.NOTHING
    assert decision.reason == "No version to serve: all approved ones failed (1, 2)."


# --- the next version ---------------------------------------------------------------------------


def test_a_newer_approved_version_replaces_the_live_one() -> None:
    decision = decide(world(1, 2, live=1))
    assert (decision.kind, decision.version) == (Kind.UPDATE, 2)
    assert decision.reason == "Version 2 is the newest approved version; version 1 is live."


def test_the_newest_approved_version_is_left_alone() -> None:
    assert decide(world(1, 2, live=2)).kind is Kind.NOTHING


def test_an_update_that_ended_with_the_old_configuration_was_rolled_back() -> None:
    decision = decide(world(1, 2, live=1, attempt=attempt(2), failure="no answer to /ping"))
    assert (decision.kind, decision.version) == (Kind.MARK_FAILED, 2)
    assert decision.reason == "Version 2 was rolled back: no answer to /ping"


def test_a_rollback_without_a_reason_is_a_rollback_all_the_same() -> None:
    decision = decide(world(1, 2, live=1, attempt=attempt(2)))
    assert decision.reason == "Version 2 was rolled back: SageMaker gave no reason."


def test_an_update_that_sagemaker_never_received_is_asked_for_again() -> None:
    never = Attempt(2, NOW, endpoint_modified=NOW)
    decision = decide(world(1, 2, live=1, attempt=never))
    assert (decision.kind, decision.version) == (Kind.UPDATE, 2)


def test_a_version_that_was_rolled_back_is_not_tried_again() -> None:
    decision = decide(world(1, 2, live=1, failed={2: FAILURE}))
    assert (decision.kind, decision.version) == (Kind.NOTHING, 1)


def test_a_rejected_version_gives_way_to_the_newest_other_one() -> None:
    decision = decide(world(1, 2, live=3))
    assert (decision.kind, decision.version) == (Kind.UPDATE, 2)
    assert decision.reason == "Version 2 is approved, unlike the live version; version 3 is live."


def test_a_rejected_version_without_an_alternative_keeps_serving() -> None:
    decision = decide(world(live=3))
    assert (decision.kind, decision.rule) == (Kind.NOTHING, "keep serving")


def test_an_update_gets_a_half_updated_endpoint_out_of_its_state() -> None:
    seen = world(1, 2, live=1, status="UpdateRollbackFailed", attempt=attempt(2))
    assert decide(seen).kind is Kind.MARK_FAILED
    marked = replace(seen, history=History(live=1, failed={2: FAILURE}))
    assert (decide(marked).kind, decide(marked).version) == (Kind.UPDATE, 1)


# --- what is left over --------------------------------------------------------------------------


def test_all_but_the_live_and_the_previous_version_is_cleaned_up() -> None:
    decision = decide(world(1, 2, 3, 4, live=4, previous=3, deployed=(1, 2, 3, 4)))
    assert (decision.kind, decision.leftovers) == (Kind.CLEAN_UP, (1, 2))


def test_nothing_is_cleaned_up_before_the_wanted_version_is_live() -> None:
    assert decide(world(1, 2, live=1, deployed=(0, 1))).kind is Kind.UPDATE


def test_what_was_torn_down_stays_down() -> None:
    assert decide(world(1, torn_down=True)).kind is Kind.NOTHING
    assert decide(world(1, live=1, torn_down=True)).kind is Kind.NOTHING


# --- pinned -------------------------------------------------------------------------------------


def test_versions_are_cleaned_up_only_when_what_is_pinned_is_live() -> None:
    seen = replace(world(1, live=1, deployed=(1,)), pinned="pinned")
    assert decide(seen).kind is Kind.UPDATE
    arrived = replace(
        seen, endpoint=Endpoint("InService", None, NOW, config="pinned"), history=History()
    )
    assert (decide(arrived).kind, decide(arrived).leftovers) == (Kind.CLEAN_UP, (1,))


# --- for all worlds -----------------------------------------------------------------------------

versions = st.integers(1, 4)
statuses = st.sampled_from(
    ["InService", "Failed", "Updating", "Creating", "Deleting", "UpdateRollbackFailed"]
)
moments = st.sampled_from([NOW, NOW + timedelta(hours=1)])
worlds = st.builds(
    World,
    approved=st.dictionaries(versions, st.just("arn")),
    endpoint=st.none()
    | st.builds(
        Endpoint,
        status=statuses,
        version=st.none() | versions,
        modified=moments,
        config=st.sampled_from(["pinned", "another"]),
    ),
    history=st.builds(
        History,
        live=st.none() | versions,
        previous=st.none() | versions,
        attempt=st.none()
        | st.builds(Attempt, st.none() | versions, st.just(NOW), st.none() | moments),
        failed=st.dictionaries(versions, st.just(FAILURE)),
        torn_down=st.booleans(),
        last_decision=st.just(("wait", "rule", "reason")),
    ),
    deployed=st.frozensets(versions),
    pinned=st.sampled_from(["", "pinned"]),
)


@given(worlds)
def test_only_approved_versions_that_have_not_failed_are_deployed(seen: World) -> None:
    decision = decide(seen)
    if decision.kind in (Kind.CREATE, Kind.UPDATE) and not seen.pinned:
        assert decision.version in seen.approved
        assert decision.version not in seen.history.failed


@given(worlds)
def test_what_is_in_use_or_was_before_is_never_cleaned_up(seen: World) -> None:
    decision = decide(seen)
    if decision.kind is Kind.CLEAN_UP and not seen.pinned:
        assert seen.endpoint is not None
        kept = {seen.endpoint.version, seen.history.previous}
        assert kept.isdisjoint(decision.leftovers)


@given(worlds)
def test_a_pinned_endpoint_is_moved_to_no_version_of_the_registry(seen: World) -> None:
    if seen.pinned:
        assert decide(seen).version is None or decide(seen).kind is Kind.WAIT


@given(worlds)
def test_an_endpoint_in_service_is_never_deleted(seen: World) -> None:
    if decide(seen).kind is Kind.DELETE_ENDPOINT:
        assert seen.endpoint is not None
        assert seen.endpoint.status == "Failed"


@given(worlds)
def test_a_change_under_way_is_never_disturbed(seen: World) -> None:
    if seen.endpoint and seen.endpoint.status in ("Creating", "Updating", "Deleting"):
        assert decide(seen).kind in (Kind.WAIT, Kind.NOTHING)


@given(worlds)
def test_histories_survive_json(seen: World) -> None:
    history = seen.history
    assert History.from_json(json.loads(json.dumps(history.to_json()))) == history
