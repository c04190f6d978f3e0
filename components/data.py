"""Data: where training data arrives, and where everything that the loop makes is kept."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi

from ._args import ArgumentError, shared, whole
from ._bucket import bucket, superseded

STATE_HISTORY_DAYS = 30
"""Days that an overwritten state document stays readable: long enough to look into an incident."""


class DataStoreArgs(TypedDict):
    """What a DataStore can be told; nothing is required."""

    data_bucket_name: NotRequired[str]
    """Name of the data bucket. By default one is made up. A bucket that exists is adopted by giving
    its name and importing it (docs/environments.md); another name later is another bucket."""
    superseded_data_days: NotRequired[int]
    """Days after which a version of a data file that was overwritten or deleted is removed for
    good. By default it is never removed. A model whose data is gone cannot be rebuilt."""
    protect: NotRequired[bool]
    """Refuse to delete the buckets until this is false again. Defaults to false."""
    force_destroy: NotRequired[bool]
    """Delete the buckets with all that is in them on destroy. Defaults to false: destroy then
    fails while a bucket holds objects. Excludes `protect`."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key that encrypts the buckets (SSE-KMS with a bucket key). By default S3's own key."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Tags of the buckets."""


class DataStore(pulumi.ComponentResource):
    """Two private, encrypted, versioned buckets that send their events to EventBridge.

    The data bucket holds what people upload, under `data/`. The artifact bucket holds what the loop
    makes: code, snapshots, runs, captured traffic, drift reports, state.
    """

    data_bucket_name: pulumi.Output[str]
    """Name of the bucket that people upload to."""
    data_bucket_arn: pulumi.Output[str]
    """ARN of the bucket that people upload to."""
    artifact_bucket_name: pulumi.Output[str]
    """Name of the bucket that the loop writes to."""
    artifact_bucket_arn: pulumi.Output[str]
    """ARN of the bucket that the loop writes to."""

    def __init__(
        self, name: str, args: DataStoreArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        common = shared(args, DataStoreArgs)
        protect = bool(args.get("protect"))
        force_destroy = bool(args.get("force_destroy"))
        if protect and force_destroy:
            raise ArgumentError(
                "protect and force_destroy are both true, and what is protected cannot be "
                "destroyed: set one of them to false."
            )
        days = args.get("superseded_data_days")
        data_rules = (
            []
            if days is None
            else [superseded("superseded-data", "data/", whole("superseded_data_days", days, 1))]
        )
        super().__init__("perennial-mlops:index:DataStore", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)

        data = bucket(
            f"{name}-data",
            bucket_name=args.get("data_bucket_name") or None,
            lifecycle=data_rules,
            force_destroy=force_destroy,
            protect=protect,
            shared=common,
            opts=child,
        )
        artifacts = bucket(
            f"{name}-artifacts",
            lifecycle=[superseded("superseded-state", "state/", STATE_HISTORY_DAYS)],
            force_destroy=force_destroy,
            protect=protect,
            shared=common,
            opts=child,
        )
        self.data_bucket_name = data.bucket
        self.data_bucket_arn = data.arn
        self.artifact_bucket_name = artifacts.bucket
        self.artifact_bucket_arn = artifacts.arn
        self.register_outputs(
            {
                "dataBucketName": self.data_bucket_name,
                "dataBucketArn": self.data_bucket_arn,
                "artifactBucketName": self.artifact_bucket_name,
                "artifactBucketArn": self.artifact_bucket_arn,
            }
        )
