"""The ledger of decisions."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from components.runtime.ledger import Ledger
from tests.runtime.fakes import S3, START, Clock


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(S3(Clock()), "artifacts", "churn")


def append(ledger: Ledger, time: datetime, reason: str = "r") -> str:
    return ledger.append(
        time, "retrain", decision="wait", rule="quiet period", reason=reason, inputs={"objects": 3}
    )


def test_an_entry_says_who_decided_what_when_and_why(ledger: Ledger) -> None:
    key = append(ledger, START)
    assert key.startswith("state/ledger/2026-03-01/20260301T120000.000000Z-retrain-")
    assert len(key.removesuffix(".json").rpartition("-")[2]) == 8
    assert list(ledger.read()) == [
        {
            "version": 1,
            "time": "2026-03-01T12:00:00+00:00",
            "loop": "churn",
            "controller": "retrain",
            "decision": "wait",
            "rule": "quiet period",
            "reason": "r",
            "inputs": {"objects": 3},
        }
    ]


def test_entries_are_read_oldest_first_whatever_the_order_they_were_written_in(
    ledger: Ledger,
) -> None:
    for minutes in (3, 1, 2, 5, 4):
        append(ledger, START + timedelta(minutes=minutes), reason=str(minutes))
    assert [entry["reason"] for entry in ledger.read()] == ["1", "2", "3", "4", "5"]


def test_reading_begins_with_a_day(ledger: Ledger) -> None:
    append(ledger, START)
    append(ledger, START + timedelta(days=1), reason="later")
    assert [entry["reason"] for entry in ledger.read(date(2026, 3, 2))] == ["later"]


def test_the_same_entry_twice_is_one_entry(ledger: Ledger) -> None:
    assert append(ledger, START) == append(ledger, START)
    assert len(list(ledger.read())) == 1


def test_two_entries_of_one_moment_are_two(ledger: Ledger) -> None:
    append(ledger, START, "a")
    append(ledger, START, "b")
    assert len(list(ledger.read())) == 2


def test_time_is_told_in_utc(ledger: Ledger) -> None:
    local = datetime(2026, 3, 2, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert append(ledger, local).startswith("state/ledger/2026-03-01/20260301T233000")
    assert next(iter(ledger.read()))["time"] == local.astimezone(UTC).isoformat()
