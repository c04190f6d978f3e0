"""Alarm evaluation: the tables of the CloudWatch user guide, and what follows from them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laptop import alarms
from laptop.alarms import ALARM, INSUFFICIENT_DATA, OK, Alarm

THREE_OF_THREE = Alarm(
    period=300,
    evaluation_periods=3,
    datapoints_to_alarm=3,
    threshold=1.0,
    comparison="GreaterThanThreshold",
    treat_missing_data="missing",
    state="the state before",
)
TWO_OF_THREE = replace(THREE_OF_THREE, datapoints_to_alarm=2)
RETAINED = THREE_OF_THREE.state
NOW = 1_000_000_200.0  # a period has just begun
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


def drawn(picture: str, alarm: Alarm, now: float = NOW) -> dict[int, float]:
    """Datapoints from the guide's notation: 0 is fine, X breaches, - is missing; newest right."""
    newest = alarms.period_start(now, alarm.period) - alarm.period
    return {
        newest - age * alarm.period: 2.0 if mark == "X" else 0.0
        for age, mark in enumerate(reversed(picture.split()))
        if mark != "-"
    }


@pytest.mark.parametrize(
    ("alarm", "picture", "states"),
    [
        (THREE_OF_THREE, "0 - X - X", (OK, OK, OK, OK)),
        (THREE_OF_THREE, "0 - - - -", (OK, OK, OK, OK)),
        (THREE_OF_THREE, "- - - - -", (INSUFFICIENT_DATA, RETAINED, ALARM, OK)),
        (THREE_OF_THREE, "0 X X - X", (ALARM, ALARM, ALARM, ALARM)),
        (THREE_OF_THREE, "- - X - -", (ALARM, RETAINED, ALARM, OK)),
        (TWO_OF_THREE, "0 - X - X", (ALARM, ALARM, ALARM, ALARM)),
        (TWO_OF_THREE, "0 0 X 0 X", (ALARM, ALARM, ALARM, ALARM)),
        (TWO_OF_THREE, "0 - X - -", (OK, OK, ALARM, OK)),
        (TWO_OF_THREE, "- - - - 0", (OK, OK, ALARM, OK)),
        (TWO_OF_THREE, "- - - X -", (ALARM, RETAINED, ALARM, OK)),
    ],
)
def test_the_tables_of_the_user_guide_hold(
    alarm: Alarm, picture: str, states: tuple[str, ...]
) -> None:
    found = tuple(
        alarms.evaluate(
            replace(alarm, treat_missing_data=treatment), drawn(picture, alarm), NOW
        ).state
        for treatment in TREATMENTS
    )
    assert found == states


@pytest.mark.parametrize("picture", ["- - - - X", "- - - X -"])
def test_one_fresh_breach_among_gaps_is_not_yet_an_alarm(picture: str) -> None:
    assert alarms.evaluate(THREE_OF_THREE, drawn(picture, THREE_OF_THREE), NOW).state == OK


def test_the_period_in_progress_counts_once_it_has_data() -> None:
    alarm = replace(TWO_OF_THREE, period=10)
    before = drawn("0 0 X", alarm)
    assert alarms.evaluate(alarm, before, NOW).state == OK
    assert alarms.evaluate(alarm, before | {int(NOW): 2.0}, NOW).state == ALARM


def test_data_older_than_the_evaluation_range_is_forgotten() -> None:
    alarm = replace(THREE_OF_THREE, evaluation_periods=1, datapoints_to_alarm=1)
    assert alarms.evaluate(alarm, drawn("X - -", alarm), NOW).state == ALARM
    assert alarms.evaluate(alarm, drawn("X - - -", alarm), NOW).state == INSUFFICIENT_DATA


