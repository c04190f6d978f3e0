"""The loop end to end: provisioned from ``__main__.py``, run on the laptop AWS, and judged.

The scenario is the one that ``make demo`` shows; every assertion here is on the world that it left
(executions, packages, captured traffic, ledger), not on what it printed.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from laptop.demo import data, main
from laptop.demo.engines import ENGINES
from laptop.demo.meter import Meter, descendants
from laptop.demo.report import write
from laptop.demo.scenario import FILES, Facts
from laptop.demo.story import Story
from laptop.server import LaptopAWS

pytestmark = [pytest.mark.loop, pytest.mark.timeout(600)]

LAPTOP_BYTES = 2.5e9


@pytest.fixture(scope="module", params=ENGINES)
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Facts, Story, int]]:
    """The scenario, played once under each engine."""
    story = Story()
    before = descendants(psutil.Process())
    with Meter() as meter, LaptopAWS(port=0) as aws:
        port = int(aws.endpoint_url.rpartition(":")[2])
        facts = main.play(
            aws.session(), request.param, data.arrests(), story, tmp_path_factory.mktemp("demo")
        )
    main.check_nothing_runs(port, before)
    assert meter.peak < LAPTOP_BYTES
    yield facts, story, meter.peak


@pytest.fixture(scope="module")
def facts(told: tuple[Facts, Story, int]) -> Facts:
    return told[0]


def starts(facts: Facts) -> list[dict[str, object]]:
    return [entry for entry in facts.decisions if entry["decision"] == "start"]


def test_a_burst_of_uploads_is_one_run(facts: Facts) -> None:
    assert len(facts.uploaded) == FILES
    assert f"{FILES} objects" in str(starts(facts)[0]["reason"])


def test_labels_that_trickle_in_wait_for_the_drift_alarm_and_are_one_run_with_it(
    facts: Facts,
) -> None:
    reason = str(starts(facts)[1]["reason"])
    assert reason.startswith("data: ")
    assert "drift: alarm" in reason
    first, second = (package["CustomerMetadataProperties"] for package in facts.versions[:2])
    assert first["snapshot_id"] != second["snapshot_id"]
    assert first["artifact_sha256"] != second["artifact_sha256"]


def test_data_drift_and_code_each_start_one_run_and_nothing_else_does(facts: Facts) -> None:
    assert [run["PipelineExecutionStatus"] for run in facts.runs] == [
        "Succeeded",
        "Succeeded",
        "Succeeded",
        "Failed",
    ]
    assert len(starts(facts)) == len(facts.runs)


def test_every_run_goes_through_the_steps_in_order(facts: Facts) -> None:
    for run in facts.runs[:3]:
        assert [step["StepName"] for step in run["Steps"]] == [
            "Prepare",
            "Train",
            "Evaluate",
            "Gate",
            "Register",
        ]


def test_each_version_says_what_it_grew_from(facts: Facts) -> None:
    assert [package["ModelPackageVersion"] for package in facts.versions] == [1, 2, 3]
    for package in facts.versions:
        meta = package["CustomerMetadataProperties"]
        for field in ("snapshot_id", "code_version", "environment_lock", "artifact_sha256"):
            assert len(meta[field]) == 64, field
        assert meta["image"]
        assert meta["seed"]


def test_new_code_is_another_code_version_on_the_same_snapshot(facts: Facts) -> None:
    second, third = (package["CustomerMetadataProperties"] for package in facts.versions[1:])
    assert second["code_version"] != third["code_version"]
    assert second["snapshot_id"] == third["snapshot_id"]


def test_approved_versions_are_served_and_no_caller_sees_an_error(facts: Facts) -> None:
    assert facts.served == [1, 2]
    assert facts.requests > 100
    assert facts.errors == []
    assert facts.capture_files > 0


def test_the_alarm_is_quiet_under_normal_traffic_and_fires_when_it_moves(facts: Facts) -> None:
    assert facts.alarms == ["OK", "ALARM"]
    assert max(report["drifted_share"] for report in facts.calm) < 0.3
    assert max(report["drifted_share"] for report in facts.moved) >= 0.3


def test_a_corrupt_file_is_refused_by_name_and_becomes_no_version(facts: Facts) -> None:
    refused = facts.runs[-1]
    assert "corrupt.csv" in refused["Failure"]
    assert len(facts.versions) == 3
    needed = [entry for entry in facts.decisions if entry["decision"] == "a person is needed"]
    assert ["corrupt.csv" in str(entry["reason"]) for entry in needed] == [True]


def test_perennial_why_tells_the_story_to_who_asks_afterwards(facts: Facts) -> None:
    answer, _, _, *rows = facts.why
    assert answer.startswith("Did not retrain since ")
    assert "corrupt.csv" in answer
    kinds = [row.split()[1] for row in rows]
    assert kinds.count("approval") == len(facts.served)
    assert sum("  run " in row and " start (" in row for row in rows) == len(facts.runs)
    for kind, what in (
        ("trigger", f"data changed: {FILES} objects"),
        ("trigger", "drift: "),
        ("trigger", "code changed: "),
        ("deployment", "confirm (in service): Version 2 is live."),
        ("person", "a person is needed"),
    ):
        assert any(row.split()[1] == kind and what in row for row in rows), (kind, what)


def test_no_message_is_lost_to_the_dead_letter_queue(facts: Facts) -> None:
    assert facts.dead_letters == 0


def test_destroy_leaves_nothing(facts: Facts) -> None:
    assert facts.left == []


def test_the_report_is_one_file_that_needs_nothing_beside_it(
    told: tuple[Facts, Story, int], tmp_path: Path
) -> None:
    facts, story, _ = told
    page = write(tmp_path / "report.html", data.arrests(), facts, story).read_text()
    assert page.count("<svg") == 4
    fetched = re.findall(r'(?:src|href)="(?!#)[^"]*"|url\((?!#)[^)]*\)|@import', page)
    assert fetched == []
