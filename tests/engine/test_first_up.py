"""The first `pulumi up` on an empty account, and what comes right after it."""

from dataclasses import dataclass

import pytest

from laptop.engine import UpResult
from tests.engine.conftest import MakeStack, changes


@dataclass
class Seen:
    """What was seen at each step, in this order."""

    previewed: UpResult
    after_preview: list[str]
    first: UpResult
    resources: list[str]
    in_account: list[str]
    in_state: list[str]
    previewed_again: UpResult
    second: UpResult
    after_destroy: list[str]
    state_after_destroy: tuple[str, ...]


@pytest.fixture(scope="module")
def seen(lasting_stack: MakeStack) -> Seen:
    dev = lasting_stack()
    previewed, after_preview = dev.preview(), dev.account_holds()
    first, resources = dev.up(), sorted(dev.resources)
    in_account, in_state = dev.account_holds(), dev.state_holds()
    again, second = dev.preview(), dev.up()
    dev.destroy()
    return Seen(
        *(previewed, after_preview, first, resources, in_account, in_state, again, second),
        *(dev.account_holds(), dev.resources),
    )


def test_a_preview_creates_nothing(seen: Seen) -> None:
    assert seen.after_preview == []


def test_the_first_up_creates_what_the_preview_said_and_does_nothing_else(seen: Seen) -> None:
    assert changes(seen.first).keys() == {"created"}
    assert changes(seen.first) == changes(seen.previewed)
    assert sorted(seen.first.created) == seen.resources


def test_the_account_then_holds_what_the_state_holds(seen: Seen) -> None:
    assert seen.in_account == seen.in_state
    assert f"bucket {seen.first.outputs['data_bucket']}" in seen.in_account


def test_a_preview_right_after_shows_no_change(seen: Seen) -> None:
    assert changes(seen.previewed_again) == {}
    assert seen.previewed_again.unchanged == len(seen.resources)


def test_a_second_up_changes_nothing(seen: Seen) -> None:
    assert changes(seen.second) == {}
    assert seen.second.outputs == seen.first.outputs


def test_destroy_leaves_nothing(seen: Seen) -> None:
    assert seen.after_destroy == []
    assert seen.state_after_destroy == ()
