"""The drift monitor, on an AWS in memory: every row counted once, every report published."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import moto
import pytest
from botocore.exceptions import ClientError

from components.runtime.drift import Baseline, categorical_column, numeric_column
from components.runtime.drift_monitor import (
    FILES_AT_ONCE,
    Clients,
    DriftMonitor,
    Settings,
    State,
)
from components.runtime.ledger import Ledger
from tests.runtime.fakes import S3, Clock, CloudWatch, Died, Endpoints, Mortal, Sqs, refusal

SETTINGS = Settings(
    loop="churn",
    artifact_bucket="artifacts",
    endpoint="churn",
    namespace="Perennial",
    min_samples=50,
    psi_threshold=0.2,
    storage_resolution=1,
    queue_url="https://queue",
)
BASELINE = Baseline(
    100,
    (numeric_column("age", range(20, 60)), categorical_column("Größe", ["S", "M"] * 20)),
    numeric_column("prediction", [number / 40 for number in range(40)]),
)
NORMAL = [f"{age},{'SM'[age % 2]}" for age in range(20, 60)]
MOVED = [f"{age + 30},{'SM'[age % 2]}" for age in range(20, 60)]


def capture_line(rows: list[str], time: datetime) -> str:
    answer = {"predictions": [{"label": "Yes", "score": n / 40} for n in range(len(rows))]}
    return json.dumps(
        {
            "captureData": {
                "endpointInput": {
                    "observedContentType": "text/csv",
                    "mode": "INPUT",
                    "data": "\n".join(rows),
                    "encoding": "CSV",
                },
                "endpointOutput": {
                    "observedContentType": "application/json",
                    "mode": "OUTPUT",
                    "data": json.dumps(answer),
                    "encoding": "JSON",
                },
            },
            "eventMetadata": {"eventId": "e", "inferenceTime": f"{time:%Y-%m-%dT%H:%M:%SZ}"},
            "eventVersion": "0",
        }
    )


class Aws:
    """An endpoint that captures, and a monitor beside it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.s3 = S3(self.clock)
        self.sqs = Sqs()
        self.sagemaker = Endpoints(self.clock)
        self.cloudwatch = CloudWatch()
        self.settings = SETTINGS

    def monitor(self, mortal: Mortal | None = None) -> DriftMonitor:
        parts = (self.s3, self.sqs, self.sagemaker, self.cloudwatch)
        return DriftMonitor(
            self.settings, Clients(*(map(mortal.client, parts) if mortal else parts))
        )

    def wake(self, mortal: Mortal | None = None) -> str:
        return self.monitor(mortal).wake(self.clock.forward(seconds=1))

    def serve(self, number: int, **metadata: str) -> None:
        """Put a version live, as the deploy controller does."""
        uri = {"baseline_uri": f"s3://artifacts/runs/{number}/baseline.json"}
        self.s3.put("artifacts", f"runs/{number}/baseline.json", json.dumps(BASELINE.to_json()))
        self.sagemaker.register(number, **(metadata or uri))
        name, arn = f"churn-v{number}", self.sagemaker.packages[number]["ModelPackageArn"]
        self.sagemaker.create_model(ModelName=name, PrimaryContainer={"ModelPackageName": arn})
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{"ModelName": name}]
        )
        if self.sagemaker.endpoint is None:
            self.sagemaker.create_endpoint(EndpointName="churn", EndpointConfigName=name)
        else:
            self.sagemaker.update_endpoint(EndpointName="churn", EndpointConfigName=name)
        self.sagemaker.settle()
        self.clock.forward(seconds=1)

    def capture(self, rows: list[str], *more_lines: str, name: str = "x") -> str:
        """A capture file with one request, and lines as they are; its key."""
        now = self.clock.forward(seconds=1)
        key = f"capture/churn/primary/{now:%Y/%m/%d/%H/%M-%S-000}-{name}.jsonl"
        self.s3.put("artifacts", key, "\n".join([capture_line(rows, now), *more_lines]))
        return key

    def metric(self, name: str, feature: str | None = None) -> list[float]:
        dimensions = [{"Name": "Loop", "Value": "churn"}]
        if feature:
            dimensions.append({"Name": "Feature", "Value": feature})
        return [
            datum["Value"]
            for datum in self.cloudwatch.metrics
            if (datum["MetricName"], datum["Dimensions"]) == (name, dimensions)
        ]

    @property
    def reports(self) -> list[Any]:
        keys = self.s3.keys("artifacts", "monitor/reports/")
        return [self.s3.json("artifacts", key) for key in keys]

    @property
    def state(self) -> State:
        return State.from_json(self.s3.json("artifacts", "state/monitor.json"))

    @property
    def counted(self) -> int:
        """Rows in reports and in the counts."""
        waiting = self.state.traffic.rows if self.state.traffic else 0
        reported: int = sum(report["samples"] for report in self.reports)
        return waiting + reported


