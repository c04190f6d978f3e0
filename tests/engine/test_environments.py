"""Environments beside each other in one account, and how each of them ends."""

import json

import pytest

from laptop import REGION
from laptop.errors import LaptopError
from tests.components import conftest as loops
from tests.components.conftest import Loop as DeclareLoop
from tests.components.conftest import loop
from tests.engine.conftest import MakeStack, changes

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
    assert account == sorted(each for names in held.values() for each in names)
    assert len(account) == len(set(account))

    stacks["dev"].destroy()
    assert stacks["prod"].account_holds() == sorted(held["staging"] + held["prod"])
    for name in ("staging", "prod"):
        assert changes(stacks[name].refresh()) == {}
        assert changes(stacks[name].preview()) == {}
        stacks[name].up(protect=False, force_destroy=True)  # for the end of the test


def test_destroying_prod_leaves_what_is_protected_and_says_how_to_go_on(stack: MakeStack) -> None:
    prod = stack(settings="prod")
    prod.up()
    with pytest.raises(LaptopError) as refused:
        prod.destroy()
    assert "cannot be deleted" in str(refused.value)
    assert "pulumi state unprotect" in str(refused.value)
    assert [each.partition(" ")[0] for each in prod.account_holds()] == [
        "bucket",
        "bucket",
        "model",
    ]
    kept = prod.account_holds()

    prod.up()  # brings back the rest, around the data and the versions that stayed
    assert set(kept) < set(prod.account_holds())
    prod.up(protect=False, force_destroy=True)
    prod.destroy()
    assert prod.account_holds() == []


def test_two_loops_in_one_stack_never_collide(
    stack: MakeStack, loop: DeclareLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part of a loop is there twice, and one of them can be given up."""
    stop = {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "no step is needed"}}
    definition = {"Version": "2020-12-01", "Parameters": [], "Steps": [stop]}
    monkeypatch.setattr(loops, "DEFINITION", json.dumps(definition))

    def both() -> None:
        loop("churn", force_destroy=True)
        loop("fraud", force_destroy=True)

    two = stack(both, AWS_ONLY)
    created = two.up()
    assert len(created.created) == len(set(created.created))
    assert two.account_holds() == two.state_holds()
    of_churn = [each for each in created.created if " churn" in each]
    of_fraud = [each for each in created.created if " fraud" in each]
    assert [each.replace(" churn", " fraud") for each in sorted(of_churn)] == sorted(of_fraud)

    two.program = lambda: loop("churn", force_destroy=True)
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
    prod.up(loop="loop", protect=False, force_destroy=True)
