"""What the laptop AWS takes from the inside of ministack is what the pinned ministack has."""

import pytest

from laptop import patches


@pytest.mark.parametrize(("path", "expected"), sorted(patches.pins().items()))
def test_ministack_has_the_private_name_that_is_extended(path: str, expected: str) -> None:
    assert patches.unpinned({path: expected}) == []


def test_a_name_that_changed_is_said_in_one_sentence() -> None:
    moved = {"ministack.services.s3._fire_s3_event": "(bucket)", "ministack.app.gone": "dict"}
    first, second = patches.unpinned(moved)
    assert first.startswith("ministack.services.s3._fire_s3_event is (bucket_name: str, ")
    assert "extends it as (bucket): adapt the patch that pins it" in first
    assert second.startswith("ministack.app.gone is NoneType in this ministack")
