"""Data capture: what goes into an endpoint and comes out of it, written to S3 as JSON Lines.

Source: Amazon SageMaker AI Developer Guide, "Capture data from real-time endpoint" (the form of a
record and of a key) and API reference, DataCaptureConfig and CaptureContentTypeHeader.
"""

import base64
import json
import logging
import random
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import botocore.exceptions

from .storage import parse

FLUSH_SECONDS = 1.0
"""How long a record waits for company. SageMaker promises no bound; some minutes are usual."""

EVENT_VERSION = "0"


class Payload(NamedTuple):
    """One side of an invocation."""

    body: bytes
    content_type: str


def encoded(payload: Payload, headers: Mapping[str, Any]) -> dict[str, str]:
    """The payload as a record holds it.

    :param headers: CaptureContentTypeHeader. A content type that it does not list is written in
        BASE64; so is a body that is not UTF-8.
    """
    kind = payload.content_type.partition(";")[0].strip().lower()
    for encoding, member in (("CSV", "CsvContentTypes"), ("JSON", "JsonContentTypes")):
        if kind in headers.get(member, []):
            try:
                return {"data": payload.body.decode(), "encoding": encoding}
            except UnicodeDecodeError:
                break
    return {"data": base64.b64encode(payload.body).decode(), "encoding": "BASE64"}


def record(
    config: Mapping[str, Any],
    request: Payload,
    response: Payload,
    *,
    event_id: str,
    moment: datetime,
    inference_id: str | None = None,
) -> str:
    """One line of a capture file, without the line feed.

    :param config: the DataCaptureConfig of the endpoint configuration.
    """
    headers = config.get("CaptureContentTypeHeader", {})
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    sides = (
        ("endpointInput", "INPUT", {"Input", "InputAndOutput"}, request),
        ("endpointOutput", "OUTPUT", {"Output", "InputAndOutput"}, response),
    )
    data = {
        name: {
            "observedContentType": payload.content_type,
            "mode": mode,
            **encoded(payload, headers),
        }
        for name, mode, wanted, payload in sides
        if modes & wanted
    }
    metadata = {"eventId": event_id, "inferenceTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}
    if inference_id:
        metadata["inferenceId"] = inference_id
    line = {"captureData": data, "eventMetadata": metadata, "eventVersion": EVENT_VERSION}
    return json.dumps(line)


def key(prefix: str, endpoint: str, variant: str, moment: datetime, unique: str) -> str:
    """``prefix/endpoint/variant/yyyy/mm/dd/hh/mm-ss-mmm-unique.jsonl``."""
    folder = f"{prefix.strip('/')}/{endpoint}/{variant}/{moment:%Y/%m/%d/%H}".lstrip("/")
    return f"{folder}/{moment:%M-%S}-{moment.microsecond // 1000:03d}-{unique}.jsonl"


class Capture:
    """Collects the records of one variant, and writes them about every second.

    :param client: S3, as the execution role of the model.
    :param flushed: called after each write.
    :param draw: a number in [0, 1) for each invocation, for the sampling.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        endpoint: str,
        variant: str,
        client: Any,
        *,
        flushed: Callable[[], None],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._config = config
        self._endpoint = endpoint
        self._variant = variant
        self._client = client
        self._flushed = flushed
        self._draw = draw
        self._lines: list[str] = []
        self._closed = threading.Event()
        self._arrived = threading.Condition()
        self._thread = threading.Thread(
            target=self._write, name=f"capture-{endpoint}-{variant}", daemon=True
        )
        self._thread.start()

    def add(self, request: Payload, response: Payload, inference_id: str | None = None) -> None:
        """Record an invocation, if the sampling percentage has it so."""
        if self._draw() * 100 >= self._config["InitialSamplingPercentage"]:
            return
        line = record(
            self._config,
            request,
            response,
            event_id=str(uuid.uuid4()),
            moment=datetime.now(UTC),
            inference_id=inference_id,
        )
        with self._arrived:
            self._lines.append(line)
            self._arrived.notify()

    def close(self) -> None:
        """Write what is left, then stop."""
        self._closed.set()
        with self._arrived:
            self._arrived.notify()
        self._thread.join()

    def _write(self) -> None:
        while not self._closed.is_set():
            with self._arrived:
                self._arrived.wait_for(lambda: self._lines or self._closed.is_set())
            self._closed.wait(FLUSH_SECONDS)
            self._flush()
        self._flush()

    def _flush(self) -> None:
        with self._arrived:
            lines, self._lines = self._lines, []
        if lines:
            bucket, prefix = parse(self._config["DestinationS3Uri"])
            target = key(
                prefix, self._endpoint, self._variant, datetime.now(UTC), str(uuid.uuid4())
            )
            kms_key = self._config.get("KmsKeyId")
            encryption = (
                {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
            )
            try:
                self._client.put_object(
                    Bucket=bucket, Key=target, Body="".join(f"{it}\n" for it in lines), **encryption
                )
            except (botocore.exceptions.ClientError, botocore.exceptions.HTTPClientError) as error:
                logging.getLogger(__name__).warning(
                    "endpoint %s lost %d captured records: %s", self._endpoint, len(lines), error
                )
        self._flushed()
