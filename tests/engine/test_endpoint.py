"""The endpoint belongs to the deploy controller: Pulumi neither sees nor undoes what it does."""

from functools import partial

import pytest

from laptop.demo.loop import Loop, Names
from laptop.server import LaptopAWS
from tests.engine.conftest import MakeStack, changes
from tests.test_deployment import ANSWERS, answer, eventually, register

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


def serves(loop: Loop, version: int) -> bool:
    return loop.live_version() == version


def test_the_version_that_the_controller_moved_to_is_no_change_and_is_not_rolled_back(
    stack: MakeStack, account: LaptopAWS
) -> None:
    running = stack(settings="laptop")
    outputs = running.up().outputs
    names = Names(**{name: outputs[name] for name in Names.__dataclass_fields__})
    loop = Loop(account.session(), names)
    for version in (1, 2):
        register(loop, version, ANSWERS.format(version=version))
        loop.approve(version, "works")
        eventually(partial(serves, loop, version))

    assert changes(running.preview()) == {}
    assert changes(running.refresh()) == {}
    assert changes(running.up()) == {}
    assert loop.live_version() == 2
    assert answer(loop) == 2

    running.destroy()
    assert running.account_holds() == []
