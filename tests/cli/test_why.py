"""Why it did or did not retrain, told of what the real controller wrote down."""

import json
from datetime import timedelta
from typing import Any

import pytest

from components.cli import orders
from components.cli.why import ROWS, Report, answer, timeline, unseen
from components.cli.world import World, read
from components.runtime.ledger import Ledger
from tests.runtime.test_retrain_controller import Aws, fail_step

WHO = "arn:aws:iam::123456789012:user/ann"


@pytest.fixture
def aws() -> Aws:
    return Aws()


def world(aws: Aws) -> World:
    return read(aws.s3, "perennial-dev-churn", "artifacts")


def said(aws: Aws) -> str:
    return answer(world(aws).state)


def told(aws: Aws) -> list[tuple[str, str]]:
    return [(row.kind, row.what) for row in timeline(aws.ledger)]


def pause(aws: Aws, reason: str = "audit") -> None:
    orders.pause(world(aws), WHO, reason, None, aws.clock.now)


# --- the answer ---------------------------------------------------------------------------------


def test_before_the_first_look_nothing_is_known(aws: Aws) -> None:
    assert said(aws) == (
        "Did not retrain yet, because the controller has not looked at the world yet."
    )


def test_a_young_loop_did_not_retrain_yet(aws: Aws) -> None:
    aws.wake()
    assert said(aws) == "Did not retrain yet, because: There is no data yet."


def test_a_run_under_way_is_retraining_now(aws: Aws) -> None:
    aws.ready().wake()
    assert said(aws).startswith(
        "Is retraining since 2026-03-01T12:02:00+00:00 (run run1), because: first run: 1 object"
    )


def test_once_the_run_has_ended_and_nothing_has_changed_it_did_retrain(aws: Aws) -> None:
    aws.ready().wake()
    aws.sagemaker.end()
    aws.wake()
    assert said(aws) == (
        "Did retrain at 2026-03-01T12:02:00+00:00 (run run1, Succeeded), because: "
        "first run: 1 object, 1 bytes, code c1. Nothing has changed since."
    )


def test_a_run_that_failed_is_no_answer_and_the_reason_is_said(aws: Aws) -> None:
    aws.ready().wake()
    aws.sagemaker.end("Failed", [fail_step("Gate", FailureReason="too weak")])
    aws.wake()
    assert said(aws).startswith("Did not retrain since 2026-03-01T12:02:00+00:00 (run run1, Failed")
    assert "because: This data and this code were run in run1: Failed: " in said(aws)


def test_what_stands_against_a_run_is_why_it_did_not_retrain(aws: Aws) -> None:
    aws.ready()
    pause(aws)
    aws.wake()
    assert said(aws).startswith("Did not retrain yet, because: Paused by arn:aws:iam::123456789012")


