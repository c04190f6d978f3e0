"""What the AWS provider reads of a bucket after making it, and ministack answers otherwise.

- HeadBucket names the region of a bucket to whoever asks, even unsigned; ministack to signed
  requests only (https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html).
- GetBucketRequestPayment says who pays; ministack looks for it under another name, and lists the
  bucket's objects.
- ListTagsForResource of S3 Control is XML whatever a tag holds; ministack does not escape it.
"""

from typing import Any
from xml.sax.saxutils import escape

from ministack import app
from ministack.services import s3

PINS = {
    "ministack.app.SERVICE_HANDLERS": "dict",
    "ministack.app._handle_s3_control_request": (
        "(path: str, method: str, body: bytes, query_params: dict, request_id: str, "
        "headers: dict | None = None)"
    ),
    "ministack.services.s3._bucket_tags": "AccountScopedDict",
    "ministack.services.s3._get_bucket_request_payment": "(name: str)",
    "ministack.services.s3.bucket_region": "(name: str) -> str | None",
}

Reply = tuple[int, dict[str, str], Any]
REGION_HEADER = "x-amz-bucket-region"
BUCKET_TAGS = "/v20180820/tags/arn:aws:s3:::"


def install() -> None:
    answer, control = app.SERVICE_HANDLERS["s3"], app._handle_s3_control_request

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Reply:
        bucket = path.strip("/")
        if method == "GET" and "requestPayment" in query and "/" not in bucket:
            payer: Reply = s3._get_bucket_request_payment(bucket)
            return payer
        reply: Reply = await answer(method, path, headers, body, query)
        region = s3.bucket_region(bucket) if (method, reply[0]) == ("HEAD", 403) else None
        return (reply[0], reply[1] | {REGION_HEADER: region}, reply[2]) if region else reply

    async def handle_control(path: str, method: str, *rest: Any) -> Reply | None:
        reply: Reply | None = await control(path, method, *rest)
        if method == "GET" and path.startswith(BUCKET_TAGS) and reply and reply[0] == 200:
            tags = s3._bucket_tags.get(path.removeprefix(BUCKET_TAGS), {})
            return 200, reply[1], tags_document(tags)
        return reply

    app.SERVICE_HANDLERS["s3"], app._handle_s3_control_request = handle, handle_control


def tags_document(tags: dict[str, str]) -> bytes:
    """The answer of S3 Control's ListTagsForResource."""
    listed = "".join(
        f"<Tag><Key>{escape(key)}</Key><Value>{escape(value)}</Value></Tag>"
        for key, value in tags.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListTagsForResourceResult '
        'xmlns="https://awss3control.amazonaws.com/doc/2018-08-20/">'
        f"<Tags>{listed}</Tags></ListTagsForResourceResult>"
    ).encode()
