"""JSON in S3 that several writers share: a document changed by compare-and-swap, objects made once.

S3 is strongly consistent, and a write with `If-Match: <ETag>` or `If-None-Match: *` succeeds only
if nobody wrote in between (Amazon S3 User Guide, "How to prevent object overwrites with conditional
writes"). A lost race is an ordinary outcome: somebody else has acted.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

S3 = Any
"""A boto3 S3 client; boto3 makes its clients' methods at run time and ships no types for them."""

# 412: the object differs. 409: another conditional write of the same key is under way.
# 404: If-Match on an object that is gone.
_LOST = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409", "404"}
_ABSENT = {"NoSuchKey", "404"}


class Conflict(Exception):  # noqa: N818  # an outcome of a race, not an error
    """Somebody else wrote the object since it was read, or made it first."""


def error_code(error: ClientError) -> str:
    """The AWS error code, such as "NoSuchKey"."""
    return str(error.response.get("Error", {}).get("Code", ""))


def canonical(value: object) -> str:
    """JSON with sorted keys and without white space: equal values give equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def read_json(s3: S3, bucket: str, key: str) -> Any | None:
    """The JSON value at `key`; None if there is no such object."""
    return Document(s3, bucket, key).read()[0]


def create_json(s3: S3, bucket: str, key: str, value: object) -> bool:
    """Write `value` at `key` unless an object is already there. True if this call wrote it."""
    try:
        Document(s3, bucket, key).write(value, None)
    except Conflict:
        return False
    return True


def read_bytes(s3: S3, bucket: str, key: str) -> tuple[bytes | None, str | None]:
    """The object and its ETag; (None, None) if there is no such object."""
    answer = _get(s3, bucket, key)
    return (None, None) if answer is None else (answer["Body"].read(), answer["ETag"])


def write_bytes(
    s3: S3,
    bucket: str,
    key: str,
    body: bytes,
    etag: str | None,
    content_type: str = "application/gzip",
) -> str:
    """Replace the version with `etag`, or create the object if `etag` is None.

    Returns the new ETag. Raises Conflict if the object is no longer the one that was read.
    """
    condition: Mapping[str, str] = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
    try:
        answer = s3.put_object(
            Bucket=bucket, Key=key, Body=body, ContentType=content_type, **condition
        )
    except ClientError as error:
        if error_code(error) in _LOST:
            raise Conflict(f"s3://{bucket}/{key} was changed by another.") from error
        raise
    return str(answer["ETag"])


def _get(s3: S3, bucket: str, key: str) -> Mapping[str, Any] | None:
    try:
        answer: Mapping[str, Any] = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error_code(error) in _ABSENT:
            return None
        raise
    return answer


@dataclass(frozen=True)
class Document:
    """One JSON object in S3. `read` gives the ETag that the next `write` must name."""

    s3: S3
    bucket: str
    key: str

    def read(self) -> tuple[Any | None, str | None]:
        """The value and its ETag; (None, None) if there is no such object."""
        body, etag = read_bytes(self.s3, self.bucket, self.key)
        return (None, None) if body is None else (json.loads(body), etag)

    def read_dated(self) -> tuple[Any, datetime] | None:
        """The value and when it was written, by S3's clock in UTC; None if there is none."""
        answer = _get(self.s3, self.bucket, self.key)
        if answer is None:
            return None
        return json.loads(answer["Body"].read()), answer["LastModified"].astimezone(UTC)

    def write(self, value: object, etag: str | None) -> str:
        """As `write_bytes`, for the JSON of `value`."""
        body = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()
        return write_bytes(self.s3, self.bucket, self.key, body, etag, "application/json")
