"""The ledger of decisions."""

import gzip
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.runtime import ledger as module
from components.runtime.document import Conflict, canonical
from components.runtime.ledger import Ledger, time_of
from tests.runtime.fakes import S3, START, Clock


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(S3(Clock()), "artifacts", "churn")


@pytest.fixture
def few_a_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENTRIES_A_SEGMENT", 3)


def append(ledger: Ledger, time: datetime, reason: str = "r", controller: str = "retrain") -> str:
    return ledger.append(
        time, controller, decision="wait", rule="quiet period", reason=reason, inputs={"objects": 3}
    )


def reasons(ledger: Ledger, since: datetime | None = None) -> list[str]:
    return [entry["reason"] for entry in ledger.read(since)]


def test_an_entry_says_who_decided_what_when_and_why(ledger: Ledger) -> None:
    assert append(ledger, START) == "state/ledger/2026-03/retrain-0001.jsonl.gz"
    assert ledger.read() == [
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


def test_a_segment_is_lines_of_json_that_any_gunzip_shows(ledger: Ledger) -> None:
    key = append(ledger, START, "a\nb\u2028c")
    append(ledger, START, "d")
    text = gzip.decompress(ledger.s3.get_object(Bucket="artifacts", Key=key)["Body"].read())
    assert text.count(b"\n") == 2
    assert reasons(ledger) == ["a\nb\u2028c", "d"]


def test_entries_are_read_oldest_first_whatever_the_order_they_were_written_in(
    ledger: Ledger,
) -> None:
    for minutes in (3, 1, 2, 5, 4):
        controller = "deploy" if minutes % 2 else "retrain"
        append(ledger, START + timedelta(minutes=minutes), str(minutes), controller)
    assert reasons(ledger) == ["1", "2", "3", "4", "5"]


@given(st.lists(st.integers(0, 100), min_size=1, max_size=20), st.integers(0, 100))
def test_reading_begins_with_a_moment_and_leaves_nothing_out(days: list[int], since: int) -> None:
    ledger = Ledger(S3(Clock()), "artifacts", "churn")
    for day in days:
        append(ledger, START + timedelta(days=day), str(day))
    expected = [str(day) for day in sorted(set(days)) if day >= since]
    assert reasons(ledger, START + timedelta(days=since)) == expected


@given(st.text(), st.text())
def test_the_time_of_a_line_is_found_whatever_is_written_before_it(text: str, key: str) -> None:
    ledger = Ledger(S3(Clock()), "artifacts", text)
    said = {"decision": text, "rule": '"time":"' + text, "reason": '","time":"'}
    entry = ledger.entry(START, "retrain", **said, inputs={key: {"time": text}, "time": "x"})
    assert time_of(canonical(entry)) == "2026-03-01T12:00:00+00:00"


def test_lines_are_the_entries_as_they_were_written(ledger: Ledger) -> None:
    append(ledger, START, "b")
    append(ledger, START - timedelta(days=1), "a")
    assert ledger.lines() == [canonical(entry) for entry in ledger.read()]
    assert len(ledger.lines(START)) == 1


@pytest.mark.usefixtures("few_a_segment")
def test_the_newest_entry_of_each_controller_is_in_its_newest_segment(ledger: Ledger) -> None:
    assert ledger.newest() == {}
    for number in range(8):
        append(ledger, START + timedelta(days=10 * number), f"retrain {number}")
        append(ledger, START + timedelta(minutes=number), f"deploy {number}", "deploy")
    newest = {name: entry["reason"] for name, entry in ledger.newest().items()}
    assert newest == {"retrain": "retrain 7", "deploy": "deploy 7"}


@pytest.mark.usefixtures("few_a_segment")
def test_a_month_is_as_many_segments_as_it_needs(ledger: Ledger) -> None:
    for number in range(8):
        append(ledger, START + timedelta(minutes=number), str(number))
    assert ledger.s3.keys("artifacts") == [
        f"state/ledger/2026-03/retrain-000{number}.jsonl.gz" for number in (1, 2, 3)
    ]
    assert reasons(ledger) == list("01234567")


def test_the_same_entry_twice_is_one_entry(ledger: Ledger) -> None:
    key = append(ledger, START)
    assert append(ledger, START) == key
    assert len(ledger.read()) == 1
    (version,) = ledger.s3.buckets["artifacts"][key]
    assert gzip.decompress(version.body).count(b"\n") == 1


@pytest.mark.usefixtures("few_a_segment")
def test_the_same_entry_is_one_entry_also_when_a_new_segment_has_begun(ledger: Ledger) -> None:
    for number in (0, 1, 2, 3, 2):
        append(ledger, START, str(number))
    assert reasons(ledger) == list("0123")


def test_two_entries_of_one_moment_are_two(ledger: Ledger) -> None:
    append(ledger, START, "a")
    append(ledger, START, "b")
    assert reasons(ledger) == ["a", "b"]


def test_two_writers_lose_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    append(ledger, START, "first")
    put = ledger.s3.put_object

    def overtaken(**request: Any) -> Any:
        monkeypatch.setattr(ledger.s3, "put_object", put)
        append(ledger, START, "fast")
        return put(**request)

    monkeypatch.setattr(ledger.s3, "put_object", overtaken)
    append(ledger, START, "slow")
    assert reasons(ledger) == ["first", "fast", "slow"]


def test_an_entry_that_finds_no_place_is_an_error(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(**request: Any) -> Any:
        raise Conflict(request["Key"])

    monkeypatch.setattr(module, "write_bytes", lambda *args: lost(Key=args[2]))
    with pytest.raises(Conflict, match="written by others all the time"):
        append(ledger, START)


def test_what_was_written_stays_as_it_was(ledger: Ledger) -> None:
    """Appending changes no line: the versions of a segment are each other's beginnings."""
    for number in range(5):
        key = append(ledger, START, str(number))
    texts = [gzip.decompress(v.body) for v in ledger.s3.buckets["artifacts"][key]]
    assert all(later.startswith(text) for text, later in pairwise(texts))


def test_time_is_told_in_utc(ledger: Ledger) -> None:
    local = datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert append(ledger, local).startswith("state/ledger/2026-02/")
    assert ledger.read()[0]["time"] == local.astimezone(UTC).isoformat()
