"""One uploaded file, read as CSV (RFC 4180: commas, double quotes, a header) in UTF-8."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from .anomaly import Anomaly

_WITH_ROWS = "a CSV file with a header and rows"


@dataclass(frozen=True)
class CsvFile:
    """`rows`: one column of text for each name of the header; NaN for what pandas takes as missing.

    Of a file with `anomalies`, the rows that could be read, so that their values are judged too.
    """

    name: str
    rows: pd.DataFrame
    anomalies: tuple[Anomaly, ...] = ()


def read_csv(name: str, content: bytes) -> CsvFile:
    """The file, with what breaks the rules of CSV files in it."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = content[error.start]
        return _unreadable(name, "text in UTF-8", f"byte {byte:#04x} at position {error.start}")
    if (position := text.find("\0")) >= 0:
        return _unreadable(name, "text", f"a NUL character at position {position}")
    if not text.strip():
        return _unreadable(name, _WITH_ROWS, "empty")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header, *records = ((reader.line_num, fields) for fields in reader if fields)
    except csv.Error as error:
        return _unreadable(name, "CSV", f"not so at line {reader.line_num}: {error}")
    columns = header[1]
    anomalies = list(_header_anomalies(name, columns))
    if not records:
        anomalies.append(Anomaly(name, "", _WITH_ROWS, "without rows"))
    if anomalies:
        return CsvFile(name, pd.DataFrame(), tuple(anomalies))
    ragged = [(line, fields) for line, fields in records if len(fields) != len(columns)]
    if ragged:
        line, fields = ragged[0]
        more = f", and {len(ragged) - 1} rows more" if len(ragged) > 1 else ""
        rule = f"of {len(columns)} fields in every row"
        anomalies.append(Anomaly(name, "", rule, f"{len(fields)} at line {line}{more}"))
    even = [fields for _, fields in records if len(fields) == len(columns)]
    return CsvFile(name, _frame(columns, even), tuple(anomalies))


def _unreadable(name: str, rule: str, value: str) -> CsvFile:
    return CsvFile(name, pd.DataFrame(), (Anomaly(name, "", rule, value),))


def _header_anomalies(name: str, columns: Sequence[str]) -> Iterator[Anomaly]:
    for column, count in Counter(columns).items():
        if not column.strip():
            yield Anomaly(name, "", "named in every column of the header", "empty in one")
        elif count > 1:
            yield Anomaly(name, column, "once in the header", f"there {count} times")


def _frame(columns: Sequence[str], records: Sequence[Sequence[str]]) -> pd.DataFrame:
    """The records, read once more by pandas, which decides which values are missing.

    Every field is quoted, so that there is nothing else left to decide.
    """
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([columns, *records])
    text.seek(0)
    return pd.read_csv(text, dtype=str, skip_blank_lines=False)
