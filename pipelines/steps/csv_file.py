"""One uploaded file, read as CSV (RFC 4180: comma, double quotes, a header) in UTF-8."""

import csv
import io
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from .anomaly import Anomaly


@dataclass(frozen=True)
class CsvFile:
    """`rows`: one text column for each name of the header; NaN for what pandas reads as missing."""

    name: str
    rows: pd.DataFrame


def read_csv(name: str, content: bytes) -> CsvFile | Anomaly:
    """The file, or the first rule that it breaks as a CSV file."""
    if not content.strip():
        return Anomaly(name, "", "a CSV file with a header and rows", "empty")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = content[error.start : error.start + 1].hex()
        return Anomaly(name, "", "text in UTF-8", f"byte 0x{byte} at position {error.start}")
    if (position := text.find("\0")) >= 0:
        return Anomaly(name, "", "text in UTF-8", f"a NUL character at position {position}")
    return _broken_rule(name, text) or CsvFile(
        name, pd.read_csv(io.StringIO(text), dtype=str, skip_blank_lines=True)
    )


def _broken_rule(name: str, text: str) -> Anomaly | None:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        repeated = [column for column, count in Counter(header).items() if count > 1]
        if repeated:
            return Anomaly(name, repeated[0], "named once in the header", "named more than once")
        if unnamed := [index + 1 for index, column in enumerate(header) if not column.strip()]:
            return Anomaly(
                name, "", "named in every column of the header", f"empty at {unnamed[0]}"
            )
        rows = 0
        for row in reader:
            if row and len(row) != len(header):
                fields = f"{len(row)} at line {reader.line_num}"
                return Anomaly(name, "", f"of {len(header)} fields in every row", fields)
            rows += bool(row)
    except csv.Error as error:
        return Anomaly(name, "", "CSV", f"not so at line {reader.line_num}: {error}")
    return None if rows else Anomaly(name, "", "a CSV file with a header and rows", "without rows")
