"""Monitor: does the traffic still look like the data that the model was trained on?"""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import pulumi
from pulumi_aws import cloudwatch

from ._args import ArgumentError, NetworkArgs, given, number, shared, whole
from ._function import function
from ._iam import allow
from ._names import physical_name, place
from ._outputs import Text
from ._wakeups import pace, wake, wakeup_queue

NAMESPACE = "Perennial"
DRIFTED_SHARE = 0.3
PSI_THRESHOLD = 0.2
"""A population stability index from here on counts as a shift (Siddiqi, Credit Risk Scorecards,
2006: below 0.1 none, to 0.25 some, above that a major one)."""
MIN_SAMPLES = 500
PERIOD_SECONDS = 300
EVALUATION_PERIODS = 3
PERIODS_TO_ALARM = 2
SWEEP = "rate(15 minutes)"
BATCH_WINDOW_SECONDS = 60
MONITOR_SECONDS = 300
HIGH_RESOLUTION_PERIODS = (10, 20, 30)


class DriftMonitorArgs(TypedDict):
    """What a DriftMonitor needs, and what else it can be told."""

    artifact_bucket_name: pulumi.Input[str]
    """Bucket in which the endpoint captures its traffic, and the monitor keeps its reports."""
    endpoint_name: pulumi.Input[str]
    """Endpoint to watch. It need not exist yet."""
    model_package_group_name: pulumi.Input[str]
    """Model package group that the endpoint's models come from: a version names its baseline."""
    drifted_share: NotRequired[float]
    """Share of the features and the prediction that must have drifted, above 0 to 1, for a period
    to count. Defaults to 0.3."""
    psi_threshold: NotRequired[float]
    """Population stability index from which on one feature counts as drifted, above 0 to 10.
    Defaults to 0.2."""
    min_samples: NotRequired[int]
    """Rows of traffic below which nothing is said about drift: small samples always look
    different. Defaults to 500."""
    period_seconds: NotRequired[int]
    """Length of a period: 10, 20, 30 or a multiple of 60. Below 60 the metrics are high-resolution
    ones, which cost more. Defaults to 300."""
    evaluation_periods: NotRequired[int]
    """N of M-of-N: how many of the latest periods the alarm looks at. Defaults to 3."""
    periods_to_alarm: NotRequired[int]
    """M of M-of-N: how many of them must have drifted. Defaults to 2."""
    alarm_actions: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """ARNs to notify when the alarm goes off, such as an SNS topic. By default nobody; the
    retrain controller hears of it anyway."""
    sweep_schedule: NotRequired[str]
    """When the monitor looks even if no event came. Defaults to `rate(15 minutes)`."""
    batch_size: NotRequired[int]
    """Most capture files that wake the monitor once, 1 to 10000. Defaults to 1000."""
    batch_window_seconds: NotRequired[int]
    """Seconds that capture files are collected before they wake it, 0 to 300. Defaults to 60."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key for the queues, the log and the environment. By default AWS's own keys. Its policy
    must let EventBridge and CloudWatch Logs use it."""
    network: NotRequired[NetworkArgs]
    """Private network of the monitor. By default it runs outside of any."""
    permissions_boundary_arn: NotRequired[pulumi.Input[str]]
    """Permissions boundary of the monitor's role. By default none."""
    log_retention_days: NotRequired[int]
    """Days that the log is kept; a number that CloudWatch Logs knows. Defaults to 90."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Tags of every child that can have them."""


