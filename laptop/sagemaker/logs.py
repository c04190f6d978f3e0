"""The log of a job or a container: on disk as it is written, and in CloudWatch Logs."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions

MAX_EVENTS = 10_000
MAX_BYTES = 1_048_576
EVENT_OVERHEAD = 26
"""Limits of PutLogEvents (API reference): events and bytes of a batch, bytes counted an event."""

MAX_LINE_BYTES = 262_144


class Log:
    """A log file, and the CloudWatch stream that follows it.

    A role that may not write logs loses nothing but the copy in CloudWatch, as in SageMaker.
    """

    def __init__(self, path: Path, client: Any, group: str, stream: str) -> None:
        self.path = path
        self._client = client
        self._names = {"logGroupName": group, "logStreamName": stream}
        self._shipped = 0
        self._created = False

    def ship(self) -> None:
        """Send to CloudWatch what was written since the last time."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._shipped)
            new = file.read()
        if not new:
            return
        with contextlib.suppress(
            botocore.exceptions.ClientError, botocore.exceptions.HTTPClientError
        ):
            if not self._created:
                self._create()
            lines = new.decode(errors="replace").splitlines()
            for batch in batches(lines, int(time.time() * 1000)):
                self._client.put_log_events(**self._names, logEvents=batch)
        self._shipped += len(new)

    def tail(self, lines: int) -> str:
        """The last lines."""
        text = self.path.read_text(errors="replace") if self.path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _create(self) -> None:
        """Make the stream, and the group only if it is missing: a role may lack the right to."""
        errors = self._client.exceptions
        try:
            self._client.create_log_stream(**self._names)
        except errors.ResourceAlreadyExistsException:
            pass
        except errors.ResourceNotFoundException:
            with contextlib.suppress(errors.ResourceAlreadyExistsException):
                self._client.create_log_group(logGroupName=self._names["logGroupName"])
            self._client.create_log_stream(**self._names)
        self._created = True


def batches(lines: Iterable[str], timestamp: int) -> Iterator[list[dict[str, Any]]]:
    """Log events in batches that PutLogEvents takes.

    A line that is too long is cut, and an empty one becomes a blank: an event must hold something.
    """
    batch: list[dict[str, Any]] = []
    size = 0
    for line in lines:
        message = line.encode()[:MAX_LINE_BYTES].decode(errors="ignore") or " "
        cost = len(message.encode()) + EVENT_OVERHEAD
        if batch and (len(batch) == MAX_EVENTS or size + cost > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append({"timestamp": timestamp, "message": message})
        size += cost
    if batch:
        yield batch
