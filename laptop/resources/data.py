"""The functions of the provider (data sources) that a program may call."""

from collections.abc import Callable

from .handler import Cloud
from .shape import Properties


def _caller_identity(cloud: Cloud) -> Properties:
    account = cloud.where.account
    return {
        "accountId": account,
        "arn": cloud.caller_arn,
        "id": account,
        "userId": cloud.caller_id,
    }


def _region(cloud: Cloud) -> Properties:
    region = cloud.where.region
    return {
        "description": region,
        "endpoint": f"ec2.{region}.amazonaws.com",
        "id": region,
        "name": region,
        "region": region,
    }


def _partition(cloud: Cloud) -> Properties:
    # pulumi_aws runs in the partitions of botocore; the laptop has the commercial one.
    return {
        "dnsSuffix": "amazonaws.com",
        "id": cloud.where.partition,
        "partition": cloud.where.partition,
        "reverseDnsPrefix": "com.amazonaws",
    }


FUNCTIONS: dict[str, Callable[[Cloud], Properties]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getRegion:getRegion": _region,
}
