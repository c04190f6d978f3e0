"""What comes into the state of what a killed engine was creating: decided without an AWS."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from laptop.recovery import taken_in

STACK = "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s"
PROVIDER = "urn:pulumi:s::p::pulumi:providers:aws::default"


def resource(name: str, *needs: str, **more: Any) -> dict[str, Any]:
    """A queue, in a stack with a provider, that was made from others."""
    return {
        "urn": f"urn:pulumi:s::p::aws:sqs/queue:Queue::{name}",
        "parent": STACK,
        "provider": f"{PROVIDER}::its-id",
        "dependencies": [f"urn:pulumi:s::p::aws:sqs/queue:Queue::{each}" for each in needs],
        **more,
    }


def state(*resources: dict[str, Any], creating: list[dict[str, Any]]) -> dict[str, Any]:
    """A state with these resources below its stack, and those under way."""
    return {
        "resources": [{"urn": STACK}, {"urn": PROVIDER, "parent": STACK}, *resources],
        "pending_operations": [{"type": "creating", "resource": each} for each in creating],
    }


def told(after: dict[str, Any]) -> list[tuple[str, str | None, bool]]:
    """Each resource's name, id, and whether it is to be deleted."""
    return [
        (each["urn"].rpartition("::")[2], each.get("id"), each.get("delete", False))
        for each in after["resources"][2:]
    ]


def test_what_has_no_id_is_forgotten_and_what_was_not_being_created_stays_in_doubt() -> None:
    before = state(creating=[resource("q")])
    updating = {"type": "updating", "resource": resource("other")}
    before["pending_operations"].append(updating)
    after = taken_in(before, {})
    assert told(after) == []
    assert after["pending_operations"] == [updating]


def test_what_it_was_to_replace_is_to_be_deleted() -> None:
    before = state(resource("q", id="old"), creating=[resource("q")])
    after = taken_in(before, {resource("q")["urn"]: "new"})
    assert told(after) == [("q", "new", False), ("q", "old", True)]


def test_what_was_deleted_before_is_not_deleted_again_for_the_new_one_may_have_its_id() -> None:
    before = state(resource("q", id="same", pendingReplacement=True), creating=[resource("q")])
    after = taken_in(before, {resource("q")["urn"]: "same"})
    assert told(after) == [("q", "same", False)]


def test_a_replacement_that_was_not_begun_stays_one() -> None:
    before = state(resource("q", id="old", pendingReplacement=True), creating=[])
    assert taken_in(before, {}) == before


@given(st.data())
def test_each_comes_after_all_that_it_refers_to(data: st.DataObject) -> None:
    # A chain, some of which were being made anew: not one from the other.
    names = [f"q{number}" for number in range(6)]
    chain = [resource(names[0])] + [resource(two, one) for one, two in pairwise(names)]
    gone = data.draw(st.sets(st.sampled_from(range(6)), min_size=1))
    gone -= {number + 1 for number in gone}
    resources = [
        each | {"id": "old", "pendingReplacement": number in gone}
        for number, each in enumerate(chain)
    ]
    creating = data.draw(st.permutations([chain[number] for number in sorted(gone)]))
    before = state(*resources, creating=creating)
    after = taken_in(before, {each["urn"]: "new" for each in creating})
    seen: set[str] = set()
    for each in after["resources"]:
        provider = each.get("provider", "").rpartition("::")[0]
        assert {each.get("parent", ""), provider, *each.get("dependencies", ())} <= seen | {""}
        seen.add(each["urn"])
    assert sorted(name for name, _, _ in told(after)) == names
