"""What Prepare finds in uploads: many cases, one process of the step environment."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.steps.anomaly import Anomaly
from pipelines.steps.csv_file import read_csv
from pipelines.steps.exit_message import exit_message
from tests.pipelines.conftest import HEADER, rows, table

GOOD = {f"{number}.csv": table(rows(60, seed=number)) for number in range(3)}

# Name of the case -> uploads beside the good ones, and the anomalies that they are.
ONE_BAD_FILE: dict[str, tuple[bytes, list[str]]] = {
    "an empty file": (b"", ["bad: must be a CSV file with a header and rows, but is empty"]),
    "white space": (b" \n\n", ["bad: must be a CSV file with a header and rows, but is empty"]),
    "a header alone": (
        table([]),
        ["bad: must be a CSV file with a header and rows, but is without rows"],
    ),
    "a picture": (
        b"\x89PNG\r\n\x1a\n\x00",
        ["bad: must be text in UTF-8, but is byte 0x89 at position 0"],
    ),
    "Latin-1": (
        table(["1,2,K\u00f6ln,a,yes"]).decode().encode("latin-1"),
        ["bad: must be text in UTF-8, but is byte 0xf6 at position 36"],
    ),
    "a NUL character": (
        b"income\0,age",
        ["bad: must be text, but is a NUL character at position 6"],
    ),
    "an open quote": (
        table(['1,2,"Bonn,a,yes']),
        ["bad: must be CSV, but is not so at line 2: unexpected end of data"],
    ),
    "ragged rows": (
        table(["1,2,Bonn,a,yes", "1,2", "1,2,3,4,5,6"]),
        ["bad: must be of 5 fields in every row, but is 2 at line 3, and 1 rows more"],
    ),
    "a ragged row and a word among the numbers of another": (
        table(["many,2,Bonn,a,yes", "1,2"]),
        [
            "bad: must be of 5 fields in every row, but is 2 at line 3",
            "bad, column 'income': must be a number, but is 'many' in row 1",
        ],
    ),
    "another separator": (
        b"income;age\n1;2\n",
        [
            *(
                f"bad, column {name!r}: must be in the header, as in the other files, but is absent"
                for name in HEADER.split(",")
            ),
            "bad, column 'income;age': must be absent, as in the other files, but is in the header",
        ],
    ),
    "a missing and an additional column": (
        table(["1,2,Bonn,a"], "income,age,city,Group"),
        [
            "bad, column 'group': must be in the header, as in the other files, but is absent",
            "bad, column 'approved': must be in the header, as in the other files, but is absent",
            "bad, column 'Group': must be absent, as in the other files, but is in the header",
        ],
    ),
    "a column twice": (
        table(["1,2,3,4,5"], "income,age,income,group,approved"),
        ["bad, column 'income': must be once in the header, but is there 2 times"],
    ),
    "a column without a name": (
        table(["1,2,3,4,5"], "income,age,,group,approved"),
        ["bad: must be named in every column of the header, but is empty in one"],
    ),
    "words in two columns of numbers": (
        table(["1,old,Bonn,a,yes", "much,older,Bonn,a,yes"]),
        [
            "bad, column 'income': must be a number, but is 'much' in row 2",
            "bad, column 'age': must be a number, but is 'old' in row 1",
        ],
    ),
    "infinity": (
        table(["inf,2,Bonn,a,yes"]),
        ["bad, column 'income': must be a number, but is 'inf' in row 1"],
    ),
    "a missing target": (
        table(["1,2,Bonn,a,"]),
        ["bad, column 'approved': must be present, but is missing in row 1"],
    ),
    "a third value of the target": (
        table(["1,2,Bonn,a,maybe"]),
        ["bad, column 'approved': must be one of no, yes, but is 'maybe' in row 1"],
    ),
    "columns in another order": (table(["yes,a,Bonn,2,1"], "approved,group,city,age,income"), []),
    "a byte order mark": (b"\xef\xbb\xbf" + table(["1,2,Bonn,a,yes"]), []),
    "Windows line ends": (table(["1,2,Bonn,a,yes"]).replace(b"\n", b"\r\n"), []),
    "a quoted comma and line end": (table(['1,2,"Bonn,\nam Rhein",a,yes']), []),
    "missing features": (table([",,,,yes"]), []),
}

# Name of the case -> all uploads, target, protected column, anomalies.
WHOLE: dict[str, tuple[dict[str, bytes], str, str, list[str]]] = {
    "no file": (
        {},
        "approved",
        "",
        ["all files: must be in the snapshot, but is absent: upload CSV files"],
    ),
    "too few rows": (
        {"0.csv": table(rows(99))},
        "approved",
        "",
        ["all files: must be of 100 rows or more, but is of 99"],
    ),
    "a target that is no column": (
        GOOD,
        "aproved",
        "",
        [
            "all files, column 'aproved': must be a column, being the target, "
            "but is not one of income, age, city, group, approved"
        ],
    ),
    "a protected column that is no column": (
        GOOD,
        "approved",
        "sex",
        [
            "all files, column 'sex': must be a column, being the protected column, "
            "but is not one of income, age, city, group, approved"
        ],
    ),
    "a target of one value": (
        {"0.csv": table([f"{n},1,Bonn,a,yes" for n in range(100)])},
        "approved",
        "",
        ["all files, column 'approved': must be of two values, but is of 1: yes"],
    ),
    "a target of three values": (
        {"0.csv": table([f"{n},1,Bonn,a,{'xyz'[n % 3]}" for n in range(120)])},
        "approved",
        "",
        ["all files, column 'approved': must be of two values, but is of 3: x, y, z"],
    ),
    "a protected column of numbers": (
        GOOD,
        "approved",
        "income",
        [
            "all files, column 'income': must be of 20 values or fewer, "
            "being the protected column, but is of 85"
        ],
    ),
    "the target as protected column": (
        GOOD,
        "approved",
        "approved",
        ["all files, column 'approved': must be target or protected column, but is both"],
    ),
    "constant columns and identifiers": (
        {"0.csv": table([f"id-{n},1,Bonn,a,{'ny'[n % 2]}" for n in range(120)])},
        "approved",
        "group",
        [],
    ),
}

VALIDATE = """
from steps.csv_file import read_csv
from steps.prepare import validated
result = []
for uploads, target, protected in given:
    files = [read_csv(name, bytes.fromhex(content)) for name, content in uploads.items()]
    result.append([str(anomaly) for anomaly in validated(files, target, protected)[1]])
