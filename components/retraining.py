"""Retrain: what happens in the world wakes the controller that decides whether to train again."""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import pulumi

from ._args import NetworkArgs, given, shared, whole
from ._function import function
from ._iam import allow
from ._names import physical_name, place
from ._outputs import Text, json_text, lift
from ._wakeups import pace, wake, wakeup_queue

DATA_PREFIX = "data/"
QUIET_PERIOD_SECONDS = 300
COOL_DOWN_SECONDS = 6 * 3600
CLAIM_SECONDS = 900
SWEEP = "rate(15 minutes)"
BATCH_WINDOW_SECONDS = 20
RETRAIN_SECONDS = 120


class RetrainingTriggersArgs(TypedDict):
    """What RetrainingTriggers need, and what else they can be told."""

    data_bucket_name: pulumi.Input[str]
    """Bucket whose objects under `data/` are the training data."""
    artifact_bucket_name: pulumi.Input[str]
    """Bucket that holds the current code version, snapshots, and the controller's state."""
    pipeline_name: pulumi.Input[str]
    """SageMaker pipeline to start."""
    alarm_names: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """CloudWatch alarms that mean drift. By default none, so drift starts no run."""
    quiet_period_seconds: NotRequired[int]
    """Seconds without an upload before a run starts, so that a burst of files is one run. Defaults
    to 300."""
    cool_down_seconds: NotRequired[int]
    """Seconds after a drift run in which drift starts no other. Defaults to 21600 (6 hours)."""
    claim_seconds: NotRequired[int]
    """Seconds after which a claim to start a run, whose holder died, may be taken over. Defaults to
    900."""
    sweep_schedule: NotRequired[str]
    """When the controller looks even if no event came: a lost event costs at most this long.
    Defaults to `rate(15 minutes)`."""
    batch_size: NotRequired[int]
    """Most events that wake the controller once, 1 to 10000. Defaults to 1000."""
    batch_window_seconds: NotRequired[int]
    """Seconds that events are collected before they wake it, 0 to 300. Defaults to 20."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key for the queues, the log and the environment. By default AWS's own keys. Its policy
    must let EventBridge and CloudWatch Logs use it."""
    network: NotRequired[NetworkArgs]
    """Private network of the controller. By default it runs outside of any."""
    permissions_boundary_arn: NotRequired[pulumi.Input[str]]
    """Permissions boundary of the controller's role. By default none."""
    log_retention_days: NotRequired[int]
    """Days that the log is kept; a number that CloudWatch Logs knows. Defaults to 90."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Tags of every child that can have them."""