@pytest.mark.parametrize(
    ("comparison", "states"),
    [
        ("GreaterThanThreshold", (OK, OK, ALARM)),
        ("GreaterThanOrEqualToThreshold", (OK, ALARM, ALARM)),
        ("LessThanThreshold", (ALARM, OK, OK)),
        ("LessThanOrEqualToThreshold", (ALARM, ALARM, OK)),
    ],
)
def test_the_comparison_decides_what_breaches(comparison: str, states: tuple[str, ...]) -> None:
    alarm = replace(
        THREE_OF_THREE, evaluation_periods=1, datapoints_to_alarm=1, comparison=comparison
    )
    last = alarms.period_start(NOW, alarm.period) - alarm.period
    found = tuple(alarms.evaluate(alarm, {last: value}, NOW).state for value in (0.0, 1.0, 2.0))
    assert found == states


def test_the_reason_names_the_datapoints_as_cloudwatch_does() -> None:
    alarm = replace(THREE_OF_THREE, evaluation_periods=1, datapoints_to_alarm=1, threshold=50.0)
    now = 1_570_035_880.0
    _, reason, recent = alarms.evaluate(alarm, {1_570_035_540 // 300 * 300: 99.5}, now)
    assert list(recent.values()) == [99.5]
    assert reason == (
        "Threshold Crossed: 1 out of the last 1 datapoint [99.5 (02/10/19 16:55:00)] was greater "
        "than the threshold (50.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )
    assert alarms.evaluate(alarm, {}, now).reason == "Insufficient Data: 1 datapoint was unknown."


pictures = st.lists(st.sampled_from("0X-"), min_size=3, max_size=8).map(" ".join)
m_of_n = st.integers(1, 5).flatmap(
    lambda n: st.integers(1, n).map(
        lambda m: replace(THREE_OF_THREE, evaluation_periods=n, datapoints_to_alarm=m)
    )
)


@given(m_of_n, pictures)
def test_with_enough_data_missing_data_does_not_matter(alarm: Alarm, picture: str) -> None:
    points = drawn(picture, alarm)
    existing = [start for start in alarms.evaluation_range(alarm, points, NOW) if start in points][
        : alarm.evaluation_periods
    ]
    if len(existing) < alarm.evaluation_periods:
        return
    breaching = sum(points[start] > alarm.threshold for start in existing)
    expected = ALARM if breaching >= alarm.datapoints_to_alarm else OK
    for treatment in TREATMENTS:
        treated = replace(alarm, treat_missing_data=treatment)
        assert alarms.evaluate(treated, points, NOW).state == expected


@given(m_of_n, pictures)
def test_treatments_are_ordered_by_how_soon_they_alarm(alarm: Alarm, picture: str) -> None:
    points = drawn(picture, alarm)
    alarmed = {
        treatment: alarms.evaluate(replace(alarm, treat_missing_data=treatment), points, NOW).state
        == ALARM
        for treatment in TREATMENTS
    }
    assert alarmed["notBreaching"] <= alarmed["ignore"] <= alarmed["missing"]
    assert alarmed["missing"] <= alarmed["breaching"]


@given(m_of_n, pictures, st.sampled_from(TREATMENTS))
def test_only_missing_data_keeps_a_state_or_loses_it(
    alarm: Alarm, picture: str, treatment: str
) -> None:
    treated = replace(alarm, treat_missing_data=treatment)
    state = alarms.evaluate(treated, drawn(picture, alarm), NOW).state
    allowed = {OK, ALARM}
    allowed |= {RETAINED} if treatment == "ignore" else set()
    allowed |= {INSUFFICIENT_DATA} if treatment == "missing" else set()
    assert state in allowed


@given(m_of_n, pictures, st.sampled_from(TREATMENTS), st.floats(0, 299))
def test_an_evaluation_depends_on_the_period_and_not_on_the_moment_within_it(
    alarm: Alarm, picture: str, treatment: str, later: float
) -> None:
    treated = replace(alarm, treat_missing_data=treatment)
    points = drawn(picture, alarm)
    start = float(alarms.period_start(NOW, alarm.period))
    assert alarms.evaluate(treated, points, start) == alarms.evaluate(
        treated, points, start + later
    )
