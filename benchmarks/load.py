"""Ten thousand uploads through the real route: S3, EventBridge, SQS, Lambda, a run.

    python -m benchmarks.load [--uploads 10000] [--bursts 5]

The data, training and retraining parts of a loop are provisioned on an empty laptop AWS, with the
defaults but for shorter periods, and with a pipeline of one job that opens the snapshot it was
given. Objects are uploaded in bursts; the next begins when a run has started on the last. The sweep
is left at 15 minutes, so that nothing but events can have told of an upload.
"""

import argparse
import json
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
from botocore.config import Config

import pipelines
from components import DataStore, RetrainingTriggers, TrainingPipeline
from components.runtime.segment import Segments
from components.runtime.snapshot import Snapshot
from laptop import REGION
from laptop.demo.meter import Meter
from laptop.engine import Engine
from laptop.server import LaptopAWS

from .watching import LOOK_SECONDS, memory_of, requests_of, wait

NAME = "load"
UPLOADERS = 8
QUIET_SECONDS = 3
WINDOW_SECONDS = 1
CODE = "import json, sys; sys.exit(json.load(open(sys.argv[1]))['objects'] < 1)"


def definition() -> str:
    """A pipeline of one job, which opens the manifest of its snapshot."""

    def parameter(name: str) -> dict[str, str]:
        return {"Get": f"Parameters.{name}"}

    manifest = {
        "Std:Join": {
            "On": "",
            "Values": [
                "s3://",
                parameter("ArtifactBucket"),
                "/snapshots/",
                parameter("SnapshotId"),
                ".json",
            ],
        }
    }
    folder = "/opt/ml/processing/input/snapshot"
    step = {
        "Name": "Open",
        "Type": "Processing",
        "Arguments": {
            "RoleArn": parameter("RoleArn"),
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceType": "ml.m5.large",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 10,
                }
            },
            "AppSpecification": {
                "ImageUri": parameter("Image"),
                "ContainerEntrypoint": ["sh", "-c", f'python3 -c "{CODE}" {folder}/*.json'],
            },
            "ProcessingInputs": [
                {
                    "InputName": "snapshot",
                    "S3Input": {
                        "S3Uri": manifest,
                        "LocalPath": folder,
                        "S3DataType": "S3Prefix",
                        "S3InputMode": "File",
                    },
                }
            ],
        },
    }
    names = ("ArtifactBucket", "Image", "RoleArn", "SnapshotId", "CodeVersion")
    return json.dumps(
        {
            "Version": "2020-12-01",
            "Parameters": [{"Name": name, "Type": "String"} for name in names],
            "Steps": [step],
        }
    )


def declare() -> None:
    """The data, training and retraining parts of a loop."""
    data = DataStore(NAME, {"force_destroy": True})
    training = TrainingPipeline(
        NAME,
        {
            "definition": definition(),
            "code": pulumi.StringAsset(CODE),
            "code_version": "0" * 64,
            "image": pipelines.default_image(REGION),
            "data_bucket_name": data.data_bucket_name,
            "artifact_bucket_name": data.artifact_bucket_name,
            "model_package_group_name": NAME,
        },
    )
    retraining = RetrainingTriggers(
        NAME,
        {
            "data_bucket_name": data.data_bucket_name,
            "artifact_bucket_name": data.artifact_bucket_name,
            "pipeline_name": training.pipeline_name,
            "quiet_period_seconds": QUIET_SECONDS,
            "runs_per_day": 100,
            "batch_window_seconds": WINDOW_SECONDS,
        },
    )
    for name in ("data_bucket_name", "artifact_bucket_name"):
        pulumi.export(name, getattr(data, name))
    pulumi.export("pipeline_name", training.pipeline_name)
    for name in ("queue_url", "dead_letter_queue_url", "function_name"):
        pulumi.export(name, getattr(retraining, name))


@dataclass(frozen=True)
class Result:
    """What came of it."""

    uploads: int
    uploading_seconds: float
    seconds: float
    """From the first upload until nothing was left to do."""
    wake_ups: int
    """Invocations of the controller."""
    busy_seconds: float
    """Duration of all invocations together."""
    statuses: tuple[str, ...]
    """Of the pipeline's executions."""
    snapshots: tuple[str, ...]
    """The id that each execution was given."""
    objects: int
    """In the last of them."""
    lost: int
    """Uploads that are not in it."""
    dead_letters: int
    memory: int
    """Bytes: the most that a process of the controller ever had resident."""
    requests: Counter[str]
    """What the controller asked of AWS."""

    def __str__(self) -> str:
        asked = ", ".join(f"{count:,} {name}" for name, count in self.requests.most_common())
        return (
            f"{self.uploads:,} uploads in {self.uploading_seconds:.0f} s, all done after "
            f"{self.seconds:.0f} s\n"
            f"{self.wake_ups} wake-ups of the controller, {self.busy_seconds:.1f} s in all, "
            f"peak memory of a process {self.memory / 2**20:.0f} MB\n"
            f"{len(self.statuses)} runs ({', '.join(sorted(set(self.statuses)))}) on "
            f"{len(set(self.snapshots))} distinct snapshots; {self.objects:,} objects in the last, "
            f"{self.lost} lost; {self.dead_letters} in the dead-letter queue\n"
            f"asked of AWS by the controller: {asked}"
        )