class RetrainingTriggers(pulumi.ComponentResource):
    """New data, new code, drift, the end of a run or a schedule wake the retrain controller.

    Events only wake it. It reads the world, and starts at most one run at a time.
    """

    queue_url: pulumi.Output[str]
    """URL of the queue that wakes the controller; any message does."""
    dead_letter_queue_url: pulumi.Output[str]
    """URL of the queue of wake-ups that failed five times: it should be empty."""
    function_name: pulumi.Output[str]
    """Name of the controller's function."""

    def __init__(
        self, name: str, args: RetrainingTriggersArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        common = shared(args)
        quiet = whole(
            "quiet_period_seconds", given(args, "quiet_period_seconds", QUIET_PERIOD_SECONDS)
        )
        cool_down = whole("cool_down_seconds", given(args, "cool_down_seconds", COOL_DOWN_SECONDS))
        claim = whole("claim_seconds", given(args, "claim_seconds", CLAIM_SECONDS), RETRAIN_SECONDS)
        rhythm = pace(args, sweep=SWEEP, window_seconds=BATCH_WINDOW_SECONDS)
        loop = physical_name(name)
        super().__init__("perennial-mlops:index:RetrainingTriggers", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        here = place(self)
        data, artifacts = args["data_bucket_name"], args["artifact_bucket_name"]
        pipeline = here.arn("sagemaker", "pipeline/", args["pipeline_name"])
        watched = bool(args.get("alarm_names"))
        alarms = args.get("alarm_names") or []
        alarm_arns = lift(
            (here.arn("cloudwatch", "alarm"), alarms),
            lambda found: [f"{found[0]}:{each}" for each in found[1]],
        )

        wakeups = wakeup_queue(
            f"{name}-retrain",
            events=[
                {
                    "source": ["aws.s3"],
                    "detail-type": ["Object Created", "Object Deleted"],
                    "detail": {
                        "bucket": {"name": [data]},
                        "object": {"key": [{"prefix": DATA_PREFIX}]},
                    },
                },
                {
                    "source": ["aws.s3"],
                    "detail-type": ["Object Created"],
                    "detail": {
                        "bucket": {"name": [artifacts]},
                        "object": {"key": ["code/current.json"]},
                    },
                },
                {
                    "source": ["aws.sagemaker"],
                    "detail-type": ["SageMaker Model Building Pipeline Execution Status Change"],
                    "detail": {"pipelineArn": [pipeline]},
                },
                *(
                    [
                        {
                            "source": ["aws.cloudwatch"],
                            "detail-type": ["CloudWatch Alarm State Change"],
                            "detail": {"alarmName": alarms},
                        }
                    ]
                    if watched
                    else []
                ),
            ],
            pace=rhythm,
            timeout=RETRAIN_SECONDS,
            shared=common,
            place=here,
            opts=child,
        )
        controller = function(
            f"{name}-retrain",
            module="retrain_controller",
            description="Starts a training run when data, code or traffic have changed.",
            statements=[
                *wakeups.statements,
                allow("ListDataVersions", "s3:ListBucketVersions", here.bucket(data)),
                allow(
                    "ReadDataByVersion",
                    ["s3:GetObject", "s3:GetObjectVersion"],
                    here.bucket(data, f"{DATA_PREFIX}*"),
                ),
                allow("FindItsState", "s3:ListBucket", here.bucket(artifacts)),
                allow(
                    "ReadCodeSnapshotsAndItsState",
                    "s3:GetObject",
                    [
                        here.bucket(artifacts, "code/current.json"),
                        here.bucket(artifacts, "snapshots/*"),
                        here.bucket(artifacts, "state/retrain.json"),
                    ],
                ),
                allow(
                    "WriteSnapshotsAndItsState",
                    "s3:PutObject",
                    [
                        here.bucket(artifacts, "snapshots/*"),
                        here.bucket(artifacts, "state/retrain.json"),
                        here.bucket(artifacts, "state/ledger/*"),
                    ],
                ),
                allow(
                    "RunThePipeline",
                    [
                        "sagemaker:DescribePipelineExecution",
                        "sagemaker:ListPipelineExecutions",
                        "sagemaker:ListPipelineExecutionSteps",
                        "sagemaker:StartPipelineExecution",
                    ],
                    [pipeline, Text(pipeline, "/execution/*")],
                ),
                # SageMaker names the jobs of pipelines so; the name does not hold the pipeline's.
                allow(
                    "ReadWhatFailedStepsSaid",
                    "sagemaker:DescribeProcessingJob",
                    here.arn("sagemaker", "processing-job/pipelines-*"),
                ),
                *(
                    [allow("ReadTheAlarms", "cloudwatch:DescribeAlarms", alarm_arns)]
                    if watched
                    else []
                ),
            ],
            environment={
                "LOOP": loop,
                "ARTIFACT_BUCKET": artifacts,
                "QUEUE_URL": wakeups.queue.url,
                "DATA_BUCKET": data,
                "DATA_PREFIX": DATA_PREFIX,
                "PIPELINE_NAME": args["pipeline_name"],
                "ALARM_NAMES": json_text(alarms),
                "QUIET_PERIOD_SECONDS": str(quiet),
                "COOLDOWN_SECONDS": str(cool_down),
                "CLAIM_SECONDS": str(claim),
            },
            timeout=RETRAIN_SECONDS,
            shared=common,
            place=here,
            opts=child,
        )
        wake(f"{name}-retrain", wakeups, controller, pace=rhythm, shared=common, opts=child)
        self.queue_url = wakeups.queue.url
        self.dead_letter_queue_url = wakeups.dead_letters.url
        self.function_name = controller.function.name
        self.register_outputs(
            {
                "queueUrl": self.queue_url,
                "deadLetterQueueUrl": self.dead_letter_queue_url,
                "functionName": self.function_name,
            }
        )
