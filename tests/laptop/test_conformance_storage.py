"""S3 as the loop needs it: events with version ids, conditional writes, checksums, TLS policies."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from laptop import ACCOUNT, REGION

Client = Callable[[str], Any]
NextEvent = Callable[[dict[str, Any]], Callable[[], dict[str, Any]]]


def test_an_upload_is_an_event_with_the_version_that_was_written(
    client: Client, bucket: str, next_event: NextEvent
) -> None:
    received = next_event({"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}})
    put = client("s3").put_object(Bucket=bucket, Key="data/a b.csv", Body=b"1,2\n")
    event = received()
    entity = event["detail"].pop("object")
    assert entity.pop("sequencer").isalnum()
    assert entity == {
        "key": "data/a b.csv",
        "size": 4,
        "etag": put["ETag"].strip('"'),
        "version-id": put["VersionId"],
    }
    assert event["detail"].pop("request-id")
    assert event["detail"] == {
        "version": "0",
        "bucket": {"name": bucket},
        "requester": ACCOUNT,
        "source-ip-address": "127.0.0.1",
        "reason": "PutObject",
    }
    assert event["detail-type"] == "Object Created"
    assert event["resources"] == [f"arn:aws:s3:::{bucket}"]
    assert (event["account"], event["region"], event["version"]) == (ACCOUNT, REGION, "0")
    assert len(event["time"]) == len("2025-01-01T00:00:00Z")


def test_a_deletion_is_an_event_with_the_delete_markers_version(
    client: Client, bucket: str, next_event: NextEvent
) -> None:
    client("s3").put_object(Bucket=bucket, Key="data/a.csv", Body=b"1")
    received = next_event(
        {"detail-type": ["Object Deleted"], "detail": {"bucket": {"name": [bucket]}}}
    )
    marker = client("s3").delete_object(Bucket=bucket, Key="data/a.csv")
    detail = received()["detail"]
    assert detail["deletion-type"] == "Delete Marker Created"
    assert detail["reason"] == "DeleteObject"
    assert detail["object"].keys() == {"key", "version-id", "sequencer"}
    assert detail["object"]["version-id"] == marker["VersionId"]


def test_a_pattern_may_ask_for_the_version_id(
    client: Client, bucket: str, next_event: NextEvent
) -> None:
    received = next_event(
        {"detail": {"bucket": {"name": [bucket]}, "object": {"version-id": [{"exists": True}]}}}
    )
    client("s3").put_object(Bucket=bucket, Key="k", Body=b"1")
    assert received()["detail"]["object"]["key"] == "k"


def test_of_concurrent_creations_exactly_one_wins(client: Client, bucket: str) -> None:
    outcomes = in_parallel(
        lambda index: put(client("s3"), bucket, index, IfNoneMatch="*"), times=16
    )
    assert outcomes == Counter({"written": 1, "PreconditionFailed 412": 15})


def test_of_concurrent_updates_of_one_version_exactly_one_wins(client: Client, bucket: str) -> None:
    seen = client("s3").put_object(Bucket=bucket, Key="k", Body=b"first")["ETag"]
    outcomes = in_parallel(lambda index: put(client("s3"), bucket, index, IfMatch=seen), times=16)
    assert outcomes == Counter({"written": 1, "PreconditionFailed 412": 15})


def in_parallel(work: Callable[[int], str], times: int) -> Counter[str]:
    with ThreadPoolExecutor(8) as pool:
        return Counter(pool.map(work, range(times)))


def put(s3: Any, bucket: str, index: int, **condition: str) -> str:
    try:
        s3.put_object(Bucket=bucket, Key="k", Body=str(index).encode(), **condition)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return f"{error.response['Error']['Code']} {status}"
    return "written"


def test_the_checksum_of_a_version_can_be_asked_for(client: Client, bucket: str) -> None:
    put = client("s3").put_object(Bucket=bucket, Key="k", Body=b"abc", ChecksumAlgorithm="SHA256")
    head = client("s3").head_object(
        Bucket=bucket, Key="k", VersionId=put["VersionId"], ChecksumMode="ENABLED"
    )
    assert head["ChecksumSHA256"] == "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="


@pytest.mark.parametrize(("required", "outcome"), [("false", "written"), ("true", "AccessDenied")])
def test_a_request_counts_as_sent_over_tls(
    client: Client,
    bucket: str,
    role: Callable[..., str],
    acting_as: Callable[[str, str], Any],
    policy: Callable[..., str],
    required: str,
    outcome: str,
) -> None:
    denied = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"Bool": {"aws:SecureTransport": required}},
    }
    client("s3").put_bucket_policy(Bucket=bucket, Policy=policy(denied))
    arn = role(
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    )
    assert put(acting_as(arn, "s3"), bucket, 0).startswith(outcome)
