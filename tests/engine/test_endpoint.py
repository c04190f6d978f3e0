"""The endpoint belongs to the deploy controller: Pulumi neither sees nor undoes what it does."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from laptop.demo.loop import Loop, Names
from laptop.errors import LaptopError
from laptop.server import LaptopAWS
from tests.engine.conftest import MakeStack, Stack, changes
from tests.test_deployment import ANSWERS, BROKEN, answer, eventually, register

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


def loop_of(outputs: Mapping[str, Any], account: LaptopAWS) -> Loop:
    names = Names(**{name: outputs[name] for name in Names.__dataclass_fields__})
    return Loop(account.session(), names)


def serves(loop: Loop, version: int) -> bool:
    return loop.live_version() == version


def approve(loop: Loop, version: int) -> None:
    """Register a version and see it live."""
    register(loop, version, ANSWERS.format(version=version))
    loop.approve(version, "works")
    eventually(partial(serves, loop, version))


def born(loop: Loop) -> Any:
    """When the endpoint was created; another moment is another endpoint."""
    return loop.sagemaker.describe_endpoint(EndpointName=loop.names.endpoint)["CreationTime"]


def made_by_hand(running: Stack) -> set[str]:
    """What the account has and the state does not."""
    return set(running.account_holds()) - set(running.state_holds())


def test_the_version_that_the_controller_moved_to_is_no_change_and_is_not_rolled_back(
    stack: MakeStack, account: LaptopAWS
) -> None:
    running = stack(settings="laptop")
    loop = loop_of(running.up().outputs, account)
    for version in (1, 2):
        approve(loop, version)

    assert changes(running.preview()) == {}
    assert changes(running.refresh()) == {}
    assert changes(running.up()) == {}
    assert loop.live_version() == 2
    assert answer(loop) == 2

    running.destroy()
    assert running.account_holds() == []


def test_an_endpoint_that_follows_is_pinned_and_follows_again_and_is_the_same_all_along(
    stack: MakeStack, account: LaptopAWS
) -> None:
    running = stack(settings="laptop")
    loop = loop_of(running.up().outputs, account)
    for version in (1, 2):
        approve(loop, version)
    first, _ = (each["ModelPackageArn"] for each in loop.versions())
    endpoint, since = f"endpoint {loop.names.endpoint}", born(loop)

    running.up(endpoint_mode="pinned", model_package_arn=first)
    assert answer(loop) == 1
    eventually(lambda: made_by_hand(running) == {endpoint})
    assert changes(running.preview()) == {}

    running.up(endpoint_mode="follow", model_package_arn="")
    assert answer(loop) == 2
    assert made_by_hand(running) == {
        endpoint,
        f"endpoint config {loop.names.endpoint}-v2",
        f"model {loop.names.endpoint}-v2",
    }
    assert changes(running.preview()) == {}
    assert born(loop) == since

    running.destroy()
    assert running.account_holds() == []


def test_a_pinned_version_needs_no_endpoint_before_and_stays_when_another_one_does_not_come_up(
    stack: MakeStack, account: LaptopAWS
) -> None:
    running = stack(settings="laptop")
    loop = loop_of(running.up().outputs, account)
    register(loop, 1, ANSWERS.format(version=1))
    register(loop, 2, BROKEN)
    works, broken = (each["ModelPackageArn"] for each in loop.versions())

    running.up(endpoint_mode="pinned", model_package_arn=works)
    assert answer(loop) == 1
    with pytest.raises(LaptopError, match="did not come up"):
        running.up(model_package_arn=broken)
    assert answer(loop) == 1
    running.up(model_package_arn=works)
    assert answer(loop) == 1
    eventually(lambda: made_by_hand(running) == {f"endpoint {loop.names.endpoint}"})

    running.destroy()
    assert running.account_holds() == []