class DriftMonitor(pulumi.ComponentResource):
    """Counts captured traffic over the baseline's bins, and alarms when its distribution moves.

    Metrics have the dimension `Loop`. Without traffic the alarm keeps its state: no traffic is no
    evidence.
    """

    alarm_name: pulumi.Output[str]
    """Name of the drift alarm."""
    alarm_arn: pulumi.Output[str]
    """ARN of the drift alarm."""
    namespace: pulumi.Output[str]
    """CloudWatch namespace of the metrics."""
    loop: pulumi.Output[str]
    """Value of the dimension `Loop` of the metrics."""

    def __init__(
        self, name: str, args: DriftMonitorArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        common = shared(args, DriftMonitorArgs)
        share = number("drifted_share", given(args, "drifted_share", DRIFTED_SHARE), 0.001, 1)
        psi = number("psi_threshold", given(args, "psi_threshold", PSI_THRESHOLD), 0.001, 10)
        min_samples = whole("min_samples", given(args, "min_samples", MIN_SAMPLES), 1)
        period = _period(given(args, "period_seconds", PERIOD_SECONDS))
        of_periods = whole(
            "evaluation_periods", given(args, "evaluation_periods", EVALUATION_PERIODS), 1
        )
        periods = whole("periods_to_alarm", given(args, "periods_to_alarm", PERIODS_TO_ALARM), 1)
        if periods > of_periods:
            raise ArgumentError(
                f"periods_to_alarm is {periods} and evaluation_periods is {of_periods}, and the "
                "alarm cannot count more periods than it looks at: lower the first or raise the "
                "second."
            )
        if period * of_periods > 86_400:
            raise ArgumentError(
                f"period_seconds x evaluation_periods is {period * of_periods}, and CloudWatch "
                "looks back one day (86400 seconds) at most: lower one of them."
            )
        rhythm = pace(args, sweep=SWEEP, window_seconds=BATCH_WINDOW_SECONDS)
        loop = physical_name(name)
        super().__init__("perennial-mlops:index:DriftMonitor", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        here = place(self)
        bucket, endpoint = args["artifact_bucket_name"], args["endpoint_name"]
        group = args["model_package_group_name"]
        capture = Text("capture/", endpoint, "/")

        wakeups = wakeup_queue(
            f"{name}-monitor",
            events=[
                {
                    "source": ["aws.s3"],
                    "detail-type": ["Object Created"],
                    "detail": {
                        "bucket": {"name": [bucket]},
                        "object": {"key": [{"prefix": capture}]},
                    },
                }
            ],
            pace=rhythm,
            timeout=MONITOR_SECONDS,
            shared=common,
            place=here,
            opts=child,
        )
        monitor = function(
            f"{name}-monitor",
            module="drift_monitor",
            description="Compares captured traffic with the baseline of the model that served it.",
            statements=[
                *wakeups.statements,
                allow("FindCapturedTraffic", "s3:ListBucket", here.bucket(bucket)),
                allow(
                    "ReadTrafficBaselinesAndItsState",
                    "s3:GetObject",
                    [
                        here.bucket(bucket, capture, "*"),
                        here.bucket(bucket, "runs/*"),
                        here.bucket(bucket, "state/ledger/*"),
                        here.bucket(bucket, "state/monitor.json"),
                    ],
                ),
                allow(
                    "WriteReportsAndItsState",
                    "s3:PutObject",
                    [
                        here.bucket(bucket, "monitor/reports/*"),
                        here.bucket(bucket, "state/monitor.json"),
                        here.bucket(bucket, "state/ledger/*"),
                    ],
                ),
                allow(
                    "SeeWhatTheEndpointServes",
                    [
                        "sagemaker:DescribeEndpoint",
                        "sagemaker:DescribeEndpointConfig",
                        "sagemaker:DescribeModel",
                    ],
                    [
                        here.arn("sagemaker", "endpoint/", endpoint),
                        here.arn("sagemaker", "endpoint-config/*"),
                        here.arn("sagemaker", "model/*"),
                    ],
                ),
                allow(
                    "FindTheBaseline",
                    "sagemaker:DescribeModelPackage",
                    here.arn("sagemaker", "model-package/", group, "/*"),
                ),
                allow(
                    "WriteDriftMetrics",
                    "cloudwatch:PutMetricData",
                    "*",  # has no resource type
                    StringEquals={"cloudwatch:namespace": NAMESPACE},
                ),
            ],
            environment={
                "LOOP": loop,
                "ARTIFACT_BUCKET": bucket,
                "QUEUE_URL": wakeups.queue.url,
                "ENDPOINT_NAME": endpoint,
                "NAMESPACE": NAMESPACE,
                "MIN_SAMPLES": str(min_samples),
                "PSI_THRESHOLD": str(psi),
                "STORAGE_RESOLUTION": "1" if period in HIGH_RESOLUTION_PERIODS else "60",
            },
            timeout=MONITOR_SECONDS,
            shared=common,
            place=here,
            opts=child,
        )
        wake(f"{name}-monitor", wakeups, monitor, pace=rhythm, shared=common, opts=child)
        alarm = cloudwatch.MetricAlarm(
            f"{name}-drift",
            alarm_description=(
                f"The traffic of {loop} no longer looks like its training data. The reports are "
                "under monitor/reports/ in the artifact bucket."
            ),
            namespace=NAMESPACE,
            metric_name="DriftedShare",
            dimensions={"Loop": loop},
            statistic="Maximum",
            period=period,
            evaluation_periods=of_periods,
            datapoints_to_alarm=periods,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=share,
            treat_missing_data="ignore",
            alarm_actions=args.get("alarm_actions"),
            tags=common.tags,
            opts=child,
        )
        self.alarm_name = alarm.name
        self.alarm_arn = alarm.arn
        self.namespace = pulumi.Output.from_input(NAMESPACE)
        self.loop = pulumi.Output.from_input(loop)
        self.register_outputs(
            {
                "alarmName": self.alarm_name,
                "alarmArn": self.alarm_arn,
                "namespace": self.namespace,
                "loop": self.loop,
            }
        )


def _period(value: float) -> int:
    """A period that CloudWatch takes (API reference, PutMetricAlarm)."""
    period = whole("period_seconds", value, 1, 86_400)
    if period not in HIGH_RESOLUTION_PERIODS and period % 60:
        raise ArgumentError(
            f"period_seconds is {period}, and CloudWatch takes 10, 20, 30 or a multiple of 60: "
            "choose one of them."
        )
    return period
