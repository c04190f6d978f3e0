"""AWS refuses a request, or the engine is killed: nothing is lost, nothing is left.

What is deployed is ``every_kind``, and three times the whole program. What is refused is a request,
not a resource: that is every creation, and each resource halfway made, too.
"""

import json
import random
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from laptop.automation import Provider
from laptop.errors import LaptopError
from laptop.inventory import inventory
from laptop.server import LaptopAWS, Session
from tests.engine.conftest import PROGRAM, PROJECT, Stack, changes, configured, held_by, maker
from tests.engine.every_kind import Edition, every_kind
from tests.engine.proxy import Judge, Proxy, Request, proxying

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

CONFIG = {"aws:region": "eu-west-1"}

LIFE = {
    "create": Edition(),
    "update": Edition(size=2),
    "replace": Edition(size=2, name="two"),
    "replace after deleting": Edition(size=2, name="two", place="there"),
    "destroy": None,
}
"""What is done to a stack, one after the other, and the edition that it has then."""

LIVES = range(7)
"""Seeds: a life is killed once in each operation, so that there are 28 kills of an up, 7 of a
destroy."""

REFUSED = r"^aws:\w+/\w+:\w+ [\w-]+: AccessDenied\w* from \w+: The test refuses it\.$"
"""One sentence about a refusal: the resource, and AWS's reason."""

REFUSED_OF_THE_WHOLE = (1, 12, 30)
"""Numbers of requests, each of an up that goes on from where the one before it has failed."""


class World:
    """An account behind a proxy, and a stack whose engine and provider may be lost and renewed."""

    def __init__(self, account: LaptopAWS, proxy: Proxy, folder: Path) -> None:
        self.account, self.proxy, self.folder = account, proxy, folder
        self.session = account.session()
        self.processes = ExitStack()

    def start(self) -> Stack:
        """The stack, with a provider of its own; what ran before has ended."""
        self.processes.close()
        self.proxy.idle()
        self.proxy.reset()
        provider = self.processes.enter_context(Provider(Session(self.proxy.url)))
        make = self.processes.enter_context(maker(self.account, provider, destroys=False))
        return make(every_kind(), CONFIG, name="s", folder=self.folder)

    def state(self) -> dict[str, Any]:
        """The state as its file has it: `pulumi stack export` takes longer."""
        path = self.folder / "state/.pulumi/stacks" / PROJECT / "s.json"
        found: dict[str, Any] = json.loads(path.read_text())["checkpoint"]["latest"] or {}
        return found

    def is_sound(self) -> bool:
        """Whether the account holds exactly what the state holds, and nothing is in doubt."""
        state = self.state()
        assert inventory(self.session) == held_by(state)
        assert not state.get("pending_operations")
        return True


@pytest.fixture(scope="module")
def proxy(account: LaptopAWS) -> Iterator[Proxy]:
    with proxying(account.endpoint_url) as between:
        yield between


@pytest.fixture
def world(account: LaptopAWS, proxy: Proxy, tmp_path: Path) -> Iterator[World]:
    made = World(account, proxy, tmp_path)
    with made.processes:
        yield made
        if inventory(made.session):  # what a test that fails leaves is not in the next one's way
            stack = made.start()
            stack.cancel()
            stack.destroy()


def does(stack: Stack, edition: Edition | None) -> None:
    """Bring the stack to an edition, or destroy it."""
    if edition is None:
        stack.destroy()
    else:
        stack.program = every_kind(edition)
        stack.up_at_once()


@pytest.fixture(scope="module")
def requests(
    account: LaptopAWS, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, int]:
    """How many requests of each operation change something."""
    world = World(account, proxy, tmp_path_factory.mktemp("counted"))
    counted = {}
    with world.processes:
        stack = world.start()
        for operation, edition in LIFE.items():
            proxy.reset()
            does(stack, edition)
            counted[operation] = proxy.count
    return counted


