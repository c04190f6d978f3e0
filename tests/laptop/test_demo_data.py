"""The demo's data: what is read, what is refused in one sentence, and how a population moves."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from laptop.demo.data import MIN_ROWS, DataSet, arrests, corrupt, files, from_csv, moved
from laptop.errors import LaptopError


@pytest.fixture
def frame() -> pd.DataFrame:
    count = MIN_ROWS + 100
    return pd.DataFrame(
        {
            "age": np.arange(count) % 70 + 18,
            "income": np.linspace(1.5, 99.5, count),
            "plan": np.where(np.arange(count) % 10 == 0, "rare", "common"),
            "gender": np.where(np.arange(count) % 2 == 0, "f", "m"),
            "churned": np.arange(count) % 3 == 0,
        }
    )


@pytest.fixture
def csv(tmp_path: Path, frame: pd.DataFrame) -> Path:
    path = tmp_path / "My customers (1).csv"
    frame.to_csv(path, index=False)
    return path


def test_a_csv_file_of_ones_own_becomes_a_data_set(csv: Path) -> None:
    data = from_csv(csv, "churned", "gender")
    assert (data.target, data.protected, len(data.frame)) == ("churned", "gender", MIN_ROWS + 100)
    assert list(data.features.columns) == ["age", "income", "plan"]


def test_a_loop_is_named_as_aws_names_may_be(csv: Path) -> None:
    assert from_csv(csv, "churned", None).loop == "my-customers-1"


@pytest.mark.parametrize("name", ["", "()", "\u00fc"])
def test_a_file_name_without_a_usable_character_still_names_a_loop(
    frame: pd.DataFrame, name: str
) -> None:
    assert DataSet(name, frame, "churned", None).loop == "demo"


@pytest.mark.parametrize(
    ("target", "protected", "sentence"),
    [
        (None, None, "needs TARGET=column as well"),
        (
            "left",
            None,
            "TARGET=left is not a column of .* it has age, income, plan, gender, churned",
        ),
        ("churned", "sex", "PROTECTED=sex is not a column of"),
        ("churned", "churned", "PROTECTED=churned is the target too"),
        ("age", None, "TARGET=age has 70 different values"),
    ],
)
def test_a_column_that_will_not_do_is_refused_in_one_sentence(
    csv: Path, target: str | None, protected: str | None, sentence: str
) -> None:
    with pytest.raises(LaptopError, match=sentence):
        from_csv(csv, target, protected)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read .No such file or directory"),
        (b"\x00\xff\xfe\x80", "is not a CSV file with a header line"),
        (b"", "is not a CSV file with a header line"),
        (b"a,b\n1,2\n1,2,3,4\n", "is not a CSV file with a header line"),
        (b"y\n1\n0\n", f"has 2 rows, and the demo needs {MIN_ROWS}"),
    ],
)
def test_a_file_that_will_not_do_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / "data.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LaptopError, match=sentence):
        from_csv(path, "y", None)


def test_a_target_with_missing_values_is_refused(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame["churned"] = frame["churned"].astype(object).where(frame["age"] > 20, None)
    frame.to_csv(tmp_path / "data.csv", index=False)
    with pytest.raises(LaptopError, match=r"2 different values and \d+ missing ones"):
        from_csv(tmp_path / "data.csv", "churned", None)


def test_files_hold_every_row_once_and_each_has_the_header(frame: pd.DataFrame) -> None:
    data = DataSet("customers", frame, "churned", None)
    parts = files(data, 7)
    lines = [part.decode().splitlines() for part in parts.values()]
    assert len(parts) == 7
    assert {part[0] for part in lines} == {"age,income,plan,gender,churned"}
    assert sum(len(part) - 1 for part in lines) == len(frame)


def test_a_moved_population_is_higher_rarer_and_of_the_same_types(frame: pd.DataFrame) -> None:
    data = DataSet("customers", frame, "churned", "gender")
    other = moved(data).frame
    assert (other["age"] > frame["age"]).all()
    assert (other["plan"] == "rare").sum() > (frame["plan"] == "rare").sum()
    assert list(other.dtypes) == list(frame.dtypes)
    assert other[["gender", "churned"]].equals(frame[["gender", "churned"]])


def test_a_corrupt_file_is_ragged_and_has_words_where_numbers_were(frame: pd.DataFrame) -> None:
    lines = corrupt(DataSet("customers", frame, "churned", None)).decode().splitlines()
    assert "a lot" in lines[4]
    assert {line.count(",") for line in lines} == {0, 4}


def test_the_data_set_that_ships_is_real_and_has_a_protected_attribute() -> None:
    data = arrests()
    assert data.frame.shape == (5226, 8)
    assert data.frame[data.target].nunique() == 2
    assert data.protected == "colour"
    assert data.protected not in data.features
