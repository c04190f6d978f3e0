"""The loop as its people see it: through the AWS API, by the names that `pulumi up` gave."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config

from components.cli.why import report
from components.cli.world import read
from components.runtime.ledger import Ledger


@dataclass(frozen=True)
class Names:
    """The outputs of the Pulumi program that a person needs."""

    data_bucket: str
    artifact_bucket: str
    pipeline: str
    model_package_group: str
    endpoint: str
    drift_alarm: str
    dead_letter_queue_url: str


class Loop:
    """Reads the loop's state and does what people do: upload, approve."""

    def __init__(self, session: boto3.Session, names: Names) -> None:
        self.names = names
        self.s3 = session.client("s3")
        self.sagemaker = session.client("sagemaker")
        self.cloudwatch = session.client("cloudwatch")
        self.sqs = session.client("sqs")
        self.runtime = session.client(
            "sagemaker-runtime", config=Config(retries={"total_max_attempts": 1})
        )  # no retries: an error that a caller would see is counted, not hidden

    def upload(self, files: dict[str, bytes]) -> None:
        """Put files under the prefix that the loop watches."""
        for name, body in files.items():
            self.s3.put_object(Bucket=self.names.data_bucket, Key=f"data/{name}", Body=body)

    def remove(self, name: str) -> None:
        """Delete an uploaded file (its versions stay)."""
        self.s3.delete_object(Bucket=self.names.data_bucket, Key=f"data/{name}")

    def executions(self) -> list[dict[str, Any]]:
        """Pipeline executions, oldest first."""
        pages = self.sagemaker.get_paginator("list_pipeline_executions").paginate(
            PipelineName=self.names.pipeline, SortBy="CreationTime", SortOrder="Ascending"
        )
        return [run for page in pages for run in page["PipelineExecutionSummaries"]]

    def execution(self, arn: str) -> dict[str, Any]:
        """One execution, with its failure reason if it failed."""
        return dict(self.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn))

    def steps(self, arn: str) -> list[dict[str, Any]]:
        """The steps of an execution, oldest first."""
        answer = self.sagemaker.list_pipeline_execution_steps(
            PipelineExecutionArn=arn, SortOrder="Ascending"
        )
        return list(answer["PipelineExecutionSteps"])

    def failure(self, arn: str) -> str:
        """Why an execution failed, in the words of the step that did; empty if none did."""
        for step in self.steps(arn):
            if step["StepStatus"] == "Failed":
                metadata = step.get("Metadata", {})
                said = self._exit_message(metadata.get("ProcessingJob", {}).get("Arn", ""))
                message = metadata.get("Fail", {}).get("ErrorMessage")
                return f"{step['StepName']}: {said or message or step['FailureReason']}"
        return ""

    def _exit_message(self, job_arn: str) -> str:
        if not job_arn:
            return ""
        answer = self.sagemaker.describe_processing_job(
            ProcessingJobName=job_arn.rpartition("/")[2]
        )
        return str(answer.get("ExitMessage", ""))

    def versions(self) -> list[dict[str, Any]]:
        """Registered model versions, oldest first, each as DescribeModelPackage gives it."""
        pages = self.sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=self.names.model_package_group,
            SortBy="CreationTime",
            SortOrder="Ascending",
        )
        return [
            self.sagemaker.describe_model_package(ModelPackageName=package["ModelPackageArn"])
            for page in pages
            for package in page["ModelPackageSummaryList"]
        ]

    def approve(self, version: int, why: str) -> None:
        """Approve a version, as a person does."""
        (arn,) = [
            package["ModelPackageArn"]
            for package in self.versions()
            if package["ModelPackageVersion"] == version
        ]
        self.sagemaker.update_model_package(
            ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription=why
        )

    def endpoint(self) -> dict[str, Any] | None:
        """The endpoint, or None before the first deployment."""
        try:
            return dict(self.sagemaker.describe_endpoint(EndpointName=self.names.endpoint))
        except self.sagemaker.exceptions.ClientError as error:
            if "Could not find" in str(error) or error.response["Error"]["Code"] in (
                "ResourceNotFound",
                "ResourceNotFoundException",
            ):
                return None
            raise

    def live_version(self) -> int | None:
        """The model version that the endpoint serves, or None while it does not serve."""
        endpoint = self.endpoint()
        if endpoint is None or endpoint["EndpointStatus"] != "InService":
            return None
        return int(endpoint["EndpointConfigName"].rpartition("-v")[2])

    def alarm(self) -> dict[str, Any]:
        """The drift alarm."""
        answer = self.cloudwatch.describe_alarms(AlarmNames=[self.names.drift_alarm])
        return dict(answer["MetricAlarms"][0])

    def person_is_called(self) -> bool:
        """Whether the alarm is on by which the retrain controller calls a person."""
        answer = self.cloudwatch.describe_alarms(StateValue="ALARM")
        return any("person-needed" in alarm["AlarmName"] for alarm in answer["MetricAlarms"])

    def captured(self) -> int:
        """How many capture files the endpoint has written."""
        prefix = f"capture/{self.names.endpoint}/"
        return sum(1 for _ in self._objects(prefix))

    def ledger(self, seen: set[str]) -> list[dict[str, Any]]:
        """The controllers' decisions that are not in ``seen`` (which is added to), oldest first."""
        entries = Ledger(self.s3, self.names.artifact_bucket, self.names.pipeline).read()
        new = {text: entry for entry in entries if (text := json.dumps(entry)) not in seen}
        seen.update(new)
        return list(new.values())

    def why(self) -> list[str]:
        """The lines of `perennial why`."""
        now, names = datetime.now(UTC), self.names
        world = read(self.s3, names.pipeline, names.artifact_bucket)
        return list(report(world, now - timedelta(days=1), now).to_text())

    def drift_reports(self, seen: set[str]) -> list[dict[str, Any]]:
        """The monitor's reports that are not in ``seen`` (which is added to), oldest first."""
        return self._new_documents("monitor/reports/", seen)

    def evaluation(self, package: dict[str, Any]) -> dict[str, Any]:
        """The evaluation report that a registered version points to."""
        uri = package["CustomerMetadataProperties"]["provenance_uri"]
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        key = key.rpartition("/")[0] + "/evaluation.json"
        return dict(json.loads(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()))

    def dead_letters(self) -> int:
        """Messages that no controller could handle."""
        answer = self.sqs.get_queue_attributes(
            QueueUrl=self.names.dead_letter_queue_url,
            AttributeNames=["ApproximateNumberOfMessages"],
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def _objects(self, prefix: str) -> Iterator[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.names.artifact_bucket, Prefix=prefix
        )
        return (item["Key"] for page in pages for item in page.get("Contents", []))

    def _new_documents(self, prefix: str, seen: set[str]) -> list[dict[str, Any]]:
        new = sorted(key for key in self._objects(prefix) if key not in seen)
        seen.update(new)
        bucket = self.names.artifact_bucket
        return [
            json.loads(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in new
        ]
