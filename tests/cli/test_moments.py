"""Moments as people write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cli.errors import Refusal
from components.cli.moments import duration, moment, written

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.timezones()))
def test_a_time_with_a_zone_is_that_moment_in_utc(time: datetime) -> None:
    # ISO 8601 as datetime.isoformat writes it has no offset finer than a second.
    found = moment(time.isoformat(), NOW, ago=True)
    assert found == datetime.fromisoformat(time.isoformat())
    assert found.tzinfo is UTC


@given(st.datetimes())
def test_a_time_without_a_zone_is_utc(time: datetime) -> None:
    assert moment(time.isoformat(), NOW, ago=True) == time.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("2026-02-27", datetime(2026, 2, 27, tzinfo=UTC)),
        ("2026-02-27T10:30", datetime(2026, 2, 27, 10, 30, tzinfo=UTC)),
        (" 2026-02-27T10:30Z ", datetime(2026, 2, 27, 10, 30, tzinfo=UTC)),
        ("2026-02-27T10:30+02:00", datetime(2026, 2, 27, 8, 30, tzinfo=UTC)),
    ],
)
def test_dates_and_times_of_iso_8601_are_understood(text: str, what: datetime) -> None:
    assert moment(text, NOW, ago=True) == what


@given(st.integers(0, 10_000), st.sampled_from([("m", 1), ("h", 60), ("d", 1440), ("w", 10080)]))
def test_a_duration_is_before_or_after_now(number: int, unit: tuple[str, int]) -> None:
    text, length = f"{number}{unit[0]}", timedelta(minutes=number * unit[1])
    assert moment(text, NOW, ago=True) == NOW - length
    assert moment(text, NOW, ago=False) == NOW + length


@given(st.text(max_size=30))
def test_any_other_text_is_refused_in_one_sentence(text: str) -> None:
    try:
        moment(text, NOW, ago=True)
    except Refusal as refusal:
        assert str(refusal).startswith(f"{text!r} is not a time: write ")
        assert "\n" not in str(refusal)


@pytest.mark.parametrize("text", ["", "yesterday", "7 d", "-7d", "1.5h", "9999999999w", "9" * 30])
def test_what_looks_like_a_time_and_is_none_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="is not a time"):
        moment(text, NOW, ago=True)


@pytest.mark.parametrize("text", ["2026-03-01", "", "h", "d7"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert duration(text) is None


def test_a_moment_is_shown_in_utc_to_the_second() -> None:
    local = datetime(2026, 3, 1, 13, 0, 0, 999, tzinfo=timezone(timedelta(hours=1)))
    assert written(local) == "2026-03-01T12:00:00+00:00"