def test_what_is_deployed_has_every_kind_of_resource_of_the_program(world: World) -> None:
    stack = world.start()
    small = {title.split()[0] for title in stack.preview().created}
    stack.program, stack.config = PROGRAM, configured("dev")
    assert {title.split()[0] for title in stack.preview().created} == small


def test_each_request_is_refused_once_and_each_up_gets_one_further_until_all_is_there(
    world: World, requests: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # One resource at a time: what is under way beside the refused one would get through.
    monkeypatch.setenv("PULUMI_PARALLEL", "1")
    stack = world.start()
    refused: set[str] = set()
    world.proxy.before = once_each(refused)
    for number in range(1, requests["create"] + 1):
        with pytest.raises(LaptopError, match=REFUSED):
            stack.up_at_once()
        assert len(refused) == number
        assert world.is_sound()
    world.proxy.reset()
    stack.up_at_once()
    assert world.is_sound()
    assert changes(stack.preview()) == {}
    assert changes(stack.refresh()) == {}
    stack.destroy()
    assert inventory(world.session) == []


def test_each_deletion_is_refused_once_and_each_destroy_gets_further_until_nothing_is_left(
    world: World,
) -> None:
    stack = world.start()
    stack.up_at_once()
    held = len(inventory(world.session))
    refused: set[str] = set()
    world.proxy.before = once_each(refused)
    before = -1
    while before < len(refused):
        before = len(refused)
        try:
            stack.destroy()
        except LaptopError as error:
            assert re.fullmatch(REFUSED, str(error))
        assert world.is_sound()
    assert inventory(world.session) == []
    assert len(refused) >= held


def test_an_up_of_the_whole_program_that_is_refused_a_request_finishes_what_was_under_way_beside_it(
    world: World,
) -> None:
    stack = world.start()
    stack.program, stack.config = PROGRAM, configured("dev")
    for refused in REFUSED_OF_THE_WHOLE:
        world.proxy.reset()
        world.proxy.before = all_but(refused)
        with pytest.raises(LaptopError, match=REFUSED):
            stack.up()
        assert world.is_sound()
    world.proxy.reset()
    stack.up()
    assert world.is_sound()
    assert changes(stack.refresh()) == {}
    assert changes(stack.preview()) == {}
    stack.destroy()
    assert inventory(world.session) == []


@pytest.mark.parametrize("seed", LIVES)
def test_a_stack_whose_engine_is_killed_in_each_operation_has_what_it_would_have_had(
    world: World, requests: dict[str, int], seed: int
) -> None:
    drawn = random.Random(seed)  # noqa: S311  it draws a moment, no secret
    stack = world.start()
    for operation, edition in LIFE.items():
        world.proxy.reset()
        kill = killing(stack, drawn.randint(1, requests[operation]))
        if drawn.random() < 0.75:
            world.proxy.after = kill
        else:
            world.proxy.before = kill
        with pytest.raises(LaptopError, match="SIGKILL"):
            does(stack, edition)
        stack = world.start()
        stack.cancel()
        does(stack, edition)
        assert world.is_sound()
        assert changes(stack.refresh()) == {}
        if edition is not None:
            assert changes(stack.preview()) == {}
    assert inventory(world.session) == []


def once_each(refused: set[str]) -> Judge:
    """Refuses what is not in ``refused`` yet, where it then is."""

    def judge(number: int, request: Request) -> bool:
        del number
        passes = request.thing in refused
        refused.add(request.thing)
        return passes

    return judge


def all_but(refused: int) -> Judge:
    """Refuses the one request of this number."""
    return lambda number, _: number != refused


def killing(stack: Stack, moment: int) -> Judge:
    """Kills the engine at a request; its answer is lost, as are those of all that come after."""

    def judge(number: int, request: Request) -> bool:
        del request
        if number < moment:
            return True
        if stack.process is not None:
            stack.process.kill()
        return False

    return judge