class Load:
    """Uploads to a loop, and what is seen of it from outside."""

    def __init__(self, aws: LaptopAWS, outputs: dict[str, Any]) -> None:
        self.aws = aws
        self.outputs = outputs
        self.function: str = outputs["function_name"]
        session = aws.session()
        self.s3 = session.client("s3", config=Config(max_pool_connections=UPLOADERS))
        self.sqs = session.client("sqs")
        self.sagemaker = session.client("sagemaker")
        self.functions = session.client("lambda")
        self.logs = session.client("logs")

    def run(self, uploads: int, bursts: int) -> Result:
        """Upload in so many bursts, and wait until nothing is left to do."""
        began = time.monotonic()
        uploading = 0.0
        with Meter(LOOK_SECONDS, partial(memory_of, self.aws, self.function)) as meter:
            for burst in range(bursts):
                runs = len(self.executions())
                started = time.monotonic()
                self.upload(range(uploads * burst // bursts, uploads * (burst + 1) // bursts))
                uploading += time.monotonic() - started
                wait("a run on the burst", partial(self.has_more_than, runs))
            wait("everything to be done", self.idle)
            seconds = time.monotonic() - began
        executions = self.executions()
        snapshots = tuple(self.snapshot_of(each["PipelineExecutionArn"]) for each in executions)
        found = self.keys_of(snapshots[-1])
        durations = self.durations()
        return Result(
            uploads=uploads,
            uploading_seconds=uploading,
            seconds=seconds,
            wake_ups=len(durations),
            busy_seconds=sum(durations),
            statuses=tuple(each["PipelineExecutionStatus"] for each in executions),
            snapshots=snapshots,
            objects=len(found),
            lost=len(set(map(key, range(uploads))) - found),
            dead_letters=sum(self.messages(self.outputs["dead_letter_queue_url"])),
            memory=meter.peak,
            requests=requests_of(self.aws, self.function),
        )

    def upload(self, numbers: range) -> None:
        """Put an object for each number, from several threads."""
        with ThreadPoolExecutor(UPLOADERS) as pool:
            for _ in pool.map(self._put, numbers):
                pass

    def _put(self, number: int) -> None:
        body = b"%d\n" % number
        self.s3.put_object(Bucket=self.outputs["data_bucket_name"], Key=key(number), Body=body)

    def executions(self) -> list[dict[str, Any]]:
        """The pipeline's executions, oldest first."""
        pages = self.sagemaker.get_paginator("list_pipeline_executions").paginate(
            PipelineName=self.outputs["pipeline_name"],
            SortBy="CreationTime",
            SortOrder="Ascending",
        )
        return [each for page in pages for each in page["PipelineExecutionSummaries"]]

    def has_more_than(self, runs: int) -> bool:
        """Whether another run has started since there were so many."""
        return len(self.executions()) > runs

    def idle(self) -> bool:
        """Whether no run executes and no message waits: neither visible, nor delayed, nor held."""
        running = {each["PipelineExecutionStatus"] for each in self.executions()} & {"Executing"}
        return not running and not any(self.messages(self.outputs["queue_url"]))

    def messages(self, url: str) -> tuple[int, ...]:
        """How many messages a queue has: visible, held by a consumer, delayed."""
        names = ("", "NotVisible", "Delayed")
        attributes = [f"ApproximateNumberOfMessages{name}" for name in names]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=attributes)
        return tuple(int(answer["Attributes"][name]) for name in attributes)

    def snapshot_of(self, execution: str) -> str:
        """The snapshot that an execution was given."""
        answer = self.sagemaker.list_pipeline_parameters_for_execution(
            PipelineExecutionArn=execution
        )
        values = {each["Name"]: each["Value"] for each in answer["PipelineParameters"]}
        return str(values["SnapshotId"])

    def keys_of(self, snapshot_id: str) -> set[str]:
        """The keys in a snapshot, whose id is computed again."""
        bucket = self.outputs["artifact_bucket_name"]
        snapshot = Snapshot.load(self.s3, bucket, snapshot_id)
        if snapshot is None:
            return set()
        return {entry.key for entry in snapshot.entries(Segments(self.s3, bucket))}

    def durations(self) -> list[float]:
        """Seconds of each invocation of the controller, as Lambda's log reports them."""
        function = self.functions.get_function_configuration(FunctionName=self.function)
        pages = self.logs.get_paginator("filter_log_events").paginate(
            logGroupName=function["LoggingConfig"]["LogGroup"], filterPattern="REPORT"
        )
        lines = [event["message"] for page in pages for event in page["events"]]
        return [float(ms) / 1000 for line in lines for ms in re.findall(r"\tDuration: (\S+)", line)]


def key(number: int) -> str:
    """Where an upload goes: folders of a thousand."""
    return f"data/{number // 1000:03}/{number % 1000:03}.csv"


def measure(uploads: int, bursts: int) -> Result:
    """On a laptop AWS of its own."""
    with LaptopAWS() as aws:
        engine = Engine(aws.session(), project="perennial", stack="load")
        outputs = engine.up(declare, {"aws:region": REGION}).outputs
        return Load(aws, outputs).run(uploads, bursts)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--uploads", type=int, default=10_000)
    parser.add_argument("--bursts", type=int, default=5)
    options = parser.parse_args()
    print(measure(options.uploads, options.bursts))


if __name__ == "__main__":
    main()
