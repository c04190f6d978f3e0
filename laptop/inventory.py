"""What is left in an account: the proof that a destroy was complete."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3


@dataclass(frozen=True)
class _Listing:
    """One kind of resource: the operation that lists it, and how to name what it lists."""

    kind: str
    service: str
    operation: str
    member: str
    name: str | None = None  # None when the listing holds the names themselves
    ours: Callable[[Any], bool] = lambda _: True


_LISTINGS = (
    _Listing("bucket", "s3", "list_buckets", "Buckets", "Name"),
    _Listing("queue", "sqs", "list_queues", "QueueUrls"),
    _Listing("topic", "sns", "list_topics", "Topics", "TopicArn"),
    _Listing("function", "lambda", "list_functions", "Functions", "FunctionName"),
    _Listing(
        "event source mapping",
        "lambda",
        "list_event_source_mappings",
        "EventSourceMappings",
        "UUID",
    ),
    _Listing("rule", "events", "list_rules", "Rules", "Name"),
    _Listing("role", "iam", "list_roles", "Roles", "RoleName"),
    _Listing(
        "policy",
        "iam",
        "list_policies",
        "Policies",
        "PolicyName",
        lambda policy: not policy["Arn"].startswith("arn:aws:iam::aws:"),  # AWS's own
    ),
    _Listing("log group", "logs", "describe_log_groups", "logGroups", "logGroupName"),
    _Listing("alarm", "cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    _Listing("dashboard", "cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    _Listing("pipeline", "sagemaker", "list_pipelines", "PipelineSummaries", "PipelineName"),
    _Listing(
        "model package group",
        "sagemaker",
        "list_model_package_groups",
        "ModelPackageGroupSummaryList",
        "ModelPackageGroupName",
    ),
    _Listing("model", "sagemaker", "list_models", "Models", "ModelName"),
    _Listing(
        "endpoint config",
        "sagemaker",
        "list_endpoint_configs",
        "EndpointConfigs",
        "EndpointConfigName",
    ),
    _Listing("endpoint", "sagemaker", "list_endpoints", "Endpoints", "EndpointName"),
)


def inventory(session: boto3.Session) -> list[str]:
    """Every resource in the account and region of ``session``, as ``<kind> <name>``, sorted.

    Keys of KMS count until their deletion is scheduled. Model packages are those of the groups:
    AWS deletes no group that still has some. Raises botocore's ClientError.
    """
    clients = {
        service: session.client(service)
        for service in {"kms", *(listing.service for listing in _LISTINGS)}
    }
    found = [
        f"{listing.kind} {item if listing.name is None else item[listing.name]}"
        for listing in _LISTINGS
        for item in _items(clients[listing.service], listing)
        if listing.ours(item)
    ]
    return sorted([*found, *_keys(clients["kms"])])


def _items(client: Any, listing: _Listing) -> Iterator[Any]:
    if client.can_paginate(listing.operation):
        for page in client.get_paginator(listing.operation).paginate():
            yield from page.get(listing.member, ())
    else:
        yield from getattr(client, listing.operation)().get(listing.member, ())


def _keys(client: Any) -> Iterator[str]:
    for page in client.get_paginator("list_keys").paginate():
        for key in page["Keys"]:
            described = client.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
            if described["KeyManager"] == "CUSTOMER" and described["KeyState"] != "PendingDeletion":
                yield f"key {key['KeyId']}"
