"""Capture lines as SageMaker writes them."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.runtime.capture import BadLineError, parse_line, read_requests

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
ANSWER = '{"predictions": [{"label": "Yes", "score": 0.83}]}'


def part(data: str, encoding: str, content_type: str) -> dict[str, str]:
    return {
        "observedContentType": content_type,
        "mode": "INPUT",
        "data": data,
        "encoding": encoding,
    }


def line(
    request: dict[str, str], answer: dict[str, str], time: str = "2026-02-03T04:05:06Z"
) -> str:
    return json.dumps(
        {
            "captureData": {"endpointInput": request, "endpointOutput": answer},
            "eventMetadata": {"eventId": "6ba7b810", "inferenceTime": time},
            "eventVersion": "0",
        }
    )


def csv_line(data: str, answer: str = ANSWER, **more: str) -> str:
    return line(part(data, "CSV", "text/csv"), part(answer, "JSON", "application/json"), **more)


def json_line(instances: Any, answer: str = ANSWER) -> str:
    data = json.dumps({"instances": instances})
    return line(part(data, "JSON", "application/json"), part(answer, "JSON", "application/json"))


def scores(*values: float) -> str:
    return json.dumps({"predictions": [{"label": "Yes", "score": value} for value in values]})


def test_a_csv_request_is_a_row_of_texts() -> None:
    request = parse_line(csv_line('1,"a, b",\n'))
    assert request.rows == (["1", "a, b", ""],)
    assert request.scores == (0.83,)
    assert request.time == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_a_json_request_keeps_its_types() -> None:
    assert parse_line(json_line([[1, "a", None]])).rows == ([1, "a", None],)


def test_several_rows_in_a_request_are_several_rows() -> None:
    request = parse_line(csv_line("1,2\n3,4\n\n", scores(0.1, 0.9)))
    assert request.rows == (["1", "2"], ["3", "4"])
    assert request.scores == (0.1, 0.9)


@pytest.mark.parametrize(
    ("data", "content_type"),
    [("1,2", "text/csv"), ('{"instances": [["1", "2"]]}', "application/json; charset=utf-8")],
)
def test_base64_is_read_by_its_content_type(data: str, content_type: str) -> None:
    def packed(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    request = parse_line(
        line(
            part(packed(data), "BASE64", content_type),
            part(packed(ANSWER), "BASE64", "application/json"),
        )
    )
    assert request.rows == (["1", "2"],)
    assert request.scores == (0.83,)


@pytest.mark.parametrize(
    "bad",
    [
        "not json",
        "[]",
        "{}",
        "[" * 100_000,
        csv_line("1,2", "upstream request timeout"),
        csv_line("1,2", '{"predictions": [0.5]}'),
        csv_line("1,2", '{"message": "no"}'),
        csv_line("1,2\n3,4", scores(0.5)),
        csv_line("1,2", time="yesterday"),
        csv_line("1,2", time="2026-02-03T04:05:06"),
        json_line({"a": 1}),
        json_line([1, 2], scores(0.1, 0.2)),
        line(part("%%%", "BASE64", "text/csv"), part(ANSWER, "JSON", "application/json")),
        line(part("/w==", "BASE64", "text/csv"), part(ANSWER, "JSON", "application/json")),
    ],
)
def test_a_bad_line_is_counted_and_does_not_hide_the_good_ones(bad: str) -> None:
    with pytest.raises(BadLineError):
        parse_line(bad)
    captured = read_requests(f"{csv_line('1,2')}\n{bad}\n\n", width=2, since=BEGINNING)
    assert captured.rows == (["1", "2"],)
    assert captured.bad_lines == 1


def test_a_line_separator_inside_a_value_does_not_break_the_line() -> None:
    assert parse_line(csv_line("a\u2028b,c")).rows == (["a\u2028b", "c"],)
    text = csv_line("a,b").replace("a,b", "a\u2028b,c")
    assert read_requests(text, width=2, since=BEGINNING).bad_lines == 0


@given(st.text())
def test_no_text_stops_the_reading(text: str) -> None:
    captured = read_requests(text, width=2, since=BEGINNING)
    assert captured.rows == ()
    assert captured.bad_lines == sum(bool(each.strip()) for each in text.split("\n"))


def test_rows_of_another_width_are_bad() -> None:
    captured = read_requests(csv_line("1,2,3"), width=2, since=BEGINNING)
    assert (captured.rows, captured.bad_lines) == ((), 1)


def test_requests_to_the_model_before_are_left_out() -> None:
    text = "\n".join(
        [csv_line("1", time="2026-02-03T04:05:05Z"), csv_line("2", time="2026-02-03T04:05:06Z")]
    )
    since = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    captured = read_requests(text, width=1, since=since)
    assert (captured.rows, captured.scores, captured.bad_lines) == ((["2"],), (0.83,), 0)
