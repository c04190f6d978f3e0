"""Lines of SageMaker's data capture, as rows of feature values and the model's scores.

Format of a line (Amazon SageMaker Developer Guide, "Capture data from real-time endpoints"):
`{"captureData": {"endpointInput": part, "endpointOutput": part}, "eventMetadata": {"eventId",
"inferenceTime"}, "eventVersion"}` with part = `{"observedContentType", "mode", "data", "encoding"}`
and encoding CSV, JSON or BASE64. One line is one request, which may hold several rows. A request is
CSV without a header or `{"instances": [[...], ...]}`, its answer
`{"predictions": [{"label", "score"}, ...]}`.
"""

import base64
import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Row = Sequence[object]


@dataclass(frozen=True)
class Captured:
    """The rows of some requests with one score each, and how many lines could not be used."""

    rows: tuple[Row, ...]
    scores: tuple[object, ...]
    bad_lines: int


class BadLineError(ValueError):
    """A capture line that cannot be used; the message says why."""


@dataclass(frozen=True)
class Request:
    """One captured request: when it was answered, its rows, and one score for each row."""

    time: datetime
    rows: tuple[Row, ...]
    scores: tuple[object, ...]


def read_requests(text: str, *, width: int, since: datetime) -> Captured:
    """The rows of a capture file with `width` values each, of requests at `since` or later.

    Lines that are not what they should be are counted, not raised: one client that sends nonsense
    must not stop the monitoring of all others.
    """
    rows: list[Row] = []
    scores: list[object] = []
    bad_lines = 0
    for line in filter(str.strip, text.split("\n")):
        try:
            request = parse_line(line)
        except BadLineError:
            bad_lines += 1
            continue
        if request.time < since:
            continue
        if any(len(row) != width for row in request.rows):
            bad_lines += 1
            continue
        rows.extend(request.rows)
        scores.extend(request.scores)
    return Captured(tuple(rows), tuple(scores), bad_lines)


def parse_line(line: str) -> Request:
    """One request. Raises BadLineError if the line is not of the format above."""
    try:
        record = json.loads(line)
        captured = record["captureData"]
        time = datetime.fromisoformat(record["eventMetadata"]["inferenceTime"])
        rows = _rows(captured["endpointInput"])
        predictions = json.loads(_text(captured["endpointOutput"]))["predictions"]
        scores = tuple(prediction["score"] for prediction in predictions)
    except (ValueError, TypeError, KeyError, RecursionError, csv.Error) as error:
        raise BadLineError(f"Not a captured request: {type(error).__name__} {error}.") from error
    if time.tzinfo is None:
        raise BadLineError(f"The inference time {time} has no time zone.")
    if len(rows) != len(scores):
        raise BadLineError(
            f"The request has {len(rows)} rows, and its answer {len(scores)} scores."
        )
    return Request(time, rows, scores)


def _rows(part: Mapping[str, Any]) -> tuple[Row, ...]:
    text = _text(part)
    if part["encoding"] == "JSON" or "json" in part["observedContentType"]:
        instances = json.loads(text)["instances"]
        if not all(isinstance(row, list) for row in instances):
            raise BadLineError("An instance is not a list of values.")
        return tuple(instances)
    return tuple(row for row in csv.reader(io.StringIO(text)) if row)


def _text(part: Mapping[str, Any]) -> str:
    data: str = part["data"]
    return base64.b64decode(data).decode() if part["encoding"] == "BASE64" else data
