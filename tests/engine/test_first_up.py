"""The first `pulumi up` on an empty account, and what comes right after it."""

import pytest

from laptop.engine import UpResult
from tests.engine.conftest import MakeStack, Stack


@pytest.fixture(scope="module")
def first() -> dict[str, object]:
    return {}


def changes(result: UpResult) -> dict[str, list[str]]:
    """What a result says was done, without what was done nothing about."""
    lists = ("created", "updated", "replaced", "deleted")
    return {name: getattr(result, name) for name in lists if getattr(result, name)}


def test_the_first_up_creates_all_of_it_and_nothing_else(stack: MakeStack) -> None:
    dev = stack()
    previewed = dev.preview()
    assert dev.account_holds() == []
    created = dev.up()
    assert changes(created).keys() == {"created"}
    assert sorted(created.created) == sorted(previewed.created)
    assert sorted(created.created) == sorted(dev.resources)
    assert dev.account_holds() == dev.state_holds()
    assert created.outputs["data_bucket"] in str(dev.account_holds())

    assert not changes(dev.preview())
    second = dev.up()
    assert not changes(second)
    assert second.outputs == created.outputs

    dev.destroy()
    assert dev.account_holds() == []
    assert dev.resources == ()