def test_a_claim_that_is_not_settled_is_a_run_being_started(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(**_: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(aws.sagemaker, "start_pipeline_execution", dies)
    with pytest.raises(ConnectionError):
        aws.ready().wake()
    assert said(aws).startswith("Is starting a run since 2026-03-01T12:02:00+00:00, because: first")


def test_an_order_is_told_until_the_controller_has_seen_it(aws: Aws) -> None:
    def waiting() -> list[str]:
        now = world(aws)
        return list(unseen(now.state, now.pause, now.asked, aws.clock.now))

    aws.ready()
    pause(aws)
    orders.retrain(world(aws), WHO, "new labels", aws.clock.now)
    first, second = waiting()
    assert first.startswith(f"Paused by {WHO} at ")
    assert first.endswith(": audit, which the controller has not seen yet.")
    assert second == f"Asked for by {WHO} at 2026-03-01T12:02:00+00:00: new labels."
    aws.wake()
    assert waiting() == [second]  # the pause is the answer now, and the request waits for its end
    orders.resume(world(aws), WHO, "", aws.clock.now)
    aws.wake()
    assert waiting() == []


# --- the timeline -------------------------------------------------------------------------------


def test_a_story_is_triggers_decisions_runs_approvals_and_deployments(aws: Aws) -> None:
    aws.publish()
    aws.wake()
    aws.upload()
    aws.clock.forward(minutes=2)
    aws.wake()
    aws.sagemaker.end()
    aws.publish("c2")
    aws.wake()
    ledger = Ledger(aws.s3, "artifacts", "churn")
    for decision, rule, reason in (
        ("create", "newest approved", "Version 1 is approved, and there is no endpoint yet."),
        ("confirm", "in service", "Version 1 is live."),
        ("nothing", "as wanted", "Version 1 is live, as wanted."),
    ):
        now = aws.clock.forward(seconds=1)
        ledger.append(now, "deploy", decision=decision, rule=rule, reason=reason, inputs={})
    assert told(aws) == [
        ("decision", "nothing (no data yet): There is no data yet."),
        ("trigger", "data changed: 1 object, 1 bytes"),
        ("run", "start (change): first run: 1 object, 1 bytes, code c1."),
        ("run", "Run run1 ended: Succeeded."),
        ("trigger", "code changed: c2"),
        ("run", "start (change): code: c1 -> c2."),
        ("approval", "create (newest approved): Version 1 is approved, and there is no endpoint "
         "yet."),
        ("deployment", "confirm (in service): Version 1 is live."),
        ("decision", "nothing (as wanted): Version 1 is live, as wanted."),
    ]  # fmt: skip


def test_drift_is_a_trigger_and_what_only_a_person_can_mend_is_a_persons(aws: Aws) -> None:
    aws.ready().wake()
    aws.sagemaker.end()
    aws.clock.forward(hours=2)
    aws.wake()
    aws.alarm()
    aws.wake()
    assert ("trigger", "drift: churn-drift in ALARM") in told(aws)
    assert told(aws)[-1][0] == "person"


def test_orders_are_told_at_the_time_of_the_order_with_who_and_why(aws: Aws) -> None:
    aws.ready().wake()
    aws.sagemaker.end()
    aws.wake()
    asked = aws.clock.forward(minutes=1)
    orders.retrain(world(aws), WHO, "new labels", asked)
    aws.clock.forward(minutes=1)
    pause(aws)
    aws.clock.forward(minutes=1)
    aws.wake()
    orders.resume(world(aws), WHO, "audit is over", aws.clock.forward(minutes=1))
    aws.clock.forward(minutes=1)
    aws.wake()
    rows = [row for row in timeline(aws.ledger) if row.kind == "order"]
    assert [row.what for row in rows] == [
        f"retrain, asked for by {WHO}: new labels",
        f"Paused by {WHO} at 2026-03-01T12:04:00+00:00: audit",
        f"Resumed by {WHO}: audit is over",
    ]
    assert rows[0].time == asked


def test_what_was_so_before_the_window_is_no_trigger_in_it(aws: Aws) -> None:
    aws.ready().wake()
    aws.sagemaker.end()
    aws.clock.forward(hours=1)
    aws.wake()
    lines = Ledger(aws.s3, "artifacts", "churn").lines(aws.clock.now)
    (row,) = list(report(aws, lines, timedelta(minutes=1)).to_text())[3:]
    assert "  decision  nothing (no change, no run)" in row


# --- what is shown ------------------------------------------------------------------------------


def report(aws: Aws, lines: list[str], since: timedelta = timedelta(days=7)) -> Report:
    now = aws.clock.now
    return Report("perennial-dev-churn", "artifacts", now, now - since, said(aws), lines)


def test_json_has_the_answer_and_the_entries_as_they_were_written(aws: Aws) -> None:
    aws.ready().wake()
    lines = Ledger(aws.s3, "artifacts", "churn").lines()
    read = json.loads("\n".join(report(aws, lines).to_json()))
    assert read == {
        "loop": "perennial-dev-churn",
        "bucket": "artifacts",
        "time": aws.clock.now.isoformat(),
        "since": (aws.clock.now - timedelta(days=7)).isoformat(),
        "answer": said(aws),
        "entries": aws.ledger,
    }


def test_json_without_an_entry_is_json(aws: Aws) -> None:
    assert json.loads("\n".join(report(aws, []).to_json()))["entries"] == []


def test_the_table_begins_with_the_answer(aws: Aws) -> None:
    aws.ready().wake()
    lines = list(report(aws, Ledger(aws.s3, "artifacts", "churn").lines()).to_text())
    assert lines[:3] == [said(aws), "", "TIME                       KIND     WHAT"]
    assert lines[3] == "2026-03-01T12:00:00+00:00  trigger  data changed: 1 object, 1 bytes"
    assert lines[4].startswith("2026-03-01T12:02:00+00:00  run      start (change): first run")


def test_a_reason_cannot_steer_the_terminal_of_who_asks(aws: Aws) -> None:
    aws.ready()
    pause(aws, "\x1b[2Jgone\nDid retrain")
    aws.wake()
    lines = list(report(aws, Ledger(aws.s3, "artifacts", "churn").lines()).to_text())
    assert all(line.isprintable() for line in lines)


def test_a_window_without_an_entry_says_so(aws: Aws) -> None:
    *_, last = report(aws, []).to_text()
    assert last == "Nothing was decided since 2026-02-22T12:00:00+00:00: give --since."


def test_of_very_many_entries_the_newest_are_shown_and_the_others_counted(aws: Aws) -> None:
    ledger = Ledger(aws.s3, "artifacts", "churn")
    what: dict[str, Any] = {"decision": "wait", "rule": "r", "reason": "r", "inputs": {}}
    start = aws.clock.now
    entries = [ledger.entry(start + timedelta(seconds=n), "retrain", **what) for n in range(503)]
    lines = [json.dumps(entry, sort_keys=True, separators=(",", ":")) for entry in entries]
    shown = list(report(aws, lines).to_text())
    assert len(shown) == 3 + ROWS + 1
    assert shown[3].startswith("2026-03-01T12:00:03+00:00")
    assert shown[-1] == (
        "3 earlier entries, from 2026-03-01T12:00:00+00:00 on, are not shown: --json has them all."
    )
