"""Environments beside each other in one account, and how each of them ends."""

import pytest

from laptop import REGION
from laptop.errors import LaptopError
from tests.components.conftest import Loop as DeclareLoop
from tests.components.conftest import loop
from tests.engine.conftest import MakeStack, Stack, changes

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

AWS_ONLY = {"aws:region": REGION}

__all__ = ["loop"]  # the fixture that declares a loop of components


def test_dev_staging_and_prod_share_an_account_and_one_leaves_without_the_others(
    stack: MakeStack,
) -> None:
    stacks = {name: stack(name=name, settings=name) for name in ("dev", "staging", "prod")}
    for made in stacks.values():
        made.up()
    held = {name: made.state_holds() for name, made in stacks.items()}
    account = stacks["dev"].account_holds()
    assert account == sorted(sum(held.values(), []))
    assert len(account) == len(set(account))

    stacks["dev"].destroy()
    assert stacks["prod"].account_holds() == sorted(held["staging"] + held["prod"])
    for name in ("staging", "prod"):
        assert changes(stacks[name].refresh()) == {}
        assert changes(stacks[name].preview()) == {}

    prod_stays_until_it_is_released(stacks["prod"])
    stacks["staging"].destroy()
    assert stacks["prod"].account_holds() == held["prod"]
    stacks["prod"].up(protect=False)
    stacks["prod"].destroy()
    assert stacks["prod"].account_holds() == []


def prod_stays_until_it_is_released(prod: Stack) -> None:
    """Nothing is deleted, and the message says what is protected and how to go on."""
    before = prod.account_holds()
    with pytest.raises(LaptopError) as refused:
        prod.destroy()
    assert "protect" in str(refused.value)
    assert "unprotect" in str(refused.value)
    assert any(name in str(refused.value) for name in ("loop-data", "loop-artifacts", "loop-models"))
    assert prod.account_holds() == before


def test_two_loops_in_one_stack_never_collide(stack: MakeStack, loop: DeclareLoop) -> None:
    """Each part of a loop is there twice, and one of them can be given up."""

    def both() -> None:
        loop("churn")
        loop("fraud")

    two = stack(both, AWS_ONLY)
    created = two.up()
    assert len(created.created) == len(set(created.created))
    assert two.account_holds() == two.state_holds()
    of_churn = [each for each in created.created if " churn" in each]
    of_fraud = [each for each in created.created if " fraud" in each]
    assert [each.replace(" churn", " fraud") for each in sorted(of_churn)] == sorted(of_fraud)

    two.program = lambda: loop("churn")
    assert changes(two.up()) == {"deleted": sorted(of_fraud)}
    assert changes(two.preview()) == {}
    assert two.account_holds() == two.state_holds()


def test_another_name_of_the_loop_is_another_loop(stack: MakeStack) -> None:
    """Everything is made anew and the old one is given up: prod, where it is protected, refuses."""
    prod = stack(settings="prod")
    created = prod.up().created
    with pytest.raises(LaptopError) as refused:
        prod.up(loop="other")
    assert "protect" in str(refused.value)
    assert sorted(prod.resources) == sorted(created)
    prod.up(loop="loop", protect=False)
