"""Empties a model package group before Pulumi deletes it, for AWS refuses to delete a full one.

What its role must allow (action: resource):

- sagemaker:ListModelPackages: the model package group
- sagemaker:DeleteModelPackage: the group's model packages
- logs:CreateLogStream, logs:PutLogEvents: its own log group
"""

import functools
import json
import os
from typing import Any

import boto3

from .wakeups import Event, lifecycle_action


def handler(event: Event, context: object) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Delete every version of the group if Pulumi deletes; creating and updating change nothing."""
    if lifecycle_action(event) != "delete":
        return {"deleted": []}
    return {"deleted": empty_group(_sagemaker(), os.environ["MODEL_PACKAGE_GROUP_NAME"])}


def empty_group(sagemaker: Any, group: str) -> list[str]:
    """Delete every model package of `group`; returns their ARNs."""
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    # The listing comes to its end before the first deletion, which would shift its pages.
    arns = [
        str(package["ModelPackageArn"])
        for page in pages
        for package in page["ModelPackageSummaryList"]
    ]
    for arn in arns:
        sagemaker.delete_model_package(ModelPackageName=arn)
    print(json.dumps({"decision": "empty the group", "group": group, "deleted": arns}))
    return arns


@functools.cache
def _sagemaker() -> Any:
    return boto3.client("sagemaker")
