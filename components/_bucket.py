"""A private, encrypted, versioned bucket that tells EventBridge what happens in it."""

from collections.abc import Sequence

import pulumi
from pulumi_aws import s3

from ._args import Shared
from ._iam import document
from ._outputs import Text

ABANDONED_UPLOAD_DAYS = 7


def bucket(
    name: str,
    *,
    bucket_name: str | None = None,
    lifecycle: Sequence["s3.BucketLifecycleConfigurationRuleArgsDict"],
    force_destroy: bool,
    protect: bool,
    shared: Shared,
    opts: pulumi.ResourceOptions,
) -> "s3.Bucket":
    """The bucket, with ``lifecycle`` rules besides the one that drops abandoned uploads.

    Without ``bucket_name``, its name in S3 is made up of ``name``.
    """
    made = s3.Bucket(
        name,
        bucket=bucket_name,
        force_destroy=force_destroy,
        tags=shared.tags,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=protect)),
    )
    private = s3.BucketPublicAccessBlock(
        name,
        bucket=made.bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=opts,
    )
    s3.BucketOwnershipControls(
        name, bucket=made.bucket, rule={"object_ownership": "BucketOwnerEnforced"}, opts=opts
    )
    if shared.kms_key_arn is not None:
        # Without a key of the user's, S3 encrypts with its own, which nobody can turn off (S3 user
        # guide, "Setting default server-side encryption behavior").
        s3.BucketServerSideEncryptionConfiguration(
            name, bucket=made.bucket, rules=[_encryption(shared.kms_key_arn)], opts=opts
        )
    versioning = s3.BucketVersioning(
        name, bucket=made.bucket, versioning_configuration={"status": "Enabled"}, opts=opts
    )
    s3.BucketLifecycleConfiguration(
        name,
        bucket=made.bucket,
        rules=[
            s3.BucketLifecycleConfigurationRuleArgsDict(
                id="drop-abandoned-uploads",
                status="Enabled",
                filter={"prefix": ""},
                abort_incomplete_multipart_upload={"days_after_initiation": ABANDONED_UPLOAD_DAYS},
            ),
            *lifecycle,
        ],
        # Rules about noncurrent versions are refused, or lost, while versioning is being set.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[versioning])),
    )
    s3.BucketPolicy(
        name,
        bucket=made.bucket,
        policy=document(
            [
                {
                    "Sid": "OnlyOverTls",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [made.arn, Text(made.arn, "/*")],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ]
        ),
        # S3 refuses two changes of a bucket's access at the same moment.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[private])),
    )
    s3.BucketNotification(name, bucket=made.bucket, eventbridge=True, opts=opts)
    return made


def superseded(rule: str, prefix: str, days: int) -> "s3.BucketLifecycleConfigurationRuleArgsDict":
    """A rule that removes versions under ``prefix`` when they were replaced ``days`` ago."""
    return s3.BucketLifecycleConfigurationRuleArgsDict(
        id=rule,
        status="Enabled",
        filter={"prefix": prefix},
        noncurrent_version_expiration={"noncurrent_days": days},
    )


def _encryption(
    key: pulumi.Input[str],
) -> "s3.BucketServerSideEncryptionConfigurationRuleArgsDict":
    return s3.BucketServerSideEncryptionConfigurationRuleArgsDict(
        apply_server_side_encryption_by_default={
            "sse_algorithm": "aws:kms",
            "kms_master_key_id": key,
        },
        bucket_key_enabled=True,  # one call to KMS for many objects
    )
