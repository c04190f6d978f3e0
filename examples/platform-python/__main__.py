"""The loops of two teams in one stack, and one queue that hears of the drift of both.

The teams train with SageMaker pipelines of their own; the platform puts the rest around them.
"""

from collections.abc import Sequence

import pulumi
from perennial_mlops import (
    DataStore,
    DriftMonitor,
    ModelEndpoint,
    ModelRegistry,
    RetrainingTriggers,
)
from pulumi_aws import cloudwatch, sqs

PIPELINES = {"churn": "churn-weekly", "fraud": "fraud-train"}
"""The pipeline of each team."""

image = pulumi.Config().require("image")
keep = pulumi.get_stack() == "prod"


def loop(team: str, pipeline: str) -> DriftMonitor:
    """Everything that keeps the model of one team alive."""
    tags = {"owner": "platform", "team": team}
    data = DataStore(team, {"protect": keep, "force_destroy": not keep, "tags": tags})
    registry = ModelRegistry(team, {"protect": keep, "tags": tags})
    endpoint = ModelEndpoint(
        team,
        {
            "artifact_bucket_name": data.artifact_bucket_name,
            "model_package_group_name": registry.group_name,
            "image": image,
            "tags": tags,
        },
    )
    monitor = DriftMonitor(
        team,
        {
            "artifact_bucket_name": data.artifact_bucket_name,
            "endpoint_name": endpoint.endpoint_name,
            "model_package_group_name": registry.group_name,
            "tags": tags,
        },
    )
    RetrainingTriggers(
        team,
        {
            "data_bucket_name": data.data_bucket_name,
            "artifact_bucket_name": data.artifact_bucket_name,
            "pipeline_name": pipeline,
            "alarm_names": [monitor.alarm_name],
            "tags": tags,
        },
    )
    pulumi.export(f"{team}_data_bucket", data.data_bucket_name)
    pulumi.export(f"{team}_endpoint", endpoint.endpoint_name)
    return monitor


def on_call(alarms: Sequence[pulumi.Input[str]]) -> sqs.Queue:
    """A queue of the platform's own: it hears when any of the alarms changes."""
    queue = sqs.Queue("on-call", sqs_managed_sse_enabled=True)
    rule = cloudwatch.EventRule(
        "on-call",
        event_pattern=pulumi.Output.json_dumps(
            {
                "source": ["aws.cloudwatch"],
                "detail-type": ["CloudWatch Alarm State Change"],
                "detail": {"alarmName": alarms},
            }
        ),
    )
    sqs.QueuePolicy(
        "on-call",
        queue_url=queue.url,
        policy=pulumi.Output.json_dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "events.amazonaws.com"},
                        "Action": "sqs:SendMessage",
                        "Resource": queue.arn,
                        "Condition": {"ArnEquals": {"aws:SourceArn": rule.arn}},
                    }
                ],
            }
        ),
    )
    cloudwatch.EventTarget("on-call", rule=rule.name, arn=queue.arn)
    return queue


monitors = [loop(team, pipeline) for team, pipeline in PIPELINES.items()]
pulumi.export("on_call_queue", on_call([each.alarm_name for each in monitors]).url)
