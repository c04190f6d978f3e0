"""The events that SageMaker sends to EventBridge at each change of a state.

Source of every detail: Amazon SageMaker AI Developer Guide, "Events that Amazon SageMaker AI sends
to Amazon EventBridge". An event lists what changed as it was at that moment.
"""

import logging
import queue
import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

Record = Mapping[str, Any]


class Event(NamedTuple):
    """One event of source ``aws.sagemaker``."""

    detail_type: str
    detail: dict[str, Any]
    resources: list[str]


class EventBus:
    """Delivers events one at a time, in the order of the changes, away from whoever made them."""

    def __init__(self, emit: Callable[[str, dict[str, Any], list[str]], None]) -> None:
        self._emit = emit
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._deliver, name="sagemaker-events", daemon=True)
        self._thread.start()

    def send(self, event: Event) -> None:
        """Hand over an event; returns at once."""
        self._queue.put(event)

    def close(self) -> None:
        """Deliver what was handed over, then stop."""
        self._queue.put(None)
        self._thread.join()

    def _deliver(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                self._emit(*event)
            except Exception:  # an event that cannot be delivered must not stop the later ones
                logging.getLogger(__name__).exception("EventBridge refused %s", event.detail_type)


def iso(timestamp: float) -> str:
    """Epoch seconds as ``2021-03-15T16:03:13Z``."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _milliseconds(timestamp: float) -> int:
    return int(timestamp * 1000)


def _times(record: Record, render: Callable[[float], Any]) -> dict[str, Any]:
    """The record with its times (members that end in Time) rendered as this kind of event does."""
    return {
        name: render(value) if name.endswith("Time") and value is not None else value
        for name, value in record.items()
    }


def execution(
    execution: Record, status: str, previous: str | None, started: float, ended: float | None
) -> Event:
    """A pipeline execution changed its status (``execution``: as DescribePipelineExecution)."""
    detail = {
        "pipelineExecutionDisplayName": execution.get("PipelineExecutionDisplayName"),
        "pipelineExecutionDescription": execution.get("PipelineExecutionDescription"),
        "currentPipelineExecutionStatus": status,
        "previousPipelineExecutionStatus": previous,
        "executionStartTime": iso(started),
        "executionEndTime": None if ended is None else iso(ended),
        "pipelineArn": execution["PipelineArn"],
        "pipelineExecutionArn": execution["PipelineExecutionArn"],
    }
    return Event(
        "SageMaker Model Building Pipeline Execution Status Change",
        _present(detail),
        [execution["PipelineArn"], execution["PipelineExecutionArn"]],
    )


def step(
    pipeline_arn: str, execution_arn: str, step: Record, kind: str, previous: str | None
) -> Event:
    """A step of an execution changed its status (``step``: as ListPipelineExecutionSteps)."""
    hit = step.get("CacheHitResult")
    detail = {
        "metadata": _camel(step.get("Metadata", {})),
        "stepStartTime": iso(step["StartTime"]),
        "stepEndTime": iso(step["EndTime"]) if "EndTime" in step else None,
        "stepName": step["StepName"],
        "stepType": kind,
        "previousStepStatus": previous,
        "currentStepStatus": step["StepStatus"],
        "failureReason": step.get("FailureReason"),
        "cacheHitResult": _camel(hit) if hit else None,
        "pipelineArn": pipeline_arn,
        "pipelineExecutionArn": execution_arn,
    }
    return Event(
        "SageMaker Model Building Pipeline Execution Step Status Change",
        _present(detail),
        [pipeline_arn, execution_arn],
    )


def job(kind: str, job: Record, tags: Mapping[str, str]) -> Event:
    """A processing or training job changed its status (``job``: as its Describe call)."""
    return Event(
        f"SageMaker {kind} Job State Change",
        {**_times(job, _milliseconds), "Tags": dict(tags)},
        [job[f"{kind}JobArn"]],
    )


def model_package(package: Record) -> Event:
    """A model package was made, or its approval changed (``package``: as DescribeModelPackage)."""
    return Event(
        "SageMaker Model Package State Change", _times(package, iso), [package["ModelPackageArn"]]
    )


def endpoint(endpoint: Record, variants: list[Record], tags: Mapping[str, str]) -> Event:
    """An endpoint changed its status (``endpoint``: as DescribeEndpoint).

    The status is written as EventBridge has it, ``IN_SERVICE`` where the API says ``InService``.
    """
    members = (
        "EndpointName",
        "EndpointArn",
        "EndpointConfigName",
        "EndpointStatus",
        "FailureReason",
        "CreationTime",
        "LastModifiedTime",
    )
    detail = {name: endpoint[name] for name in members if name in endpoint}
    detail["EndpointStatus"] = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", detail["EndpointStatus"]).upper()
    detail["ProductionVariants"] = [
        {name: variant[name] for name in ("DesiredWeight", "DesiredInstanceCount")}
        for variant in variants
    ]
    return Event(
        "SageMaker Endpoint State Change",
        {**_times(detail, _milliseconds), "Tags": dict(tags)},
        [endpoint["EndpointArn"]],
    )


def _present(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in detail.items() if value is not None}


def _camel(value: Any) -> Any:
    """Members of a structure as these events write them: ``ProcessingJob`` as ``processingJob``."""
    if not isinstance(value, Mapping):
        return value
    return {name[:1].lower() + name[1:]: _camel(member) for name, member in value.items()}
