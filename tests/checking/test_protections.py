"""The positive control: each protection is switched off alone, and the checker must find what for.

The same worlds with the protection on are explored to the same depth, and nothing is found.
"""

import pytest

from . import flight
from .explorer import explore
from .protections import PROTECTIONS, TWICE_PROTECTED, switched_off

pytestmark = [pytest.mark.checking, pytest.mark.timeout(600)]


@pytest.mark.parametrize("name", PROTECTIONS)
def test_what_breaks_is_found_without_the(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    protection = PROTECTIONS[name]
    with switched_off(protection.off):
        found = explore(protection.start())
    assert found.broken is not None, "nothing was found"
    with capsys.disabled():
        print(f"\nwithout the {name} ({protection.why}), {found}")
    assert found.broken.promise in protection.breaks
    flight.forget()
    held = explore(protection.start(), most=found.states)
    assert held.broken is None, str(held)


@pytest.mark.parametrize("name", TWICE_PROTECTED)
def test_one_protection_is_enough_where_there_are_two(name: str) -> None:
    protection = PROTECTIONS["order"]
    with switched_off(TWICE_PROTECTED[name]):
        found = explore(protection.start(), most=16_000)
    assert found.broken is None, str(found)
