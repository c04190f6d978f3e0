"""What every file of a snapshot has to look like, and how one file breaks it.

A loop's schema is `model/schema.py`, if the user wrote one: a pandera `DataFrameSchema` named
`SCHEMA`. Else it is inferred from the snapshot itself: the header that holds the most rows, and for
each column whether it is numeric in the files that hold the most rows. A file that differs from the
others is then the one that is refused, and in which order the files came does not matter.
"""

import importlib.util
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pandera.pandas as pandera

from .anomaly import Anomaly
from .csv_file import CsvFile


def is_numeric(column: "pd.Series[str]") -> bool:
    """Whether every value that is not missing reads as a number."""
    present = column.dropna()
    return bool(pd.to_numeric(present, errors="coerce").notna().all())


def usual_header(files: Sequence[CsvFile]) -> list[str]:
    """The columns, in order, of the header that the most rows have; of the first such file if two
    headers have as many."""
    rows: Counter[frozenset[str]] = Counter()
    for file in files:
        rows[frozenset(file.rows.columns)] += len(file.rows)
    most = max(rows, key=lambda header: rows[header])
    return list(next(file for file in files if frozenset(file.rows.columns) == most).rows.columns)


def header_anomalies(file: CsvFile, header: Sequence[str]) -> Iterator[Anomaly]:
    """What the header of `file` lacks and what it adds; the order of columns is free."""
    for column in header:
        if column not in file.rows.columns:
            yield Anomaly(file.name, column, "in the header, as in the other files", "absent")
    for column in file.rows.columns:
        if column not in header:
            yield Anomaly(file.name, str(column), "absent, as in the other files", "in the header")


def inferred_schema(files: Sequence[CsvFile], target: str) -> pandera.DataFrameSchema:
    """Numbers where most rows lie in files of numbers, text elsewhere; a target in every row."""
    finite = pandera.Check(np.isfinite, element_wise=False, error="a finite number")
    columns = {}
    for name in files[0].rows.columns:
        votes = Counter[bool]()
        for file in files:
            votes[is_numeric(file.rows[name])] += int(file.rows[name].notna().sum())
        if name != target and votes[True] >= votes[False]:
            columns[name] = pandera.Column(float, checks=finite, nullable=True, coerce=True)
        else:
            columns[name] = pandera.Column(object, nullable=name != target)
    return pandera.DataFrameSchema(columns)


def users_schema() -> pandera.DataFrameSchema | None:
    """`SCHEMA` of the bundled `model/schema.py`; None if there is no such file."""
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
    """For each column and rule that the rows break, the first value that does."""
    try:
        schema.validate(rows, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        seen = set()
        for case in errors.failure_cases.itertuples():
            column = str(case.column or "")
            if (column, case.check) not in seen:
                seen.add((column, case.check))
                yield Anomaly(name, column, _rule(str(case.check)), _value(case))


def _rule(check: str) -> str:
    """pandera's name of a check, in words."""
    if check.startswith("coerce_dtype"):
        return "a number"
    return {"not_nullable": "present in every row"}.get(check, check)


def _value(case: object) -> str:
    value, index = getattr(case, "failure_case", None), getattr(case, "index", None)
    text = "missing" if pd.isna(value) else repr(value)
    # Line 1 is the header.
    return text if index is None or pd.isna(index) else f"{text} at row {int(index) + 1}"
