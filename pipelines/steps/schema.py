"""What every file of a snapshot has to look like, and how one file breaks it.

A loop's schema is `model/schema.py`, if the user wrote one: a pandera `DataFrameSchema` named
`SCHEMA`. Else it is inferred from the snapshot itself, by the majority of its rows: the header,
which columns are numeric, and the values of the target. A file that differs from the others is then
the one that is refused, whatever the order they came in.
"""

import importlib
import importlib.util
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pandera.pandas as pandera

from .anomaly import Anomaly
from .csv_file import CsvFile

# Values of the target that hold less than this share of the rows together are slips, not classes.
_SLIPS = 0.05


def is_numeric(column: "pd.Series[str]") -> bool:
    """Whether every value that is not missing reads as a number."""
    return bool(pd.to_numeric(column.dropna(), errors="coerce").notna().all())


def natural(rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` of text, with the columns of numbers as numbers."""
    return pd.DataFrame(
        {
            name: pd.to_numeric(column) if is_numeric(column) else column
            for name, column in rows.items()
        }
    )


def usual_header(files: Sequence[CsvFile]) -> list[str]:
    """The columns that the most rows have, in the order of the first such file."""
    rows: Counter[frozenset[str]] = Counter()
    for file in files:
        rows[frozenset(file.rows.columns)] += len(file.rows)
    most = max(rows, key=lambda header: rows[header])
    return list(next(file.rows.columns for file in files if most == frozenset(file.rows.columns)))


def header_anomalies(file: CsvFile, header: Sequence[str]) -> Iterator[Anomaly]:
    """What the header of `file` lacks and what it adds; the order of its columns is free."""
    for column in header:
        if column not in file.rows.columns:
            yield Anomaly(file.name, column, "in the header, as in the other files", "absent")
    for column in file.rows.columns:
        if column not in header:
            yield Anomaly(file.name, str(column), "absent, as in the other files", "in the header")


def target_classes(values: "pd.Series[str]") -> list[str]:
    """The classes of a target, in the order of text: all its values, without a few slips."""
    counts = values.value_counts()
    two = counts.iloc[:2]
    return sorted(map(str, two.index if two.sum() > (1 - _SLIPS) * counts.sum() else counts.index))


def inferred_schema(files: Sequence[CsvFile], target: str) -> pandera.DataFrameSchema:
    """Numbers in the columns whose values lie mostly in files of numbers, text in the others; in
    every row, one of the target's classes."""
    columns = {}
    for name in files[0].rows.columns:
        votes = Counter[bool]()
        for file in files:
            votes[is_numeric(file.rows[name])] += int(file.rows[name].notna().sum())
        number = pandera.Check(_is_finite, error="a number")
        columns[name] = pandera.Column(
            checks=number if votes[True] >= votes[False] else None, nullable=True
        )
    classes = target_classes(pd.concat([file.rows[target] for file in files]))
    known = pandera.Check.isin(classes, error=f"one of {', '.join(classes)}")
    columns[target] = pandera.Column(checks=known if len(classes) == 2 else None)
    return pandera.DataFrameSchema(columns)


def _is_finite(column: "pd.Series[str]") -> "pd.Series[bool]":
    return pd.to_numeric(column, errors="coerce").abs() < np.inf


def users_schema() -> pandera.DataFrameSchema | None:
    """`SCHEMA` of the bundled `model/schema.py`; None if there is no such file.

    Raises TypeError if it is something else.
    """
    if importlib.util.find_spec("model.schema") is None:
        return None
    schema = importlib.import_module("model.schema").SCHEMA
    if not isinstance(schema, pandera.DataFrameSchema):
        raise TypeError(
            f"SCHEMA of model/schema.py is a {type(schema).__name__}, and must be a pandera "
            "DataFrameSchema (for a DataFrameModel, write SCHEMA = YourModel.to_schema())."
        )
    return schema


def schema_anomalies(
    name: str, rows: pd.DataFrame, schema: pandera.DataFrameSchema
) -> Iterator[Anomaly]:
    """For each column and rule that the rows of a file break, the first value that does."""
    try:
        schema.validate(rows, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases.drop_duplicates(["column", "check"])
        not_coerced = set()
        for column, check, value, row in zip(
            cases["column"], cases["check"], cases["failure_case"], cases["index"], strict=True
        ):
            if column in not_coerced:
                continue  # what follows in that column only follows from that
            if check.startswith("coerce_dtype"):
                not_coerced.add(column)
            shown = "missing" if pd.isna(value) else repr(value)
            place = "" if pd.isna(row) else f" in row {int(row) + 1}"
            yield Anomaly(name, str(column or ""), _rule(check), shown + place)


def _rule(check: str) -> str:
    """pandera's name of a check, in words."""
    if dtype := re.fullmatch(r"(?:coerce_)?dtype\('(.*)'\)", check):
        return f"of type {dtype[1]}"
    return "present" if check == "not_nullable" else check
