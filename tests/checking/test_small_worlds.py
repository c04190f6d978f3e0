"""The promises hold in every state of every small world, and from there in the end."""

from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from . import flight
from .explorer import Report, explore
from .small_worlds import WORLDS

pytestmark = [pytest.mark.checking, pytest.mark.timeout(900)]


def explored(name: str) -> Report:
    flight.forget()
    return explore(WORLDS[name]())


@pytest.fixture(scope="module")
def reports() -> Iterator[dict[str, Future[Report]]]:
    """All worlds are explored at once, in two processes."""
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        yield {name: pool.submit(explored, name) for name in WORLDS}


@pytest.mark.parametrize("name", WORLDS)
def test_every_promise_holds_when(
    name: str, reports: dict[str, Future[Report]], capsys: pytest.CaptureFixture[str]
) -> None:
    report = reports[name].result()
    with capsys.disabled():
        print(f"\n{name}: {report}", end=" ")
    assert report.broken is None, str(report)