"""


@pytest.fixture(scope="module")
def found(in_step_environment: Any) -> dict[str, list[str]]:
    """Anomalies of every case above, by its name."""
    cases = {
        **{
            name: ({**GOOD, "bad": bad}, "approved", "group")
            for name, (bad, _) in ONE_BAD_FILE.items()
        },
        **{
            name: (files, target, protected)
            for name, (files, target, protected, _) in WHOLE.items()
        },
    }
    given = [
        ({name: content.hex() for name, content in files.items()}, target, protected)
        for files, target, protected in cases.values()
    ]
    return dict(zip(cases, in_step_environment(VALIDATE, given), strict=True))


@pytest.mark.parametrize("case", ONE_BAD_FILE)
def test_one_bad_file_among_good_ones_is_named(case: str, found: dict[str, list[str]]) -> None:
    assert found[case] == ONE_BAD_FILE[case][1]


@pytest.mark.parametrize("case", WHOLE)
def test_what_only_the_files_together_break_is_named(
    case: str, found: dict[str, list[str]]
) -> None:
    assert found[case] == WHOLE[case][3]


USERS_SCHEMA = """
import sys, types, pandera.pandas as pandera
from steps.csv_file import read_csv
import steps.prepare
schema = pandera.DataFrameSchema({
    "income": pandera.Column(int, pandera.Check.in_range(0, 100)),
    "age": pandera.Column(float, coerce=True, nullable=True),
    "city": pandera.Column(str, nullable=True),
})
steps.prepare.users_schema = lambda: schema
files = [read_csv(name, content.encode()) for name, content in given.items()]
result = [str(anomaly) for anomaly in steps.prepare.validated(files, "approved", "")[1]]
"""


def test_a_schema_of_the_users_own_takes_the_place_of_the_inferred_one(
    in_step_environment: Any,
) -> None:
    uploads = {name: content.decode() for name, content in GOOD.items()}
    uploads["bad"] = table(["101,old,Bonn,a,yes", "-1,,Bonn,a,no"]).decode()
    assert in_step_environment(USERS_SCHEMA, uploads) == [
        "bad, column 'age': must be of type float64, but is 'old' in row 1",
        "bad, column 'income': must be in_range(0, 100), but is 101 in row 1",
    ]


@given(st.binary(max_size=60) | st.text('a,"\n\r\0;\u00e4 ', max_size=40).map(str.encode))
def test_no_upload_at_all_crashes_the_reader(content: bytes) -> None:
    file = read_csv("any", content)
    assert file.anomalies or len(file.rows)


REASONS = st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=40)


@given(REASONS)
def test_an_exit_message_fits_and_accounts_for_every_reason(reasons: list[str]) -> None:
    message = exit_message(reasons, limit=300)
    assert len(message) <= 300
    shown = next(
        count
        for count in range(len(reasons), 0, -1)
        if message.startswith("; ".join(reasons[:count]))
    )
    if shown < len(reasons):
        assert message.endswith(f"; and {len(reasons) - shown} more")


def test_one_reason_that_is_too_long_is_cut() -> None:
    message = exit_message(["x" * 2000, "y"])
    assert len(message) == 1024
    assert message.endswith("x...; and 1 more")


def test_an_anomaly_reads_as_a_sentence() -> None:
    anomaly = Anomaly("data/may.csv", "age", "a number", "'old' in row 7")
    assert str(anomaly) == "data/may.csv, column 'age': must be a number, but is 'old' in row 7"
    assert anomaly.to_json() == {
        "file": "data/may.csv",
        "column": "age",
        "rule": "a number",
        "value": "'old' in row 7",
    }