@pytest.fixture
def aws() -> Aws:
    return Aws()


# --- a young loop -------------------------------------------------------------------------------


def test_no_endpoint_yet_is_an_ordinary_state(aws: Aws) -> None:
    assert aws.wake() == "There is no endpoint yet."


def test_an_error_is_not_taken_for_no_endpoint(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise refusal("ValidationException", "Rate exceeded.")

    monkeypatch.setattr(aws.sagemaker, "describe_endpoint", refuse)
    with pytest.raises(ClientError, match="Rate exceeded"):
        aws.wake()


def test_a_model_without_a_baseline_is_an_ordinary_state(aws: Aws) -> None:
    aws.serve(1, seed="7")
    assert aws.wake() == "The model that is live has no baseline."


def test_a_baseline_that_is_gone_is_said(aws: Aws) -> None:
    aws.serve(1, baseline_uri="s3://artifacts/runs/gone.json")
    assert aws.wake() == "There is no baseline at s3://artifacts/runs/gone.json."


def test_a_model_without_a_package_is_not_watched(aws: Aws) -> None:
    aws.serve(1)
    aws.sagemaker.models["churn-v1"]["PrimaryContainer"] = {"Image": "image"}
    assert aws.wake() == "The model that is live has no baseline."


# --- counting -----------------------------------------------------------------------------------


def test_samples_are_gathered_until_there_are_enough(aws: Aws) -> None:
    aws.serve(1)
    aws.capture(NORMAL)
    assert aws.wake() == "40 rows counted of 50 that a report needs."
    assert aws.cloudwatch.metrics == []
    aws.capture(NORMAL)
    assert aws.wake() == "Report over 80 rows: 0% of the columns drifted (no feature)."
    assert aws.metric("Samples") == [80]
    aws.capture(NORMAL)
    assert aws.wake().startswith("40 rows")


def test_a_file_is_counted_once_however_often_the_monitor_looks(aws: Aws) -> None:
    aws.serve(1)
    aws.capture(NORMAL)
    for _ in range(3):
        aws.wake()
    assert aws.counted == 40
    assert aws.wake() == "Nothing was captured since."


def test_files_of_the_last_hour_are_counted_and_those_before_forgotten(aws: Aws) -> None:
    aws.serve(1)
    key = aws.capture(NORMAL)
    aws.clock.forward(hours=1)
    aws.wake()
    assert aws.counted == 40
    assert aws.state.files == (key,)
    aws.clock.forward(hours=2)
    aws.capture(NORMAL[:5])
    aws.wake()
    assert key not in aws.state.files
    assert aws.counted == 45


def test_bad_lines_are_counted_and_reported(aws: Aws) -> None:
    aws.serve(1)
    aws.capture(NORMAL, "nonsense")
    aws.capture(NORMAL, "{}", "[]")
    aws.wake()
    (report,) = aws.reports
    assert (report["samples"], report["bad_lines"]) == (80, 3)
    assert aws.state.bad_lines == 0


def test_more_files_than_fit_into_one_look_are_counted_in_several(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.runtime.drift_monitor.FILES_AT_ONCE", 2)
    aws.serve(1)
    for number in range(5):
        aws.capture(NORMAL[:3], name=str(number))
    aws.wake()
    assert aws.counted == 6
    assert len(aws.sqs.sent) == 1
    aws.wake()
    aws.wake()
    assert aws.counted == 15
    assert len(aws.sqs.sent) == 2
    assert FILES_AT_ONCE == 500


def test_a_new_version_is_compared_with_its_own_baseline_from_its_first_request(aws: Aws) -> None:
    aws.serve(1)
    aws.capture(NORMAL)
    aws.wake()
    late = aws.clock.now
    aws.serve(2)
    aws.capture(NORMAL[:7], capture_line(NORMAL, late))
    aws.wake()
    assert aws.state.traffic is not None
    assert aws.state.traffic.rows == 7
    reasons = [entry["reason"] for entry in Ledger(aws.s3, "artifacts", "churn").read()]
    assert [reason.split()[-4] for reason in reasons] == [
        aws.sagemaker.packages[number]["ModelPackageArn"] for number in (1, 2)
    ]


def test_requests_in_the_second_in_which_the_model_went_live_are_counted(aws: Aws) -> None:
    aws.clock.forward(milliseconds=700)
    aws.serve(1)
    assert aws.sagemaker.endpoint is not None
    live: datetime = aws.sagemaker.endpoint["LastModifiedTime"]
    assert live.microsecond > 0
    aws.capture([], capture_line(NORMAL[:3], live))  # the line has whole seconds
    aws.wake()
    assert aws.counted == 3


# --- reporting ----------------------------------------------------------------------------------


def test_traffic_that_moved_is_told_by_feature(aws: Aws) -> None:
    aws.settings = replace(SETTINGS, min_samples=40)
    aws.serve(1)
    aws.capture(MOVED)
    assert aws.wake() == "Report over 40 rows: 33% of the columns drifted (age)."
    assert aws.metric("DriftedShare") == [pytest.approx(1 / 3)]
    assert aws.metric("MaxPsi") == aws.metric("Psi", "age")
    assert aws.metric("Psi", "age")[0] > 1
    assert aws.metric("JensenShannon", "age")[0] > 0.5
    assert aws.metric("PredictionPsi") == aws.metric("Psi", "prediction") == [0]
    assert aws.metric("Psi", "Gr\\xf6\\xdfe") == [0]
    assert {datum["StorageResolution"] for datum in aws.cloudwatch.metrics} == {1}
    assert {datum["Namespace"] for datum in aws.cloudwatch.metrics} == {"Perennial"}


def test_a_report_says_what_was_compared_with_what(aws: Aws) -> None:
    aws.settings = replace(SETTINGS, min_samples=40)
    aws.serve(1)
    aws.capture(MOVED)
    aws.wake()
    (key,) = aws.s3.keys("artifacts", "monitor/reports/")
    assert key.startswith("monitor/reports/2026-03-01/20260301T1200")
    (report,) = aws.reports
    assert report["model_package_arn"] == aws.sagemaker.packages[1]["ModelPackageArn"]
    assert report["baseline_uri"] == "s3://artifacts/runs/1/baseline.json"
    assert (report["samples"], report["psi_threshold"]) == (40, 0.2)
    assert [feature["name"] for feature in report["features"]] == ["age", "Größe"]
    assert sum(report["traffic"]["features"][0]) == 40


def test_every_metric_of_many_columns_is_sent(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.runtime.drift_monitor._METRICS_AT_ONCE", 3)
    aws.settings = replace(SETTINGS, min_samples=40)
    aws.serve(1)
    aws.capture(NORMAL)
    aws.wake()
    assert len(aws.cloudwatch.metrics) == 4 + 2 * 3


# --- races and deaths ---------------------------------------------------------------------------


def test_of_two_monitors_at_once_one_counts(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.serve(1)
    aws.capture(NORMAL)
    slow = aws.monitor()
    read = slow._read_world

    def overtaken(*seen: Any) -> Any:
        world = read(*seen)
        aws.wake()
        return world

    monkeypatch.setattr(slow, "_read_world", overtaken)
    assert slow.wake(aws.clock.now).startswith("Another monitor acts")
    assert aws.counted == 40


def captured() -> Aws:
    aws = Aws()
    aws.serve(1)
    for number in range(3):
        aws.capture(NORMAL, name=str(number))
    return aws


def calls_of_a_report() -> list[str]:
    mortal = Mortal()
    captured().wake(mortal)
    return mortal.calls


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("number", "call"), list(enumerate(calls_of_a_report())))
def test_a_monitor_killed_at_any_call_loses_no_row_and_no_report(
    number: int, call: str, after: bool
) -> None:
    aws = captured()
    mortal = Mortal(number, after=after)
    with pytest.raises(Died):
        aws.wake(mortal)
    assert mortal.calls[-1] == call
    aws.wake()
    assert aws.counted == 120
    assert [report["samples"] for report in aws.reports] == [120]
    # A metric may be sent twice, with the same time, which its Maximum does not see.
    assert len({datum["Timestamp"] for datum in aws.cloudwatch.metrics}) == 1
    assert set(aws.metric("Samples")) == {120}


# --- boto3 --------------------------------------------------------------------------------------


def test_its_metrics_are_what_cloudwatch_takes(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with moto.mock_aws():
        cloudwatch = boto3.client("cloudwatch", region_name="eu-west-1")
        aws.serve(1)
        aws.capture(MOVED, capture_line(MOVED, aws.clock.now))
        clients = Clients(aws.s3, aws.sqs, aws.sagemaker, cloudwatch)
        now = datetime.now(UTC)
        aws.clock.now = now
        aws.capture(MOVED)
        aws.capture(MOVED)
        DriftMonitor(aws.settings, clients).wake(now + timedelta(seconds=5))
        (share,) = [
            metric
            for metric in cloudwatch.list_metrics(Namespace="Perennial")["Metrics"]
            if metric["MetricName"] == "DriftedShare"
        ]
    assert share["Dimensions"] == [{"Name": "Loop", "Value": "churn"}]


# --- settings -----------------------------------------------------------------------------------


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_environment(
        {
            "LOOP": "churn",
            "ARTIFACT_BUCKET": "artifacts",
            "ENDPOINT_NAME": "churn",
            "NAMESPACE": "Perennial",
            "MIN_SAMPLES": "50",
            "PSI_THRESHOLD": "0.2",
            "STORAGE_RESOLUTION": "1",
            "QUEUE_URL": "https://queue",
        }
    )
    assert settings == SETTINGS
