"""Retrain: what happens in the world wakes the controller that decides whether to train again."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi_aws import cloudwatch

from ._args import NetworkArgs, given, number, shared, whole
from ._function import function
from ._iam import allow
from ._names import physical_name, place
from ._outputs import Text, json_text, lift
from ._wakeups import pace, wake, wakeup_queue

NAMESPACE = "Perennial"
DATA_PREFIX = "data/"
QUIET_PERIOD_SECONDS = 300
MAX_WAIT_SECONDS = 6 * 3600
COOL_DOWN_SECONDS = 6 * 3600
RUNS_PER_DAY = 10
MOST_RUNS_PER_DAY = 100  # as many as the controller remembers in its state document
RETRIES = 3
RETRY_SECONDS = 900
TIMEOUT_SECONDS = 120
REQUEST_TIMEOUT_SECONDS = 20
REQUEST_ATTEMPTS = 4
CLAIM_SECONDS = 900
CLOCK_SECONDS = 300
"""Two controllers' clocks may differ by so much without a claim being taken from the living."""
SWEEP = "rate(15 minutes)"
BATCH_WINDOW_SECONDS = 20


_ANY_IN_FIVE_MINUTES: Mapping[str, Any] = {
    "statistic": "Maximum",
    "period": 300,
    "evaluation_periods": 1,
    "comparison_operator": "GreaterThanOrEqualToThreshold",
    "threshold": 1,
    "treat_missing_data": "notBreaching",
}


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
    max_wait_seconds: NotRequired[int]
    """Seconds after which uploads that never pause are run all the same, from the first of them.
    Defaults to 21600 (6 hours)."""
    cool_down_seconds: NotRequired[int]
    """Seconds that a new model is given, from when it is live, to show its effect before drift is
    judged again. Defaults to 21600 (6 hours)."""
    runs_per_day: NotRequired[int]
    """Most runs that start in any 24 hours, retries and runs that people ask for among them, 1 to
    100. What is over waits. Defaults to 10."""
    training_hours_per_month: NotRequired[float]
    """Hours of training in a calendar month (UTC) from which on no run starts before the next, each
    run counted from its start to its end, whatever its instances. 0, the default, sets none."""
    retries: NotRequired[int]
    """How often a run is repeated that failed for a cause of AWS's (capacity, throttling, internal
    error), 0 to 10. One that failed for its data, its code or the gate is not. Defaults to 3."""
    retry_seconds: NotRequired[int]
    """Seconds before the first of them; each further wait is four times as long. Defaults to
    900."""
    timeout_seconds: NotRequired[int]
    """Seconds that the controller may take for one look, 30 to 900. Defaults to 120."""
    request_timeout_seconds: NotRequired[int]
    """Seconds that the controller waits for a connection to AWS, and for each part of an answer.
    All attempts together must fit in the timeout. Defaults to 20, or less if the timeout is
    short."""
    request_attempts: NotRequired[int]
    """How often it makes one request at most, with growing waits, if it got no answer, an internal
    error, or was throttled: 1 to 10. Defaults to 4."""
    maximum_concurrency: NotRequired[int]
    """Most controllers that look at once, 2 to 1000, of which one acts. Defaults to 2, the least
    that Lambda takes."""
    maximum_receives: NotRequired[int]
    """How often a wake-up is tried before it goes to the dead-letter queue, 1 to 1000. Defaults to
    5, the least that AWS advises."""
    claim_seconds: NotRequired[int]
    """Seconds after which a claim to start a run, whose holder died, may be taken over: at least
    the timeout and 300 for clocks that differ. Defaults to 900."""
    alarm_actions: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs to notify when a person is needed (a run failed for good, or drift stands with nothing
    new to learn from) or a wake-up went to the dead-letter queue, such as an SNS topic. By default
    nobody; the ledger says it anyway."""
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
    """URL of the queue of wake-ups that failed too often: it should be empty."""
    function_name: pulumi.Output[str]
    """Name of the controller's function."""

    def __init__(
        self, name: str, args: RetrainingTriggersArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        common = shared(args, RetrainingTriggersArgs)
        quiet = whole(
            "quiet_period_seconds", given(args, "quiet_period_seconds", QUIET_PERIOD_SECONDS)
        )
        longest = whole(
            "max_wait_seconds", given(args, "max_wait_seconds", MAX_WAIT_SECONDS), quiet
        )
        cool_down = whole("cool_down_seconds", given(args, "cool_down_seconds", COOL_DOWN_SECONDS))
        runs = whole(
            "runs_per_day", given(args, "runs_per_day", RUNS_PER_DAY), 1, MOST_RUNS_PER_DAY
        )
        hours = number(
            "training_hours_per_month", given(args, "training_hours_per_month", 0), 0, 1e6
        )
        retries = whole("retries", given(args, "retries", RETRIES), 0, 10)
        retry = whole("retry_seconds", given(args, "retry_seconds", RETRY_SECONDS))
        timeout = whole("timeout_seconds", given(args, "timeout_seconds", TIMEOUT_SECONDS), 30, 900)
        attempts = whole(
            "request_attempts", given(args, "request_attempts", REQUEST_ATTEMPTS), 1, 10
        )
        longest_request = timeout // attempts
        request = whole(
            "request_timeout_seconds",
            given(args, "request_timeout_seconds", min(REQUEST_TIMEOUT_SECONDS, longest_request)),
            1,
            longest_request,
        )
        claim = whole(
            "claim_seconds",
            given(args, "claim_seconds", max(CLAIM_SECONDS, timeout + CLOCK_SECONDS)),
            timeout + CLOCK_SECONDS,
        )
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
                        "object": {
                            "key": ["code/current.json", "state/pause.json", "state/request.json"]
                        },
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
            timeout=timeout,
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
                allow("LookAtData", "s3:GetObject", here.bucket(data, f"{DATA_PREFIX}*")),
                # Without it S3 answers 403, and not 404, for an object that is not there.
                allow(
                    "FindWhatIsThere", "s3:ListBucket", [here.bucket(data), here.bucket(artifacts)]
                ),
                allow(
                    "ReadCodeSnapshotsOrdersAndItsState",
                    "s3:GetObject",
                    [
                        here.bucket(artifacts, key)
                        for key in (
                            "code/current.json",
                            "snapshots/*",
                            "state/deploy.json",
                            "state/inventory.json",
                            "state/ledger/*",
                            "state/pause.json",
                            "state/request.json",
                            "state/retrain.json",
                            "state/runs/*",
                        )
                    ],
                ),
                allow(
                    "WriteSnapshotsAndItsState",
                    "s3:PutObject",
                    [
                        here.bucket(artifacts, "snapshots/*"),
                        here.bucket(artifacts, "state/inventory.json"),
                        here.bucket(artifacts, "state/retrain.json"),
                        here.bucket(artifacts, "state/ledger/*"),
                        here.bucket(artifacts, "state/runs/*"),
                    ],
                ),
                allow(
                    "CallAPerson",
                    "cloudwatch:PutMetricData",
                    "*",  # has no resource type
                    StringEquals={"cloudwatch:namespace": NAMESPACE},
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
                "NAMESPACE": NAMESPACE,
                "QUIET_PERIOD_SECONDS": str(quiet),
                "MAX_WAIT_SECONDS": str(longest),
                "COOLDOWN_SECONDS": str(cool_down),
                "CLAIM_SECONDS": str(claim),
                "RUNS_PER_DAY": str(runs),
                "HOURS_PER_MONTH": str(hours) if hours else "",
                "RETRIES": str(retries),
                "RETRY_SECONDS": str(retry),
                "REQUEST_TIMEOUT_SECONDS": str(request),
                "REQUEST_ATTEMPTS": str(attempts),
            },
            timeout=timeout,
            shared=common,
            place=here,
            opts=child,
        )
        wake(f"{name}-retrain", wakeups, controller, pace=rhythm, shared=common, opts=child)
        cloudwatch.MetricAlarm(
            f"{name}-person-needed",
            alarm_description=(
                f"The retrain controller of {loop} needs a person: perennial why --loop {loop} "
                "says why."
            ),
            namespace=NAMESPACE,
            metric_name="PersonNeeded",
            dimensions={"Loop": loop},
            alarm_actions=args.get("alarm_actions"),
            tags=common.tags,
            opts=child,
            **_ANY_IN_FIVE_MINUTES,
        )
        cloudwatch.MetricAlarm(
            f"{name}-dead-letters",
            alarm_description=(
                f"Wake-ups of the retrain controller of {loop} failed {rhythm.maximum_receives} "
                f"times. Its log says why; once it is mended: perennial redrive --loop {loop}."
            ),
            namespace="AWS/SQS",
            metric_name="ApproximateNumberOfMessagesVisible",
            dimensions={"QueueName": wakeups.dead_letters.name},
            alarm_actions=args.get("alarm_actions"),
            tags=common.tags,
            opts=child,
            **_ANY_IN_FIVE_MINUTES,
        )
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
